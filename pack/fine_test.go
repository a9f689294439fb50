package pack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"larder/asset"
)

func writeFine(t testing.TB, b []byte) []byte {
	t.Helper()
	var m memory
	sum, err := WriteFine(t.Context(), &m, open(t, b), FineOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Size != int64(len(m.b)) {
		t.Fatalf("%+v, and %d bytes", sum, len(m.b))
	}
	return m.b
}

// parts is a file that gives what was announced, and nothing else.
type parts struct {
	b     []byte
	spans []Span
	limit int64 // of all bytes; 0: none
	bytes int64
}

func (p *parts) Have(_ context.Context, spans []Span) error {
	for _, s := range spans {
		if p.bytes += s.Length; p.limit > 0 && p.bytes > p.limit {
			return errLine
		}
	}
	p.spans = append(p.spans, spans...)
	return nil
}

func (p *parts) ReadAt(b []byte, off int64) (int, error) {
	for _, s := range p.spans {
		if off >= s.Offset && off+int64(len(b)) <= s.Offset+s.Length {
			return bytes.NewReader(p.b).ReadAt(b, off)
		}
	}
	return 0, fmt.Errorf("bytes %d to %d were not announced", off, off+int64(len(b)))
}

// updateFinely plans with index and fine file, and applies; the tree must be want, at the planned cost.
func (s *shop) updateFinely(b, fine []byte, want forest, opts PlanOptions) (Figures, Result) {
	s.t.Helper()
	before, file := s.installed(), &parts{b: fine}
	opts.Fine, opts.Root = NewFine(file, int64(len(fine))), s.root
	whole := open(s.t, b)
	p, err := NewPlan(s.t.Context(), open(s.t, b[len(b)-int(whole.Totals().IndexSize):]), s.olds, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.bytes = 0
	res, err := p.Apply(s.t.Context(), s.root, "staging", s.from(b))
	if err != nil {
		s.t.Fatal(err)
	}
	s.check(b, want, before)
	f := p.Figures()
	if len(res.Rotten) == 0 && res.Resumed == 0 && (s.bytes != f.Download-f.Fine || res.Downloaded != f.Download || file.bytes != f.Fine+f.Leaves || res.Written != f.Write) {
		s.t.Errorf("planned %+v; did %+v, %d bytes in frames, %d of the fine file", f, res, s.bytes, file.bytes)
	}
	return f, res
}

// rewritten is a small tree and what became of it: an edited text, moved parts, new files.
func rewritten() (old, next forest) {
	data := noise(9, 90<<10)
	old = forest{"a/data": {kind: KindFile, data: data}, "same": {kind: KindFile, data: noise(1, 40<<10)}, "story": {kind: KindFile, data: text(5, 60<<10)}}
	next = maps.Clone(old)
	next["a/data"] = node{kind: KindFile, data: slices.Concat(data[30<<10:], []byte("inserted"), data[:30<<10])}
	next["story"] = node{kind: KindFile, data: slices.Concat(old["story"].data[:1000], text(6, 3000), old["story"].data[900:])}
	next["new"] = node{kind: KindFile, data: text(12, 30<<10)}
	next["twin"] = next["new"]
	return old, next
}

// editedFine is the pack of what became of the edited tree, and its fine file. It is made once.
func editedFine(t testing.TB) (b, fine []byte, next forest) {
	t.Helper()
	_, next = rewritten()
	b, _ = pack(t, next, BuildOptions{})
	fineOnce.Do(func() { fineBytes = writeFine(t, b) })
	if fineBytes == nil {
		t.Fatal("the fine file could not be made")
	}
	return b, bytes.Clone(fineBytes), next
}

var (
	fineOnce  sync.Once
	fineBytes []byte
)

func TestAFineFileMakesWhatNoOldFileHas(t *testing.T) {
	old, _ := rewritten()
	b, fine, next := editedFine(t)
	s := newShop(t, old)
	f, res := s.updateFinely(b, fine, next, PlanOptions{})
	if len(res.Rotten) > 0 || f.Download != f.Fine || f.Fine > 20<<10 || f.Leaves > 3<<10 || s.bytes != 0 {
		t.Errorf("%+v, %+v", f, res)
	}
}

func TestAFineFileServesFromAnyVersion(t *testing.T) {
	b, fine, next := editedFine(t)
	older := maps.Clone(next)
	older["a/data"] = node{kind: KindFile, data: noise(9, 30<<10)}
	delete(older, "twin")
	s := newShop(t, forest{"elsewhere": {kind: KindFile, data: text(3, 20<<10)}}, older)
	if f, res := s.updateFinely(b, fine, next, PlanOptions{}); len(res.Rotten) > 0 || f.Fine == 0 {
		t.Errorf("%+v, %+v", f, res)
	}
}

func TestAnUpdateWithAFineFileIsTheSameForAnyPair(t *testing.T) {
	for seed := range (deltaPairs + 1) / 2 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 13))
			olds := []forest{randomForest(r)}
			if r.IntN(3) == 0 {
				olds = append(olds, randomForest(r))
			}
			next := edit(r, olds[0])
			if len(olds[0]) == 0 || len(next) == 0 {
				return
			}
			s := newShop(t, olds...)
			if r.IntN(3) == 0 {
				s.spoil(r)
			}
			b, _ := pack(t, next, BuildOptions{})
			fine := writeFine(t, b)
			if r.IntN(3) == 0 {
				for range 1 + r.IntN(20) {
					if n := len(fine) - fineHead; n > 0 {
						fine[fineHead+r.IntN(n)] ^= byte(1 + r.IntN(255))
					}
				}
			}
			s.updateFinely(b, fine, next, PlanOptions{Copy: r.IntN(4) == 0})
		})
	}
}

