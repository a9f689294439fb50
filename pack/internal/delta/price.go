package delta

import (
	"math"
	"math/bits"
)

// cost of a symbol with that frequency, in bits.
func cost(freq uint64) float64 { return scaleBits - math.Log2(float64(freq)) }

// prices are what steps take, in 1/32 bit.
type prices struct {
	lit  [256][256]uint16 // by the byte before
	miss uint32           // the first literal after a copy
	lits uint32           // beginning literals
	none uint32           // no literals
	kind [kinds]uint32
	ml   [kinds][40]uint32 // by size of the number
	near [64]uint32
	far  [64]uint32

	// beginning a dense copy; a byte of it that differs, one that does not, and a field that is told
	dense, differ, equal, told uint32
}

const unit = 32

// size puts numbers into classes: small ones each by itself, others by their bits.
func size(v int) int {
	if v < 8 {
		return v
	}
	return 4 + bits.Len(uint(v))
}

func (p *prices) length(kind, n int) uint32 {
	n--
	return p.ml[min(kind, kindDense)][size(n)]
}

func (p *prices) local(d int64) uint32 { return p.near[bits.Len64(uint64(d))] }
func (p *prices) other(d int64) uint32 { return p.far[bits.Len64(zigzag(d))] }

// tally counts what a coded block is made of, for the prices of the next try.
type tally struct {
	lit       [256][256]uint32
	miss      float64
	misses    uint32
	ll        [40]uint32
	kind      [kinds]uint32
	ml        [kinds][40]uint32
	near, far [64]uint32

	differ, equal, told    float64 // what dense copies took
	differs, equals, tolds float64
}

// begin with what is common, so that little evidence changes little.
func newTally(block []byte) *tally {
	t := &tally{miss: 60, misses: 10, differ: 80, differs: 10, equal: 15, equals: 100, told: 5, tolds: 10}
	prev := byte(0)
	for _, c := range block {
		t.lit[prev][c]++
		prev = c
	}
	for i := range t.ll {
		t.ll[i] = 1 + 20>>min(i, 5)
	}
	t.kind = [kinds]uint32{60, 8, 4, 4, 40, 30, 20}
	for k := range t.ml {
		for i := range t.ml[k] {
			t.ml[k][i] = 1 + 16>>min(max(i-4, 0), 5)
		}
	}
	for i := range t.near {
		t.near[i], t.far[i] = 1, 1
		if i > 3 && i < 23 {
			t.near[i] = 8
		}
		if i > 3 && i < 32 {
			t.far[i] = 4
		}
	}
	return t
}

func price(n, total uint32) uint32 {
	return uint32(unit * math.Log2(float64(total)/(float64(n)+0.02)))
}

func sum(n []uint32) (total uint32) {
	for _, v := range n {
		total += v
	}
	return total + 1
}

func (t *tally) prices() *prices {
	p := &prices{miss: uint32(unit * t.miss / float64(t.misses))}
	var n0 [256]uint32
	all := uint32(0)
	for a := range t.lit {
		for c, n := range t.lit[a] {
			n0[c] += n
			all += n
		}
	}
	for a := range t.lit {
		total := sum(t.lit[a][:])
		for c, n := range t.lit[a] {
			p0 := (float64(n0[c]) + 0.5) / (float64(all) + 128)
			q := (float64(n) + 16*p0) / (float64(total) + 16)
			p.lit[a][c] = uint16(min(-math.Log2(q)+0.1, 12) * unit)
		}
	}
	p.differ = uint32(unit * (t.differ + 8) / (t.differs + 1))
	p.equal = uint32(unit * (t.equal + 0.1) / (t.equals + 1))
	p.told = uint32(unit * t.told / t.tolds)
	ll := sum(t.ll[:])
	p.none, p.lits = price(t.ll[0], ll), 0
	for i, n := range t.ll[1:] {
		p.lits += (price(n, ll) + uint32(max(0, i-6))*unit/2) * n / (ll - t.ll[0])
	}
	for k, n := range t.kind {
		p.kind[k] = price(n, sum(t.kind[:]))
	}
	p.dense = price(t.kind[kindDense], sum(t.kind[:])) + 6*unit
	for k := range t.ml {
		for i, n := range t.ml[k] {
			p.ml[k][i] = price(n, sum(t.ml[k][:]))
			if i >= 8 {
				p.ml[k][i] += uint32(i-5) * unit
			}
		}
	}
	for i := range t.near {
		more := uint32(max(0, i-1)) * unit
		p.near[i] = price(t.near[i], sum(t.near[:])) + more
		p.far[i] = price(t.far[i], sum(t.far[:])) + more
	}
	return p
}
