package pack

import (
	"errors"
	"testing"
)

// What stands twice in the new tree is fetched once, also when nothing is installed,
// and a broken update that goes on fetches no more than the rest.
func TestTheSameBytesAreFetchedOnce(t *testing.T) {
	data := noise(7, 6<<20)
	old := forest{"same": {kind: KindFile, data: noise(1, 300<<10)}}
	next := forest{"a": {kind: KindFile, data: data}, "b": {kind: KindFile, data: noise(2, 3<<20)}, "c": {kind: KindFile, data: data},
		"d/e": {kind: KindFile, data: data[1<<20:]}, "same": old["same"]}
	for _, olds := range [][]forest{{old}, nil} {
		s := newShop(t, olds...)
		f, res := s.update(next, PlanOptions{})
		// The frames at the ends of the copies hold other bytes too.
		if want := int64(9+2*3) << 20; f.Download > want || f.Reused < 7<<20 || f.Patched != 0 || len(res.Rotten) != 0 {
			t.Errorf("with %d old trees: %+v, %+v", len(olds), f, res)
		}
	}
}

func TestABrokenUpdateKeepsTheBytesThatStandTwice(t *testing.T) {
	data := noise(7, 6<<20)
	next := forest{"a": {kind: KindFile, data: data}, "b": {kind: KindFile, data: noise(2, 3<<20)}, "c": {kind: KindFile, data: data}}
	s := newShop(t)
	b, _ := pack(t, next, BuildOptions{})
	p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.limit = 7 << 20
	if _, err := p.Apply(t.Context(), s.root, "staging", s.from(b)); !errors.Is(err, errLine) {
		t.Fatalf("got %v", err)
	}
	s.bytes, s.limit = 0, 0
	res, err := p.Apply(t.Context(), s.root, "staging", s.from(b))
	if err != nil {
		t.Fatal(err)
	}
	s.check(b, next, s.installed())
	if res.Resumed == 0 || s.bytes > p.Figures().Download/2 {
		t.Errorf("%+v; %d bytes fetched of %d", res, s.bytes, p.Figures().Download)
	}
}
