package delta

import "math/bits"

// Wanted remembers what new bytes begin with, at every place, so that an index takes
// only those old places that can be equal to some of them. It may want too much, and
// never too little.
type Wanted struct {
	bits  []uint64
	shift int
}

// Eight bits for each new byte leave one old place in nine by chance.
const (
	wantedLeast = 20
	wantedMost  = 29 // 64 MiB
)

// NewWanted of as many new bytes as there will be, about.
func NewWanted(size int64) *Wanted {
	n := min(max(bits.Len64(uint64(size)*8), wantedLeast), wantedMost)
	return &Wanted{bits: make([]uint64, 1<<(n-6)), shift: 64 - n}
}

// Add adds those bytes of a block that have no long match yet.
func (w *Wanted) Add(block []byte, m *Matches) {
	known := long(m.list)
	for i := 0; ; i++ {
		if i, known = past(i, known); i+farLen > len(block) {
			return
		}
		h := farMix(block[i:]) >> w.shift
		w.bits[h>>6] |= 1 << (h & 63)
	}
}

// has reports whether new bytes may begin with what was mixed to x.
func (w *Wanted) has(x uint64) bool {
	x >>= w.shift
	return w.bits[x>>6]>>(x&63)&1 == 1
}

// places marks every step-th place of old that is wanted, a bit for each, and counts them.
func (w *Wanted) places(old []byte, step int) (marks []uint64, n int) {
	marks = make([]uint64, len(old)/step/64+1)
	for i := 0; i+farLen <= len(old); i += step {
		if w.has(farMix(old[i:])) {
			k := i / step
			marks[k>>6] |= 1 << (k & 63)
			n++
		}
	}
	return marks, n
}
