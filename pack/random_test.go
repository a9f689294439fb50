package pack

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Random edits of a tree, planned and applied, give what extracting gives, at the
// planned cost, and never touch what is installed. Bad luck (rot, broken lines,
// leftovers of other targets) changes the cost alone.
func TestAppliedUpdatesEqualExtractedPacks(t *testing.T) {
	randomUpdates(t, randomCases)
}

func randomUpdates(t *testing.T, cases int) {
	for seed := range cases {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 11))
			old := randomForest(r)
			olds := []forest{old}
			if r.IntN(3) == 0 {
				olds = append(olds, randomForest(r))
			}
			s := newShop(t, olds...)
			if r.IntN(3) == 0 {
				s.spoil(r)
			}
			opts := PlanOptions{Copy: r.IntN(3) == 0}
			next := edit(r, old)
			if r.IntN(3) == 0 { // leave something behind first
				b, _ := pack(t, edit(r, next), BuildOptions{})
				p, err := NewPlan(t.Context(), open(t, b), s.olds, opts)
				if err != nil {
					t.Fatal(err)
				}
				s.limit = 1 + r.Int64N(200<<10)
				if _, err := p.Apply(t.Context(), s.root, "staging", s.from(b)); err != nil && !errors.Is(err, errLine) {
					t.Fatal(err)
				}
				s.limit = 0
			}
			s.update(next, opts)
		})
	}
}

func (s *shop) spoil(r *rand.Rand) {
	for path, n := range s.installed()[s.olds[0].Dir] {
		if n.kind.Regular() && len(n.data) > 0 && r.IntN(4) == 0 {
			n.data[r.IntN(len(n.data))] ^= 1
			if err := s.root.WriteFile(s.olds[0].Dir+"/"+path, n.data[:len(n.data)-r.IntN(2)], 0); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

func randomForest(r *rand.Rand) forest {
	f := forest{}
	for range r.IntN(30) {
		f.add(r, randomNode(r))
	}
	return f
}

func (f forest) add(r *rand.Rand, n node) {
	names := []string{"a", "b", "c", "d"}
	path := names[r.IntN(4)]
	for range r.IntN(3) {
		path += "/" + names[r.IntN(4)]
	}
	path += fmt.Sprintf("/f%d", r.IntN(20))
	if n.kind == KindLink {
		n.target = "f" + fmt.Sprint(r.IntN(20))
	}
	f[path] = n
}

func randomNode(r *rand.Rand) node {
	sizes := []int{0, 1, 511, 512, 20 << 10, 100 << 10, 300 << 10}
	size := sizes[r.IntN(len(sizes))]
	if size > 0 {
		size += r.IntN(size)
	}
	n := node{kind: kinds[r.IntN(2)]}
	switch r.IntN(6) {
	case 0:
		n.kind = KindLink
		return n
	case 1:
		n.kind = KindDirectory
		return n
	case 2:
		n.data = noise(r.Uint64N(50), size)
	default:
		n.data = text(r.Uint64N(50), size)
	}
	return n
}

func edit(r *rand.Rand, old forest) forest {
	next := forest{}
	for _, path := range slices.Sorted(maps.Keys(old)) {
		n := old[path]
		switch r.IntN(8) {
		case 0: // gone
			continue
		case 1: // moved
			next.add(r, n)
			continue
		case 2:
			if k := len(n.data); k > 0 {
				at := r.IntN(k)
				n.data = slices.Concat(n.data[:at], noise(r.Uint64N(50), r.IntN(3000)), n.data[min(k, at+r.IntN(3000)):])
			}
		case 3:
			if n.kind.Regular() {
				n.kind = kinds[r.IntN(2)]
			}
		case 4:
			n = randomNode(r)
			if n.kind == KindLink {
				n.target = "f1"
			}
		}
		next[path] = n
	}
	for range r.IntN(4) {
		next.add(r, randomNode(r))
	}
	for path := range next { // a moved file may lie where a directory was
		for dir := path; strings.Contains(dir, "/"); {
			dir = dir[:strings.LastIndex(dir, "/")]
			delete(next, dir)
		}
	}
	return next
}