func TestUnderADamagedFineFileFramesServe(t *testing.T) {
	old, _ := rewritten()
	b, fine, next := editedFine(t)
	leaves := len(fine) - int(binary.LittleEndian.Uint64(fine[40:]))
	for at := fineHead; at < len(fine); at += (len(fine) - fineHead) / damagedPlaces {
		bad := bytes.Clone(fine)
		for i := at; i < min(at+9000, len(bad)); i++ {
			bad[i] ^= 0x55
		}
		s := newShop(t, old)
		if f, res := s.updateFinely(b, bad, next, PlanOptions{}); at >= leaves && len(res.Rotten) == 0 && f.Fine > 0 && at+9000 < len(bad) && res.Downloaded != f.Download {
			t.Errorf("byte %d: %+v, %+v", at, f, res)
		}
	}
}

func TestARottenOldFileUnderAFineFileIsMended(t *testing.T) {
	old, _ := rewritten()
	b, fine, next := editedFine(t)
	s := newShop(t, old)
	rot := bytes.Clone(old["story"].data)
	for i := 5 << 10; i < len(rot); i += 1 << 10 {
		rot[i] ^= 1
	}
	if err := s.root.WriteFile("packs/0/story", rot, 0o644); err != nil {
		t.Fatal(err)
	}
	s.updateFinely(b, fine, next, PlanOptions{})
}

func TestAFineFileOfAnotherVersionIsRefused(t *testing.T) {
	old, _ := rewritten()
	b, fine, _ := editedFine(t)
	s := newShop(t, old)
	try := func(fine []byte) error {
		_, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{Fine: NewFine(&parts{b: fine}, int64(len(fine))), Root: s.root})
		return err
	}
	if err := try(fine); err != nil {
		t.Fatal(err)
	}
	for i := range fineHead {
		bad := bytes.Clone(fine)
		bad[i] ^= 1 << (i % 8)
		wantCode(t, try(bad), asset.CodeHashMismatch, asset.CodeSizeMismatch, asset.CodeDoesNotFit)
	}
	for _, n := range []int{0, 10, fineHead, len(fine) / 2, len(fine) - 1} {
		wantCode(t, try(fine[:n]), asset.CodeSizeMismatch)
	}
}

func TestABrokenLineKeepsWhatTheFineFileMade(t *testing.T) {
	old, _ := rewritten()
	b, fine, next := editedFine(t)
	s := newShop(t, old)
	before := s.installed()
	plan := func(file *parts) *Plan {
		p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{Fine: NewFine(file, int64(len(fine))), Root: s.root})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	file := &parts{b: fine}
	p := plan(file)
	file.limit = file.bytes + p.Figures().Fine - 1
	if _, err := p.Apply(t.Context(), s.root, "staging", nil); !errors.Is(err, errLine) {
		t.Fatalf("got %v", err)
	}
	res, err := plan(&parts{b: fine}).Apply(t.Context(), s.root, "staging", nil)
	if err != nil {
		t.Fatalf("%+v, %v", res, err)
	}
	s.check(b, next, before)
	res, err = plan(&parts{b: fine}).Apply(t.Context(), s.root, "staging", nil)
	if err != nil || res.Downloaded != 0 {
		t.Errorf("again: %+v, %v", res, err)
	}
	s.check(b, next, before)
}

// The vectors of fine files: what any reader of this version must make of those that an earlier
// writer made. Writers may change; these bytes may not lose their meaning. The second one has chunks
// of a single block, and last blocks that are found.
func TestTheFineVectorsMakeTheirTargets(t *testing.T) {
	for _, v := range []struct{ base, target, fine string }{
		{"base.assetpack", "target.assetpack", "target.fine"},
		{"parts-base.assetpack", "parts-target.assetpack", "parts-target.fine"},
	} {
		b, name := readVector(t, v.target), filepath.Join("testdata", "fine", v.fine)
		if *update {
			if err := os.WriteFile(name, writeFine(t, b), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		fine, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, res := installed(t, v.base).updateFinely(b, fine, filesIn(t, v.target), PlanOptions{})
		if len(res.Rotten) > 0 || f.Download != f.Fine {
			t.Errorf("%s: %+v, %+v", v.fine, f, res)
		}
	}
}
