package delta

import (
	"math/rand/v2"
	"testing"
)

func TestWhatIsCodedIsReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type op struct{ kind, v, n int }
	ops := make([]op, 200000)
	var e emitter
	ma, mb, f := nibStart, nibStart, flagStart
	for i := range ops {
		o := &ops[i]
		o.kind = r.IntN(4)
		switch o.kind {
		case 0:
			o.v = min(r.IntN(16), r.IntN(16), r.IntN(16), r.IntN(16))
			e.nib(&ma, o.v)
		case 1:
			o.v = r.IntN(3) * 7
			e.nib2(&ma, &mb, o.v)
		case 2:
			o.v = max(0, r.IntN(1000)-998)
			e.bit(&f, o.v)
		case 3:
			o.n = r.IntN(33)
			o.v = r.IntN(1 << o.n)
			e.raw(uint64(o.v), o.n)
		}
	}
	b := e.finish()
	d := newTaker(b)
	ma, mb, f = nibStart, nibStart, flagStart
	for i, o := range ops {
		got := 0
		switch o.kind {
		case 0:
			got = d.nib(&ma)
		case 1:
			got = d.nib2(&ma, &mb)
		case 2:
			got = d.bit(&f)
		case 3:
			got = int(d.raw(o.n))
		}
		if got != o.v {
			t.Fatalf("op %d: %+v, got %d", i, o, got)
		}
	}
	if !d.whole() {
		t.Error("not whole")
	}
}

func BenchmarkNib2(b *testing.B) {
	var e emitter
	r := rand.New(rand.NewPCG(1, 2))
	ma, mb := make([]nib, 256), make([]nib, 256)
	for i := range ma {
		ma[i], mb[i] = nibStart, nibStart
	}
	n := 100000
	syms := make([]int, n)
	c := 0
	for i := range n {
		syms[i] = min(r.IntN(16), r.IntN(16))
		e.nib2(&ma[c], &mb[c], syms[i])
		c = c<<4&255 | syms[i]
	}
	out := e.finish()
	for b.Loop() {
		d := newTaker(out)
		c := 0
		for range n {
			c = c<<4&255 | d.nib2(&ma[c], &mb[c])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/nib")
}
