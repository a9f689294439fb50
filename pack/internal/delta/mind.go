package delta

import (
	"math/bits"
	"slices"
)

// Piece is a run of new payload bytes that belong together in one file.
type Piece struct {
	Addr int64 // of its first byte, in the new payload
	Len  int
	Hint int64 // where it stands in the old payload, as far as the indexes tell; negative: unknown
}

// rep is where bytes come from, in a form that stays the same while old and new
// run side by side: for old bytes twice the difference of the addresses, for
// bytes of the same block twice the distance plus one.
type rep int64

func oldRep(d int64) rep   { return rep(d << 1) }
func localRep(d int64) rep { return rep(d<<1 | 1) }
func (r rep) local() bool  { return r&1 == 1 }
func (r rep) d() int64     { return int64(r >> 1) }

// Kinds of a copy.
const (
	kindRep   = 0 // and 1, 2, 3: what was copied from lately
	kindLocal = 4 // from the same block, a new distance
	kindOld   = 5 // from old bytes, a new difference
	kindDense = 6 // along rep 0, byte for byte, with differences; 7, 8, 9: along rep 1, 2, 3
	kinds     = 10
)

// track follows the places that copies come from.
type track struct {
	pieces []Piece
	next   int   // piece that begins next
	pos0   int   // where the present piece begins, in the block
	after  int   // where the next one begins
	addr   int64 // of the present piece
	reps   [4]rep
	oldD   int64 // difference of the last old copy
}

func newTrack(pieces []Piece) track { return track{pieces: pieces} }

// arrive takes note of the pieces that begin up to pos.
func (t *track) arrive(pos int) {
	if t.next == len(t.pieces) || pos < t.after {
		return
	}
	hint := int64(-1)
	for t.next < len(t.pieces) && pos >= t.after {
		p := &t.pieces[t.next]
		t.pos0, t.addr, hint = t.after, p.Addr, p.Hint
		t.after += p.Len
		t.next++
	}
	if hint >= 0 {
		t.oldD = hint - t.addr
		t.use(oldRep(t.oldD))
	}
}

// keeps reports whether r will be kept after the literals from pos to end.
func (t track) keeps(r rep, pos, end int) bool {
	t.arrive(pos)
	t.arrive(end)
	return slices.Contains(t.reps[:], r)
}

func (t *track) at(pos int) int64 { return t.addr + int64(pos-t.pos0) }

// use puts r before the others.
func (t *track) use(r rep) {
	switch r {
	case t.reps[0]:
	case t.reps[1]:
		t.reps[1], t.reps[0] = t.reps[0], r
	case t.reps[2]:
		t.reps[2], t.reps[1], t.reps[0] = t.reps[1], t.reps[0], r
	default:
		t.reps[3], t.reps[2], t.reps[1], t.reps[0] = t.reps[2], t.reps[1], t.reps[0], r
	}
	if !r.local() {
		t.oldD = r.d()
	}
}

// lengths codes numbers that are mostly small.
type lengths struct {
	slot nib
	high [8]nib
}

// numbers codes numbers that are mostly large.
type numbers struct {
	nb   nib
	nb2  [16]nib
	high [64]nib
	low  nib
}

// mind is all that the coder of a block has learnt.
type mind struct {
	ll   [kinds]lengths
	kind [kinds * 3]nib
	ml   [kinds]lengths
	far  numbers
	near numbers

	litRaw [16]flag
	litA   [256]byteModel // by the byte before
	litB   [4]predModel   // by the byte predicted
	litC   [1 << 12]byteModel

	view  [views]nib // of a dense copy, by that of the last one
	dense dense

	usedC, usedDense bool // what is large is made anew when it is needed
	unit             bool // it is for a unit, which has neither
	fresh            fresh
}

// rare gives litC.
func (m *mind) rare() *[1 << 12]byteModel {
	if !m.usedC {
		m.usedC = true
		for i := range m.litC {
			m.litC[i].reset()
		}
	}
	return &m.litC
}

// after gives the model of a literal after another.
func (m *mind) after(c1 byte) *byteModel {
	if m.unit {
		m.freshAfter(c1)
	}
	return &m.litA[c1]
}

// instead gives the models of the halves of a literal where a byte is predicted; hi is only known
// when the first half is.
func (m *mind) instead(place int, p byte) *nib {
	if m.unit {
		m.freshInstead(place, int(p))
	}
	return &m.litB[place].hi[p]
}

