package pack

import (
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
	mostOver        = 16       // the share of opened bytes that may have no room
)

// openable finds the streams that are worth opening, and how large blocks may be so that they can be opened.
func (d *differ) openable(ctx context.Context) error {
	d.limit = maxDeltaBlock
	d.opened = &streams{plain: d.base.total().payload, end: d.base.total().payload}
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
	s := d.opened.choose(targets, bases, lacking)
	if len(s.target) == 0 || len(s.appendTo(nil)) > maxList {
		return nil
	}
	for d.opened = s; d.limit > leastDeltaBlock; d.limit /= 2 {
		if much, err := d.overflows(ctx); err != nil || !much {
			return err
		}
	}
	return nil
}

// overflows reports whether much of what the streams hold has no room in blocks of d.limit.
func (d *differ) overflows(ctx context.Context) (bool, error) {
	opened, over := int64(0), int64(0)
	err := d.overlaps(ctx, d.limit, d.opened.target, func(all []overlap) {
		n := int64(0)
		for _, o := range all {
			t := d.opened.target[o.stream]
			n += int64(float64(t.Raw+t.Side) / float64(t.Closed) * float64(o.closed))
		}
		opened += n
		over += max(0, n-maxOpenedBlock*7/8)
	})
	return over > opened/mostOver, err
}

// choose takes of the target the streams whose bytes the base lacks; of the base those that these are
// probably like, and those that are like nothing in the target.
func (s *streams) choose(targets, bases []found, lacking []bool) *streams {
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
	wanted, there := make([]bool, len(bases)), make([]bool, len(bases))
	for i, t := range targets {
		if b := like(t); b >= 0 && lacking[i] {
			wanted[b] = true
		} else if b >= 0 {
			there[b] = true
		}
	}
	out, number := &streams{plain: s.plain}, make([]int, len(bases))
	for i, b := range bases {
		if wanted[i] || !there[i] {
			number[i] = len(out.base)
			out.base = append(out.base, stream{Stream: b.Stream})
		}
	}
	for i, t := range targets {
		if !lacking[i] {
			continue
		}
		x := stream{Stream: t.Stream, like: like(t)}
		if x.like >= 0 {
			x.like = number[x.like]
		}
		out.target = append(out.target, x)
	}
	out.place()
	return out
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
			return ctx.Err() == nil && len(out) < maxStreams
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lacking says of which streams the base lacks much.
func (d *differ) lacking(ctx context.Context, targets []found) ([]bool, error) {
	all, lack := make([]stream, len(targets)), make([]int64, len(targets))
	for k, t := range targets {
		all[k].Stream = t.Stream
	}
	err := d.overlaps(ctx, maxDeltaBlock, all, func(of []overlap) {
		for _, o := range of {
			lack[o.stream] += o.closed
		}
	})
	out := make([]bool, len(targets))
	for k, t := range targets {
		out[k] = lack[k] >= min(leastShare, (t.Closed+1)/2)
	}
	return out, err
}

// overlap is how many closed bytes of a stream lie in a block.
type overlap struct {
	stream int
	closed int64
}

// overlaps tells of every block that has some of the streams.
func (d *differ) overlaps(ctx context.Context, limit int, of []stream, visit func([]overlap)) error {
	i := 0
	return d.plan.deltaBlocks(ctx, limit, func(b deltaBlock) error {
		var all []overlap
		for _, p := range b.pieces {
			end := p.Addr + int64(p.Len)
			for ; i < len(of) && of[i].End() <= p.Addr; i++ {
			}
			for k := i; k < len(of) && of[k].At < end; k++ {
				if n := of[k].Until(end) - of[k].Until(p.Addr); n > 0 {
					all = append(all, overlap{k, n})
				}
			}
		}
		visit(all)
		return nil
	})
}
