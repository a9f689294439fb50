package delta

import (
	"math/bits"
	"slices"
)

// Units codes the units of a payload, which it is given from its beginning on, stripe by stripe.
// It keeps up to 256 MiB of what came, and takes 2 bytes more for each.
type Units struct {
	hist []byte // what came last
	at   int64  // address of hist
	far  *farIndex
	near nearIndex
	from int // of the stripe, in hist
	list []match
	dull []bool
	sum  *tally
	p    *prices
}

const (
	// StripeMost is the most bytes of a stripe.
	StripeMost = 1 << 20
	histMost   = 256 << 20
	unitBits   = 20
	nearUnits  = 1 << 20 // bytes before a stripe that are searched for short matches
)

// NewUnits for a payload of the given size.
func NewUnits(size int64) *Units {
	u := &Units{sum: newTally(nil)}
	u.hist = make([]byte, 0, min(size, histMost+StripeMost))
	u.far = &farIndex{step: farStep}
	u.far.room(cap(u.hist))
	return u
}

// Add gives the next stripe.
func (u *Units) Add(stripe []byte) {
	if len(u.hist)+len(stripe) > cap(u.hist) {
		half := len(u.hist) - histMost/2
		u.hist = u.hist[:copy(u.hist, u.hist[half:])]
		u.at += int64(half)
		u.far = &farIndex{step: farStep}
		u.far.room(cap(u.hist))
	}
	u.far.old, u.far.base = u.hist, u.at
	u.far.enter()
	u.list = u.far.scan(stripe, leastMatch, u.list[:0])
	u.dull = dullness(stripe, u.list)
	u.from = len(u.hist)
	u.hist = append(u.hist, stripe...)
	begin := max(0, u.from-nearUnits)
	u.near.buf = u.hist[begin:]
	if u.near.head4 == nil {
		n := min(nearUnits+StripeMost, cap(u.hist))
		u.near.bits = min(max(bits.Len(uint(n)), 10), unitBits)
		u.near.head4, u.near.head8 = make([]int32, 1<<u.near.bits), make([]int32, 1<<u.near.bits)
		u.near.prev4, u.near.prev8 = make([]int32, n), make([]int32, n)
	}
	u.near.again()
	clear(u.near.prev4)
	clear(u.near.prev8)
	u.near.fill(len(u.near.buf))
	t := newTally(stripe)
	t.add(u.sum)
	u.p = t.prices()
}

// Learn takes note of what a coder has coded of the stripe, for the next one.
func (u *Units) Learn(c *UnitCoder) {
	u.sum.add(c.w.t)
	*c.w.t = tally{}
}

// add adds what another has counted of steps; literals are counted by the stripe.
func (t *tally) add(o *tally) {
	t.miss += o.miss
	t.misses += o.misses
	for i := range t.ll {
		t.ll[i] += o.ll[i]
	}
	for k := range t.kind {
		t.kind[k] += o.kind[k]
		for i := range t.ml[k] {
			t.ml[k][i] += o.ml[k][i]
		}
	}
	for i := range t.near {
		t.near[i] += o.near[i]
		t.far[i] += o.far[i]
	}
}

// UnitCoder codes units of the present stripe. One goroutine has it.
type UnitCoder struct {
	mind mind
	p    parser
	w    writer
	old  Window
}

// NewUnitCoder makes one.
func NewUnitCoder() *UnitCoder {
	c := &UnitCoder{}
	c.w.m, c.w.t = &c.mind, &tally{}
	c.p.thin, c.p.near = true, &nearIndex{}
	return c
}

// Encode gives the unit of the bytes from to end of the stripe.
func (u *Units) Encode(c *UnitCoder, from, end int) []byte {
	at := u.from + from
	block := u.hist[at : u.from+end]
	addr := u.at + int64(at)
	pieces := []Piece{{Addr: addr, Len: len(block), Hint: -1}}
	x := c.p.near
	*x = u.near
	before := at - max(0, u.from-nearUnits)
	x.buf, x.start = u.near.buf[:before+len(block)], before
	x.parts = append(x.parts[:0], part{src: addr - int64(before), n: before})
	x.whole, x.wholeAt = u.hist[:at], u.at
	p := &c.p
	p.block, p.pieces, p.starts, p.p, p.far, p.lately = block, pieces, append(p.starts[:0], 0), u.p, p.far[:0], [5]int{}
	k, _ := slices.BinarySearchFunc(u.list, from, func(m match, from int) int { return m.pos - from })
	for k = max(0, k-8); k < len(u.list) && u.list[k].pos < end; k++ {
		m := u.list[k]
		if cut := from - m.pos; cut > 0 {
			m.pos, m.n, m.src = from, m.n-cut, m.src+int64(cut)
		}
		m.pos -= from
		if m.n = min(m.n, len(block)-m.pos); m.n >= leastMatch {
			p.far = append(p.far, m)
		}
	}
	p.dull = append(p.dull[:0], u.dull[from/dullStretch])
	for i := 1; i <= (len(block)-1)/dullStretch+1; i++ {
		p.dull = append(p.dull, p.dull[0])
	}
	seqs := p.run()
	c.mind.begin(u.hist[max(0, at-Before):at])
	c.old.mem, c.old.memAt, c.old.size = x.whole, x.wholeAt, addr
	return c.w.encode(block, pieces, &c.old, seqs)
}