func (m *mind) insteadLow(place int, p byte, hi int) *nib {
	low := predLow(p, hi)
	if m.unit {
		m.freshInstead(place, predHighs+low)
	}
	return &m.litB[place].lo[low]
}

// rareAt gives the model of a literal after two others; units have one for all.
func (m *mind) rareAt(c1, c2 byte) *byteModel {
	if m.unit {
		m.freshRare()
		return &m.litC[0]
	}
	return &m.rare()[litHash(c1, c2)]
}

// thick gives dense.
func (m *mind) thick() *dense {
	if !m.usedDense {
		m.usedDense = true
		m.dense.reset()
	}
	return &m.dense
}

type byteModel struct {
	hi nib
	lo [16]nib
}

type predModel struct {
	hi [predHighs]nib
	lo [predLows]nib
}

const (
	predHighs = 256
	predLows  = 512
)

func (m *mind) reset() {
	m.unit = false
	fill := func(n []nib) {
		for i := range n {
			n[i] = nibStart
		}
	}
	for i := range m.ll {
		m.ll[i].reset()
		m.ml[i].reset()
	}
	fill(m.kind[:])
	fill(m.view[:])
	m.far.reset()
	m.near.reset()
	for i := range m.litRaw {
		m.litRaw[i] = flagStart
	}
	for i := range m.litA {
		m.litA[i].reset()
	}
	for i := range m.litB {
		fill(m.litB[i].hi[:])
		fill(m.litB[i].lo[:])
	}
	m.usedC, m.usedDense = false, false
}

func (b *byteModel) reset() {
	b.hi = nibStart
	for i := range b.lo {
		b.lo[i] = nibStart
	}
}

func (l *lengths) reset() {
	l.slot = nibStart
	for i := range l.high {
		l.high[i] = nibStart
	}
}

func (n *numbers) reset() {
	n.nb, n.low = nibStart, nibStart
	for i := range n.nb2 {
		n.nb2[i] = nibStart
	}
	for i := range n.high {
		n.high[i] = nibStart
	}
}

// zigzag folds a signed number.
func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func (l *lengths) put(e *emitter, v int) {
	if v < 8 {
		e.nib(&l.slot, v)
		return
	}
	k := bits.Len(uint(v)) - 4 // v in [8<<k, 16<<k)
	if k >= 7 {
		e.nib(&l.slot, 15)
		nb := bits.Len(uint(v))
		e.raw(uint64(nb), 5)
		e.raw(uint64(v)&(1<<(nb-1)-1), nb-1)
		return
	}
	e.nib(&l.slot, 8+k)
	rest := v - 8<<k
	e.nib(&l.high[k], rest>>k*2) // three bits
	e.raw(uint64(rest)&(1<<k-1), k)
}

func (l *lengths) take(t *taker) int {
	v := t.nib(&l.slot)
	if v < 8 {
		return v
	}
	if v == 15 {
		nb := int(t.raw(5))
		if nb < 1 {
			return 0
		}
		return int(t.raw(nb-1)) | 1<<(nb-1)
	}
	k := v - 8
	return 8<<k + t.nib(&l.high[k])/2<<k + int(t.raw(k))
}

func (n *numbers) put(e *emitter, v uint64) {
	nb := bits.Len64(v)
	e.nib(&n.nb, nb>>2)
	e.nib(&n.nb2[nb>>2], nb&3)
	if nb < 2 {
		return
	}
	left := nb - 1
	top := min(left, 4)
	e.nib(&n.high[nb], int(v>>(left-top))&(1<<top-1))
	if left -= top; left >= 4 {
		e.raw(v>>4&(1<<(left-4)-1), left-4)
		e.nib(&n.low, int(v&15))
	} else {
		e.raw(v&(1<<left-1), left)
	}
}

func (n *numbers) take(t *taker) uint64 {
	nb := t.nib(&n.nb) << 2
	nb |= t.nib(&n.nb2[nb>>2]) & 3
	if nb < 2 {
		return uint64(nb)
	}
	left := nb - 1
	top := min(left, 4)
	v := 1<<top | uint64(t.nib(&n.high[nb]))&(1<<top-1)
	if left -= top; left >= 4 {
		v = v<<(left-4) | t.raw(left-4)
		return v<<4 | uint64(t.nib(&n.low))
	}
	return v<<left | t.raw(left)
}
