package pack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"

	"larder/pack/internal/deflate"
)

// Bounds of what a packer opens.
const (
	leastDeltaBlock = 256 << 10
	leastShare      = 64 << 10 // closed bytes that the base lacks, or half of the stream
)

// open finds the streams that are worth opening: of the target, those whose bytes the base lacks;
// of the base, those that these are probably like, and those that are like nothing in the target.
func (d *differ) open(ctx context.Context) error {
	d.limit = maxDeltaBlock
	d.opened = &streams{plain: d.base.total().payload}
	d.opened.place()
	was, is, err := d.changed(ctx)
	if err != nil || len(was) == 0 || len(is) == 0 {
		return err
	}
	targets, err := d.find(ctx, d.target, is)
	if err != nil || len(targets) == 0 {
		return err
	}
	bases, err := d.find(ctx, d.base, was)
	if err != nil || len(bases) == 0 {
		return err
	}
	lacking, err := d.lacking(ctx, targets)
	if err != nil {
		return err
	}
	number := make([]int, len(bases)) // of each among those that are opened, and 1
	names := map[string]int{}
	for i, b := range bases {
		for _, name := range b.names {
			if _, ok := names[name]; !ok {
				names[name] = i
			}
		}
	}
	like := func(t found) int {
		for _, name := range t.names {
			if i, ok := names[name]; ok {
				return i
			}
		}
		return -1
	}
	left := make([]bool, len(bases)) // those that a target's stream is like whose bytes are there already
	for i, t := range targets {
		if b := like(t); b >= 0 {
			left[b] = left[b] || lacking[i] == 0
			if lacking[i] > 0 {
				number[b] = 1
			}
		}
	}
	for i, b := range bases {
		if number[i] == 0 && left[i] {
			continue
		}
		d.opened.base = append(d.opened.base, stream{Stream: b.Stream})
		number[i] = len(d.opened.base)
	}
	closed, opened := int64(0), int64(0)
	for i, t := range targets {
		if lacking[i] == 0 {
			continue
		}
		s := stream{Stream: t.Stream, like: -1}
		if b := like(t); b >= 0 {
			s.like = number[b] - 1
		}
		d.opened.target = append(d.opened.target, s)
		closed, opened = closed+t.Closed, opened+t.Raw+t.Side
	}
	if d.opened.place(); len(d.opened.target) == 0 || len(d.opened.appendTo(nil)) > maxList || max(len(d.opened.base), len(d.opened.target)) > maxStreams {
		d.opened = &streams{plain: d.opened.plain}
		d.opened.place()
		return nil
	}
	for d.limit > leastDeltaBlock && float64(d.limit)*float64(opened)/float64(closed) > maxOpenedBlock*7/8 {
		d.limit /= 2
	}
	return nil
}

// found is a stream of a file, and what it may be called, the likeliest first.
type found struct {
	deflate.Stream
	names []string
}

// changed tells of the files that only the base has, or only the target, as they are.
func (d *differ) changed(ctx context.Context) (was, is []wholeFile, err error) {
	keys := map[uint64]bool{}
	err = eachFile(ctx, opDiff, d.target, func(*chunk) {}, func(f wholeFile) {
		keys[f.key] = true
		if _, ok := d.plan.files[f.key]; !ok {
			is = append(is, f)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	err = eachFile(ctx, opDiff, d.base, func(*chunk) {}, func(f wholeFile) {
		if !keys[f.key] {
			was = append(was, f)
		}
	})
	return was, is, err
}

// find gives the streams of files.
func (d *differ) find(ctx context.Context, a *Archive, files []wholeFile) (out []found, err error) {
	r := newUnpacked(opDiff, a)
	for _, f := range files {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n := 0
		err := deflate.Find(io.NewSectionReader(r, f.addr, f.size), f.size, func(s deflate.Stream) bool {
			name := s.Name
			if name == "" {
				name = fmt.Sprint(n)
			}
			n++
			s.At += f.addr
			out = append(out, found{Stream: s, names: []string{f.path + "\x00" + name, path.Base(f.path) + "\x00" + name}})
			return ctx.Err() == nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lacking counts the closed bytes of each stream that the base lacks; 0 if these are few.
func (d *differ) lacking(ctx context.Context, targets []found) ([]int64, error) {
	out := make([]int64, len(targets))
	i := 0
	err := d.plan.deltaBlocks(ctx, maxDeltaBlock, func(b deltaBlock) error {
		for _, p := range b.pieces {
			end := p.Addr + int64(p.Len)
			for ; i < len(targets) && targets[i].End() <= p.Addr; i++ {
			}
			for k := i; k < len(targets) && targets[k].At < end; k++ {
				out[k] += targets[k].Until(end) - targets[k].Until(p.Addr)
			}
		}
		return nil
	})
	for k, t := range targets {
		if out[k] < min(leastShare, (t.Closed+1)/2) {
			out[k] = 0
		}
	}
	return out, err
}

// opener gives the forms of the target's blocks, in their order. One goroutine has it.
type opener struct {
	d      *differ
	r      *unpacked
	cutter *deflate.Cutter
	of     int // the stream that cutter is of, and 1
}

func (o *opener) forms(b deltaBlock) (out [2]form, err error) {
	out[0] = form{told: make([]byte, b.size), pieces: b.pieces}
	at := 0
	for _, p := range b.pieces {
		if _, err := o.r.ReadAt(out[0].told[at:at+p.Len], p.Addr); err != nil {
			return out, err
		}
		at += p.Len
	}
	s := o.d.opened
	if !s.list() {
		return out, nil
	}
	closed := s.opening(b.pieces)
	out[0].head = closed.head()
	open := s.opening(b.pieces)
	var told []byte
	for i := range open.parts {
		p := &open.parts[i]
		raw := o.cut(open, i, out[0].told)
		if len(told)+len(raw) > maxOpenedBlock {
			p.raw = 0
			continue
		}
		told = append(told, raw...)
	}
	if len(told) == 0 {
		return out, nil
	}
	var plain []byte
	for _, c := range open.scraps {
		if open.plain(c) {
			plain = append(plain, out[0].told[c.at:c.at+c.n]...)
		}
	}
	out[1] = form{head: open.head(), told: append(plain, told...)}
	out[1].pieces, _ = open.pieces(b.pieces, s)
	return out, nil
}

// cut opens a part, and gives its raw and side; nothing where that cannot be closed again.
func (o *opener) cut(open *opening, i int, block []byte) []byte {
	p := &open.parts[i]
	t := o.d.opened.target[p.stream]
	if o.of != p.stream+1 {
		o.of, o.cutter = p.stream+1, deflate.NewCutter(deflate.Closed{R: o.r, Stream: t.Stream}, t.Closed)
	}
	q, rawAt, sideAt, err := o.cutter.Cut(p.from, p.to)
	if err != nil || len(q.Raw) == 0 || len(q.Side) == 0 || q.Lead.N > maxOpenBits || q.Tail.N > maxOpenBits {
		return nil
	}
	var want []byte
	for _, c := range open.scraps {
		if c.part == i {
			want = append(want, block[c.at:c.at+c.n]...)
		}
	}
	got := make([]byte, len(want))
	if deflate.Close(got, q) != nil || !bytes.Equal(got, want) {
		return nil
	}
	p.raw, p.side, p.rawAt, p.sideAt, p.lead, p.tail = len(q.Raw), len(q.Side), rawAt, sideAt, q.Lead, q.Tail
	return append(q.Raw, q.Side...)
}
