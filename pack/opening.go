package pack

import (
	"encoding/binary"
	"sort"

	"larder/pack/internal/deflate"
	"larder/pack/internal/delta"
)

// maxOpenedBlock bounds raw and side together of all parts of a block.
const maxOpenedBlock = 4 << 20

// opening is how a block's bytes are told where some of them belong to opened streams: first all
// others, then of each part of a stream its raw and its side.
type opening struct {
	scraps []scrap
	parts  []part
}

// scrap is a run of a block's bytes, of a part or as they are.
type scrap struct {
	at, n int   // in the block
	addr  int64 // in the payload
	piece int   // of the block
	part  int   // -1: of none
}

// part is a run of a stream's closed bytes that belong to one piece of a block.
type part struct {
	stream        int
	from, to      int64 // closed bytes
	addr          int64 // of the first
	raw, side     int   // 0 raw: it stays closed
	rawAt, sideAt int64 // about how much of raw and side came before
	lead, tail    deflate.Bits
}

// opening finds the parts of a block.
func (s *streams) opening(pieces []delta.Piece) *opening {
	o := &opening{}
	at := 0
	for k, p := range pieces {
		addr, end := p.Addr, p.Addr+int64(p.Len)
		put := func(to int64, part int) {
			if to > addr {
				o.scraps = append(o.scraps, scrap{at: at, n: int(to - addr), addr: addr, piece: k, part: part})
				at += int(to - addr)
				addr = to
			}
		}
		i := sort.Search(len(s.target), func(i int) bool { return s.target[i].End() > addr })
		for ; i < len(s.target) && s.target[i].At < end; i++ {
			t := &s.target[i]
			from, to := t.Until(addr), t.Until(end)
			if from == to {
				continue
			}
			put(t.Place(from), -1)
			o.parts = append(o.parts, part{stream: i, from: from, to: to, addr: addr})
			for j := from; j < to; {
				put(t.Place(j), -1)
				n := min(to, t.Whole(j)) - j
				put(addr+n, len(o.parts)-1)
				j += n
			}
		}
		put(end, -1)
	}
	return o
}

// plain reports whether a cut's bytes are told as they are.
func (o *opening) plain(c scrap) bool { return c.part < 0 || o.parts[c.part].raw == 0 }

// pieces are those of the block as it is told, and its size.
func (o *opening) pieces(of []delta.Piece, s *streams) (out []delta.Piece, size int) {
	last := -1
	for _, c := range o.scraps {
		if !o.plain(c) {
			continue
		}
		n := len(out)
		switch {
		case c.piece == last && out[n-1].Addr+int64(out[n-1].Len) == c.addr:
			out[n-1].Len += c.n
		case c.piece == last:
			out = append(out, delta.Piece{Addr: c.addr, Len: c.n, Hint: -1})
		default:
			p := delta.Piece{Addr: c.addr, Len: c.n, Hint: -1}
			if h := of[c.piece].Hint; h >= 0 {
				p.Hint = h + c.addr - of[c.piece].Addr
			}
			out = append(out, p)
		}
		last = c.piece
		size += c.n
	}
	for i := range o.parts {
		p := &o.parts[i]
		if p.raw == 0 {
			continue
		}
		raw, side := s.hints(p)
		out = append(out, delta.Piece{Addr: p.addr, Len: p.raw, Hint: raw}, delta.Piece{Addr: p.addr, Len: p.side, Hint: side})
		size += p.raw + p.side
	}
	return out, size
}

// head tells the parts, before the coded bytes.
func (o *opening) head() []byte {
	var b []byte
	bits := func(x deflate.Bits) {
		b = append(binary.AppendUvarint(b, uint64(x.N)), x.B...)
	}
	for _, p := range o.parts {
		b = binary.AppendUvarint(b, uint64(p.raw))
		if p.raw == 0 {
			continue
		}
		b = binary.AppendUvarint(b, uint64(p.side))
		b = binary.AppendUvarint(b, uint64(p.rawAt))
		b = binary.AppendUvarint(b, uint64(p.sideAt))
		bits(p.lead)
		bits(p.tail)
	}
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

// read takes the parts' lengths from the beginning of a stored block, and gives what follows.
func (o *opening) read(stored []byte) ([]byte, error) {
	n, k := shortest(stored)
	if k <= 0 || n > uint64(len(stored)-k) {
		return nil, errStreams
	}
	h, rest, left := numbers{b: stored[k : k+int(n)]}, stored[k+int(n):], int64(maxOpenedBlock)
	for i := range o.parts {
		p := &o.parts[i]
		if p.raw = int(h.take(left)); p.raw == 0 {
			continue
		}
		left -= int64(p.raw)
		p.side = int(h.take(left))
		left -= int64(p.side)
		p.rawAt, p.sideAt = h.take(deflate.MostOpened), h.take(deflate.MostOpened)
		p.lead, p.tail = h.bits(), h.bits()
		h.bad = h.bad || p.side == 0
	}
	if h.bad || len(h.b) > 0 {
		return nil, errStreams
	}
	return rest, nil
}

// numbers are uvarints that are read one after another; one that is too large makes them bad.
type numbers struct {
	b   []byte
	bad bool
}

func (n *numbers) take(most int64) int64 {
	v, k := shortest(n.b)
	if k <= 0 || v > uint64(most) {
		n.bad, n.b = true, nil
		return 0
	}
	n.b = n.b[k:]
	return int64(v)
}

// shortest is binary.Uvarint for numbers in their shortest form, which alone is allowed.
func shortest(b []byte) (v uint64, k int) {
	if v, k = binary.Uvarint(b); k > 1 && b[k-1] == 0 {
		return 0, 0
	}
	return v, k
}

func (n *numbers) bits() (x deflate.Bits) {
	x.N = int(n.take(maxOpenBits))
	k := (x.N + 7) / 8
	if k > len(n.b) {
		n.bad, k = true, 0
	}
	x.B, n.b = n.b[:k], n.b[k:]
	return x
}

// close makes the block from how it is told. A part that cannot be put together is left as zeros.
func (o *opening) close(dst, told []byte) {
	for _, c := range o.scraps {
		if o.plain(c) {
			copy(dst[c.at:c.at+c.n], told)
			told = told[c.n:]
		}
	}
	closed := make([][]byte, len(o.parts))
	for i, p := range o.parts {
		if p.raw == 0 {
			continue
		}
		closed[i] = make([]byte, p.to-p.from)
		if deflate.Close(closed[i], deflate.Part{Raw: told[:p.raw], Side: told[p.raw:][:p.side], Lead: p.lead, Tail: p.tail}) != nil {
			clear(closed[i])
		}
		told = told[p.raw+p.side:]
	}
	for _, c := range o.scraps {
		if !o.plain(c) {
			copy(dst[c.at:c.at+c.n], closed[c.part])
			closed[c.part] = closed[c.part][c.n:]
		}
	}
}
