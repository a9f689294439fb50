package pack

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"larder/asset"
)

// memory is a file in memory.
type memory struct{ b []byte }

func (m *memory) WriteAt(b []byte, off int64) (int, error) {
	if need := int(off) + len(b); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[off:], b), nil
}

func writeDelta(t testing.TB, base *Archive, next []byte) ([]byte, DeltaSummary) {
	t.Helper()
	var m memory
	sum, err := WriteDelta(t.Context(), &m, base, open(t, next), DeltaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Size != int64(len(m.b)) {
		t.Fatalf("%+v, and %d bytes", sum, len(m.b))
	}
	return m.b, sum
}

func openDelta(t testing.TB, b []byte) *Delta {
	t.Helper()
	d, err := OpenDelta(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// updateByDelta makes the target's index from the first old tree's, plans and applies.
func (s *shop) updateByDelta(want forest, opts PlanOptions) (Figures, Result, DeltaSummary) {
	s.t.Helper()
	b, _ := pack(s.t, want, BuildOptions{})
	d, sum := writeDelta(s.t, s.olds[0].Archive, b)
	f, res := s.applyDelta(b, d, want, opts)
	return f, res, sum
}

func (s *shop) applyDelta(b, d []byte, want forest, opts PlanOptions) (Figures, Result) {
	s.t.Helper()
	before := s.installed()
	delta := openDelta(s.t, d)
	var index bytes.Buffer
	if err := delta.WriteIndex(s.t.Context(), &index, s.olds[0].Archive); err != nil {
		s.t.Fatal(err)
	}
	opts.Deltas = append(opts.Deltas, delta)
	p, err := NewPlan(s.t.Context(), open(s.t, index.Bytes()), s.olds, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.bytes, s.calls = 0, 0
	res, err := p.Apply(s.t.Context(), s.root, "staging", s.from(b))
	if err != nil {
		s.t.Fatal(err)
	}
	s.check(b, want, before)
	f := p.Figures()
	if len(res.Rotten) == 0 && res.Resumed == 0 && (s.bytes != f.Download-f.Delta || res.Downloaded != f.Download || res.Written != f.Write) {
		s.t.Errorf("planned %+v; did %+v, %d bytes in frames", f, res, s.bytes)
	}
	return f, res
}

// editedDelta is the pack of what became of the edited tree, and the delta that leads
// there. It is made once: coding is slow under the race detector.
func editedDelta(t testing.TB, s *shop) (b, d []byte, built Summary, sum DeltaSummary) {
	t.Helper()
	_, next := edited()
	b, built = pack(t, next, BuildOptions{})
	editedOnce.Do(func() { editedBytes, editedSum = writeDelta(t, s.olds[0].Archive, b) })
	if editedBytes == nil {
		t.Fatal("the delta could not be made")
	}
	return b, bytes.Clone(editedBytes), built, editedSum
}

var (
	editedOnce  sync.Once
	editedBytes []byte
	editedSum   DeltaSummary
)

// edited is a tree and what became of it: insertions, numbers that grew, moved parts.
func edited() (old, next forest) {
	data := noise(9, 600<<10)
	table := text(3, 300<<10)
	grown := bytes.Clone(table)
	for i := 0; i < len(grown); i += 40 {
		grown[i] += 3
	}
	old = forest{"a/data": {kind: KindFile, data: data}, "a/table": {kind: KindExecutable, data: table}, "same": {kind: KindFile, data: noise(1, 300<<10)},
		"story": {kind: KindFile, data: text(5, 200<<10)}, "gone": {kind: KindFile, data: noise(4, 100<<10)}}
	next = maps.Clone(old)
	delete(next, "gone")
	next["a/data"] = node{kind: KindFile, data: slices.Concat(data[300<<10:], []byte("inserted"), data[:300<<10])}
	next["a/table"] = node{kind: KindExecutable, data: grown}
	next["story"] = node{kind: KindFile, data: slices.Concat(old["story"].data[:1000], text(6, 3000), old["story"].data[900:])}
	next["twin"] = node{kind: KindFile, data: grown}
	next["new"] = node{kind: KindFile, data: noise(12, 50<<10)}
	return old, next
}

func TestADeltaMakesWhatItsBaseLacks(t *testing.T) {
	old, next := edited()
	for _, opts := range []PlanOptions{{}, {Copy: true}} {
		s := newShop(t, old)
		b, d, _, sum := editedDelta(t, s)
		f, res := s.applyDelta(b, d, next, opts)
		if f.Download != f.Delta || f.Delta > 80<<10 || f.Ranges != 1 || f.Patched == 0 || sum.Missing < 300<<10 {
			t.Errorf("%+v, %+v, %+v", f, res, sum)
		}
	}
}

// Old bytes beyond a shard go through a scratch file, or are unpacked again where there can be none.
func TestADeltaInManyShardsIsAsSmall(t *testing.T) {
	old, next := edited()
	s := newShop(t, old)
	b, _, _, whole := editedDelta(t, s)
	for _, temp := range []string{t.TempDir(), "/nowhere"} {
		t.Setenv("TMPDIR", temp)
		t.Setenv("TMP", temp)
		var m memory
		sum, err := WriteDelta(t.Context(), &m, s.olds[0].Archive, open(t, b), DeltaOptions{shard: 200 << 10, held: 1})
		if err != nil {
			t.Fatal(err)
		}
		if sum.Size > whole.Size*51/50 {
			t.Errorf("%d bytes, and %d in one", sum.Size, whole.Size)
		}
		if left, _ := os.ReadDir(temp); len(left) > 0 {
			t.Errorf("left in %s: %v", temp, left)
		}
		newShop(t, old).applyDelta(b, m.b, next, PlanOptions{})
	}
}

func TestAnUpdateWithinADeltaIsTheSameForAnyPair(t *testing.T) {
	for seed := range deltaPairs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 12))
			old := randomForest(r)
			olds := []forest{old}
			if r.IntN(3) == 0 {
				olds = append(olds, randomForest(r))
			}
			next := edit(r, old)
			if len(old) == 0 || len(next) == 0 {
				return
			}
			s := newShop(t, olds...)
			if r.IntN(3) == 0 {
				s.spoil(r)
			}
			s.updateByDelta(next, PlanOptions{Copy: r.IntN(3) == 0})
		})
	}
}

