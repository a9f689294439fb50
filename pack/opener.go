package pack

import (
	"bytes"
	"context"

	"larder/pack/internal/deflate"
	"larder/pack/internal/delta"
)

// coding is a block on its way into the delta.
type coding struct {
	deltaBlock
	forms  [2]form // as it is, and opened, if it can be
	stored []byte
}

// form is a way to tell a block.
type form struct {
	head, told []byte
	pieces     []delta.Piece
	near       [][2]int64 // opened old bytes around where its parts probably stand
}

// mostHeld bytes of blocks are kept, so that they are not made for each shard.
const mostHeld = 64 << 20

// formed gives all blocks, in order.
func (d *differ) formed(ctx context.Context, emit func(coding) error) error {
	for _, c := range d.held {
		if err := emit(c); err != nil {
			return err
		}
	}
	if d.held != nil {
		return nil
	}
	source := &opener{d: d, r: newUnpacked(opDiff, d.target)}
	held, size := make([]coding, 0), int64(0)
	err := d.plan.deltaBlocks(ctx, d.limit, func(b deltaBlock) error {
		forms, err := source.forms(b)
		if err != nil {
			return err
		}
		c := coding{deltaBlock: b, forms: forms}
		if size += int64(len(forms[0].told) + len(forms[1].told)); size <= d.mostHeld {
			held = append(held, c)
		} else {
			held = nil
		}
		return emit(c)
	})
	if err == nil && size <= d.mostHeld {
		d.held = held
	}
	return err
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
	for _, p := range out[1].pieces {
		if p.Hint >= s.plain {
			out[1].near = append(out[1].near, [2]int64{p.Hint - nearOpened, p.Hint + int64(p.Len) + nearOpened})
		}
	}
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
