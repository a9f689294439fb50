//go:build !race

package pack

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// archivesEdited are archives, and the same after small changes to what is in them.
func archivesEdited(t testing.TB, size int) (old, next forest) {
	was := map[string][]byte{}
	for i := range 6 {
		was[fmt.Sprint("entry", i)] = entry(uint64(i), size/6)
	}
	is := maps.Clone(was)
	for i := range 6 {
		b := was[fmt.Sprint("entry", i)]
		if i%2 == 0 {
			is[fmt.Sprint("entry", i)] = slices.Concat(b[:100], []byte("something else"), b[120:])
		}
	}
	return archives(t, was, 6), archives(t, is, 6)
}

func TestWhatChangedInsideCompressedStreamsCostsWhatItIs(t *testing.T) {
	old, next := archivesEdited(t, 200<<10)
	s := newShop(t, old)
	f, res, sum := s.updateByDelta(next, PlanOptions{})
	if len(res.Rotten) > 0 || f.Download != f.Delta || sum.Missing < 150<<10 || sum.Size > sum.Missing/25 {
		t.Errorf("%+v, %+v, %+v", f, res, sum)
	}
}

func TestStreamsThatAreLikeNoOtherAreNoHarm(t *testing.T) {
	old := archives(t, map[string][]byte{"a": entry(1, 30<<10)}, 6)
	for name, next := range map[string]forest{
		"at another level": archives(t, map[string][]byte{"a": entry(1, 30<<10)}, 1),
		"other content":    archives(t, map[string][]byte{"b": entry(2, 30<<10)}, 9),
		"new files":        {"x/a.zip": archives(t, map[string][]byte{"a": entry(1, 31<<10)}, 6)["a.zip"], "b.gz": old["b.gz"]},
		"cut off":          {"a.zip": {kind: KindFile, data: old["a.zip"].data[:3000]}, "c.png": {kind: KindFile, data: old["c.png"].data[50:]}},
	} {
		s := newShop(t, old)
		f, res, sum := s.updateByDelta(next, PlanOptions{})
		if len(res.Rotten) > 0 || sum.Size > sum.Head+sum.Missing*11/10+300 {
			t.Errorf("%s: %+v, %+v, %+v", name, f, res, sum)
		}
	}
}

func TestAStreamLargerThanABlockIsOpenedInParts(t *testing.T) {
	old, next := archivesEdited(t, 3<<20)
	old, next = forest{"c.png": old["c.png"]}, forest{"c.png": next["c.png"]}
	s := newShop(t, old)
	f, res, sum := s.updateByDelta(next, PlanOptions{})
	if len(res.Rotten) > 0 || sum.Blocks < 2 || sum.Size > sum.Missing/25 {
		t.Errorf("%+v, %+v, %+v", f, res, sum)
	}
}

func TestRottenStreamsAreNamedAndTheirFramesFetched(t *testing.T) {
	old, next := archivesEdited(t, 200<<10)
	s := newShop(t, old)
	rot := bytes.Clone(old["b.gz"].data)
	rot[len(rot)/2] ^= 1
	if err := s.root.WriteFile("packs/0/b.gz", rot, 0o644); err != nil {
		t.Fatal(err)
	}
	_, res, _ := s.updateByDelta(next, PlanOptions{})
	if !slices.ContainsFunc(res.Rotten, func(m Mismatch) bool { return m.Path == "packs/0/b.gz" }) {
		t.Errorf("%+v", res)
	}
}

func TestADamagedDeltaOfStreamsIsToldAndFramesServe(t *testing.T) {
	old, next := archivesEdited(t, 60<<10)
	s := newShop(t, old)
	b, _ := pack(t, next, BuildOptions{})
	d, sum := writeDelta(t, s.olds[0].Archive, b)
	if d[7] != withStreams {
		t.Fatal("the test proves nothing")
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 60 {
		bad := bytes.Clone(d)
		bad[r.Int64N(sum.Size)] ^= 1 << r.IntN(8)
		broken, err := OpenDelta(bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			continue
		}
		before := s.installed()
		p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{Deltas: []*Delta{broken}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Apply(t.Context(), s.root, "staging", s.from(b)); err != nil {
			t.Fatal(err)
		}
		s.check(b, next, before)
		if err := s.root.RemoveAll("staging"); err != nil {
			t.Fatal(err)
		}
	}
}