func TestRottenBytesUnderADeltaAreNamedAndTheirFramesFetched(t *testing.T) {
	old, next := edited()
	s := newShop(t, old)
	rot := bytes.Clone(old["a/table"].data)
	rot[200<<10] ^= 1
	if err := s.root.WriteFile("packs/0/a/table", rot, 0o755); err != nil {
		t.Fatal(err)
	}
	b, d, _, _ := editedDelta(t, s)
	_, res := s.applyDelta(b, d, next, PlanOptions{})
	named := slices.ContainsFunc(res.Rotten, func(m Mismatch) bool {
		return m.Path == "packs/0/a/table" && m.Offset <= 200<<10 && m.Offset+maxChunk > 200<<10
	})
	if len(res.Rotten) != 1 || !named || res.Downloaded < 10<<10 {
		t.Errorf("%+v", res)
	}
}

func TestADamagedBlockIsToldAndFramesServe(t *testing.T) {
	old, next := edited()
	s := newShop(t, old)
	b, d, _, sum := editedDelta(t, s)
	for _, at := range []int64{sum.Head, sum.Head + 9, (sum.Head + sum.Size) / 2, sum.Size - 1} {
		bad := bytes.Clone(d)
		bad[at] ^= 0x10
		_, res := s.applyDelta(b, bad, next, PlanOptions{})
		if len(res.Rotten) != 1 || res.Rotten[0].Path != "" {
			t.Errorf("byte %d: %+v", at, res.Rotten)
		}
		if err := s.root.RemoveAll("staging"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedHeadIsRefused(t *testing.T) {
	old, next := edited()
	s := newShop(t, old)
	base := s.olds[0].Archive
	_, d, _, sum := editedDelta(t, s)
	try := func(d []byte) error {
		delta, err := OpenDelta(bytes.NewReader(d), int64(len(d)))
		if err != nil {
			return err
		}
		return delta.WriteIndex(t.Context(), &bytes.Buffer{}, base)
	}
	if err := try(d); err != nil {
		t.Fatal(err)
	}
	for i := int64(0); i < sum.Head; i += headStep {
		if i >= 72 && i < 76 {
			continue // another gathering of blocks; the plan tells
		}
		bad := bytes.Clone(d)
		bad[i] ^= 1 << (i % 8)
		// Here and there another code says the same, and the index is proved.
		if err := try(bad); err != nil {
			wantCode(t, err, asset.CodeHashMismatch, asset.CodeSizeMismatch, asset.CodeDoesNotFit, asset.CodeTooLarge)
		}
	}
	for _, n := range []int{0, 10, deltaHead, deltaHead + 3, len(d) / 2, len(d) - 1} {
		wantCode(t, try(d[:n]), asset.CodeHashMismatch, asset.CodeSizeMismatch, asset.CodeTooLarge)
	}
	other, _ := pack(t, next, BuildOptions{})
	delta := openDelta(t, d)
	wantCode(t, delta.WriteIndex(t.Context(), &bytes.Buffer{}, open(t, other)), asset.CodeHashMismatch)
}

func TestADeltaWithAnotherGatheringIsLeftAside(t *testing.T) {
	old, _ := edited()
	s := newShop(t, old)
	b, d, sum, _ := editedDelta(t, s)
	d[74] = 0x08 // blocks of 512 KiB
	p, err := NewPlan(t.Context(), open(t, b[sum.Size-sum.IndexSize:]), s.olds, PlanOptions{Deltas: []*Delta{openDelta(t, d)}})
	if err != nil || p.Figures().Delta != 0 || p.Figures().Download == 0 {
		t.Errorf("%+v, %v", p.Figures(), err)
	}
}

func TestOfSeveralDeltasTheSmallestServes(t *testing.T) {
	old, next := edited()
	middle := maps.Clone(next)
	delete(middle, "new")
	s := newShop(t, old, middle)
	b, far, _, _ := editedDelta(t, s)
	near, sum := writeDelta(t, s.olds[1].Archive, b)
	if len(near) >= len(far) {
		t.Fatal("the test proves nothing")
	}
	p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{Deltas: []*Delta{openDelta(t, far), openDelta(t, near)}})
	if err != nil {
		t.Fatal(err)
	}
	if f := p.Figures(); f.Download != sum.Size-sum.Head {
		t.Errorf("%+v; want %d bytes", f, sum.Size-sum.Head)
	}
	before := s.installed()
	if _, err := p.Apply(t.Context(), s.root, "staging", nil); err != nil {
		t.Fatal(err)
	}
	s.check(b, next, before)
}

func TestABrokenUpdateKeepsWhatTheDeltaMade(t *testing.T) {
	old, next := edited()
	s := newShop(t, old)
	b, d, _, sum := editedDelta(t, s)
	broken := errors.New("broken")
	half := &breaking{r: bytes.NewReader(d), err: broken}
	delta, err := OpenDelta(half, int64(len(d)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{Deltas: []*Delta{delta}})
	if err != nil {
		t.Fatal(err)
	}
	half.after = sum.Size - 1
	if _, err := p.Apply(t.Context(), s.root, "staging", nil); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	half.after = 0
	before := s.installed()
	res, err := p.Apply(t.Context(), s.root, "staging", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.check(b, next, before)
	if res.Downloaded > sum.Size-sum.Head {
		t.Errorf("%+v", res)
	}
}

// breaking fails reads that reach beyond a place.
type breaking struct {
	r     *bytes.Reader
	after int64
	err   error
}

func (b *breaking) ReadAt(p []byte, off int64) (int, error) {
	if b.after > 0 && off+int64(len(p)) > b.after {
		return 0, b.err
	}
	return b.r.ReadAt(p, off)
}

// Another pack has nearly all of a new file: to fetch one block for the rest would cost more
// than a frame, but to use one that was fetched costs nothing.
func TestBlocksAtHandCostNothing(t *testing.T) {
	data := noise(7, 1200<<10)
	old := forest{"a": {kind: KindFile, data: noise(8, 200<<10)}}
	next := forest{"a": old["a"], "b": {kind: KindFile, data: data}}
	s := newShop(t, old, forest{"c": {kind: KindFile, data: data[:len(data)-90<<10]}})
	b, _ := pack(t, next, BuildOptions{})
	d, sum := writeDelta(t, s.olds[0].Archive, b)
	for _, atHand := range []bool{false, true} {
		p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{Deltas: []*Delta{openDelta(t, d)}, AtHand: atHand})
		if err != nil {
			t.Fatal(err)
		}
		f := p.Figures()
		if atHand && (f.Delta != sum.Size-sum.Head || f.Download != f.Delta) || !atHand && (f.Delta != 0 || f.Download == 0) {
			t.Errorf("at hand: %v: %+v", atHand, f)
		}
		before := s.installed()
		if _, err := p.Apply(t.Context(), s.root, "staging", s.from(b)); err != nil {
			t.Fatal(err)
		}
		s.check(b, next, before)
		if err := s.root.RemoveAll("staging"); err != nil {
			t.Fatal(err)
		}
	}
}
