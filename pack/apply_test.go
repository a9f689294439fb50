package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"larder/asset"
)

// shop is a root with installed trees in it, and counts what is fetched.
type shop struct {
	t     testing.TB
	root  *os.Root
	olds  []Installed
	bytes int64
	calls int
	limit int64 // fetched bytes after which the line breaks; 0: never
}

func newShop(t testing.TB, installed ...forest) *shop {
	s := &shop{t: t, root: tempRoot(t)}
	for i, f := range installed {
		b, _ := pack(t, f, BuildOptions{})
		dir := fmt.Sprintf("packs/%d", i)
		if err := open(t, b).Extract(t.Context(), subRoot(t, s.root, dir)); err != nil {
			t.Fatal(err)
		}
		s.olds = append(s.olds, Installed{Archive: open(t, b), Dir: dir})
	}
	return s
}

var errLine = errors.New("the line broke")

type fetched struct {
	shop *shop
	r    io.Reader
}

func (f fetched) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	f.shop.bytes += int64(n)
	if f.shop.limit > 0 && f.shop.bytes > f.shop.limit {
		return 0, errLine
	}
	return n, err
}
func (f fetched) Close() error { return nil }

// from serves an archive.
func (s *shop) from(b []byte) Fetcher {
	return fetcher(func(off, n int64) io.ReadCloser {
		s.calls++
		return fetched{shop: s, r: io.NewSectionReader(bytes.NewReader(b), off, n)}
	})
}

type fetcher func(off, n int64) io.ReadCloser

func (f fetcher) Fetch(_ context.Context, off, n int64) (io.ReadCloser, error) { return f(off, n), nil }

// update plans with the index alone and applies; the new tree must be want, its cost as
// planned, and what is installed untouched.
func (s *shop) update(want forest, opts PlanOptions) (Figures, Result) {
	s.t.Helper()
	b, sum := pack(s.t, want, BuildOptions{})
	before := s.installed()
	p, err := NewPlan(s.t.Context(), open(s.t, b[sum.Size-sum.IndexSize:]), s.olds, opts)
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
	if len(res.Rotten) == 0 && res.Resumed == 0 {
		if s.bytes != f.Download || s.calls != f.Ranges || res.Downloaded != f.Download || res.Written != f.Write {
			s.t.Errorf("planned %+v; did %+v, %d bytes in %d ranges", f, res, s.bytes, s.calls)
		}
		if f.Write+f.Kept != sum.InstalledSize {
			s.t.Errorf("%+v does not add up to %d bytes", f, sum.InstalledSize)
		}
	}
	return f, res
}

func (s *shop) check(b []byte, want forest, before map[string]forest) {
	s.t.Helper()
	dst, err := s.root.OpenRoot("staging")
	if err != nil {
		s.t.Fatal(err)
	}
	defer dst.Close()
	sameForest(s.t, readForest(s.t, dst), want)
	if bad, err := open(s.t, b).VerifyTree(s.t.Context(), dst); err != nil || len(bad) > 0 {
		s.t.Errorf("verify tree: %v, %v", bad, err)
	}
	for dir, f := range before {
		old, err := s.root.OpenRoot(dir)
		if err != nil {
			s.t.Fatal(err)
		}
		sameForest(s.t, readForest(s.t, old), f)
		_ = old.Close()
	}
}

func (s *shop) installed() map[string]forest {
	all := map[string]forest{}
	for _, o := range s.olds {
		root, err := s.root.OpenRoot(o.Dir)
		if err != nil {
			s.t.Fatal(err)
		}
		all[o.Dir] = readForest(s.t, root)
		_ = root.Close()
	}
	return all
}

func TestAnUnchangedTreeCostsNothing(t *testing.T) {
	for _, opts := range []PlanOptions{{}, {Copy: true}} {
		f, res := newShop(t, sample()).update(sample(), opts)
		if f.Download != 0 || f.Ranges != 0 || !opts.Copy && f.Write != 0 || opts.Copy && f.Reused != f.Write {
			t.Errorf("%+v: %+v, %+v", opts, f, res)
		}
	}
}

func TestAFirstInstallFetchesEverythingInOneRangePerSection(t *testing.T) {
	f, _ := newShop(t).update(sample(), PlanOptions{})
	b, _ := pack(t, sample(), BuildOptions{})
	if sections := len(open(t, b).root.sections); sections < 2 || f.Ranges != sections || f.Kept != 0 || f.Reused != 0 {
		t.Errorf("%+v", f)
	}
}

func TestRenamesAndOtherPacksServeAsOldBytes(t *testing.T) {
	big := node{kind: KindFile, data: noise(9, 1<<20)}
	other := node{kind: KindFile, data: noise(10, 1<<20)}
	f, _ := newShop(t, forest{"a/old": big}, forest{"other": other}).update(forest{"new/name": big, "x": other}, PlanOptions{})
	if f.Download != 0 || f.Kept != 2<<20 {
		t.Errorf("%+v", f)
	}
}

func TestASmallEditFetchesOneFrame(t *testing.T) {
	data := noise(9, 8<<20)
	edited := slices.Concat(data[:5<<20], []byte("inserted"), data[5<<20:])
	f, _ := newShop(t, forest{"a": {kind: KindFile, data: data}}).update(forest{"a": {kind: KindFile, data: edited}}, PlanOptions{})
	if f.Download > 2<<20+4096 || f.Reused < 6<<20 {
		t.Errorf("%+v", f)
	}
}

func TestAnExecBitGetsItsOwnInode(t *testing.T) {
	data := noise(9, 1<<20)
	f, _ := newShop(t, forest{"a": {kind: KindFile, data: data}}).update(forest{"a": {kind: KindExecutable, data: data}}, PlanOptions{})
	if f.Download != 0 || f.Reused != 1<<20 {
		t.Errorf("%+v", f)
	}
}

func TestFilesTellTheFateOfEach(t *testing.T) {
	old := forest{"same": {kind: KindFile, data: noise(1, 300<<10)}, "edit": {kind: KindFile, data: noise(2, 4<<20)}}
	edited := bytes.Clone(old["edit"].data)
	edited[0] ^= 1
	next := forest{"same": old["same"], "edit": {kind: KindFile, data: edited}, "edit2": {kind: KindExecutable, data: old["same"].data},
		"new": {kind: KindFile, data: noise(3, 2<<20)}, "none": {kind: KindFile}}
	b, _ := pack(t, next, BuildOptions{})
	p, err := NewPlan(t.Context(), open(t, b), newShop(t, old).olds, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Fate{}
	for f, err := range p.Files(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[f.Path] = f.Fate
		if f.Reused+f.Fetched != f.Size {
			t.Errorf("%+v does not add up", f)
		}
	}
	want := map[string]Fate{"same": FateKept, "edit": FatePatched, "edit2": FateReused, "new": FateFetched, "none": FateMade}
	delete(got, "edit2") // it may share a frame with what is fetched
	delete(want, "edit2")
	if !maps.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
}

func TestRottenOldBytesAreFetchedInstead(t *testing.T) {
	data := noise(9, 6<<20)
	edited := slices.Concat(data[:5<<20], []byte("inserted"), data[5<<20:])
	old := forest{"edit": {kind: KindFile, data: data}, "keep": {kind: KindFile, data: noise(8, 3<<20)}, "gone": {kind: KindFile, data: noise(7, 100<<10)}, "cut": {kind: KindFile, data: noise(6, 2<<20)}}
	next := maps.Clone(old)
	next["edit"] = node{kind: KindFile, data: edited}
	for _, opts := range []PlanOptions{{}, {Copy: true}} {
		s := newShop(t, old)
		for _, name := range []string{"packs/0/edit", "packs/0/keep"} {
			f, err := s.root.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte("rot"), 1<<20+5); err != nil {
				t.Fatal(err)
			}
			_ = f.Close()
		}
		cut, err := s.root.OpenFile("packs/0/cut", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(cut.Truncate(1<<20), cut.Close(), s.root.Remove("packs/0/gone")); err != nil {
			t.Fatal(err)
		}
		plan, res := s.update(next, opts)
		blamed := map[string]bool{}
		for _, m := range res.Rotten {
			blamed[m.Path] = true
		}
		for _, name := range []string{"packs/0/edit", "packs/0/keep", "packs/0/gone", "packs/0/cut"} {
			if !blamed[name] {
				t.Errorf("%s was not named: %v", name, res.Rotten)
			}
		}
		if extra := res.Downloaded - plan.Download; extra > 6<<20 {
			t.Errorf("%d bytes were fetched for four small damages", extra)
		}
	}
}

func TestIntactFilesAreLinkedUnread(t *testing.T) {
	data := forest{"a": {kind: KindFile, data: noise(9, 1<<20)}}
	s := newShop(t, data)
	asked := ""
	s.olds[0].Intact = func(path string, info fs.FileInfo) bool {
		asked = path
		return info.Size() == 1<<20
	}
	if err := s.root.WriteFile("packs/0/a", noise(10, 1<<20), 0o644); err != nil { // a voucher that errs
		t.Fatal(err)
	}
	b, _ := pack(t, data, BuildOptions{})
	p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := p.Apply(t.Context(), s.root, "staging", nil); err != nil || asked != "a" || len(res.Rotten) > 0 {
		t.Errorf("got %+v, %v; asked for %q", res, err, asked)
	}
}

func TestWrongFetchedBytesAreRefused(t *testing.T) {
	b, _ := pack(t, sample(), BuildOptions{})
	p, err := NewPlan(t.Context(), open(t, bytes.Clone(b)), nil, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b[100000] ^= 1
	_, err = p.Apply(t.Context(), tempRoot(t), "staging", FetchFrom(bytes.NewReader(b)))
	wantCode(t, err, asset.CodeHashMismatch)
	_, err = p.Apply(t.Context(), tempRoot(t), "staging", FetchFrom(bytes.NewReader(b[:100000])))
	wantCode(t, err, asset.CodeSizeMismatch)
	_, err = p.Apply(t.Context(), tempRoot(t), "staging", nil)
	wantCode(t, err, asset.CodeState)
}

func TestApplyGoesOnWhereItStopped(t *testing.T) {
	s := newShop(t, sample())
	next := sample()
	next["data/new.bin"] = node{kind: KindFile, data: noise(20, 6<<20)}
	next["data/big.txt"] = node{kind: KindFile, data: text(30, 2<<20)}
	b, _ := pack(t, next, BuildOptions{})
	before := s.installed()
	p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	total, tries := int64(0), 0
	for ; ; tries++ {
		s.bytes, s.limit = 0, 2<<20
		_, err := p.Apply(t.Context(), s.root, "staging", s.from(b))
		total += min(s.bytes, s.limit)
		if err == nil {
			break
		}
		if !errors.Is(err, errLine) {
			t.Fatal(err)
		}
		if tries > 20 {
			t.Fatal("it does not get further")
		}
	}
	s.check(b, next, before)
	if tries < 2 {
		t.Fatalf("the line broke %d times; the test proves nothing", tries)
	}
	// A break costs the frame that was on the line and those not yet written.
	if most := p.Figures().Download + int64(tries)*4<<20; total > most {
		t.Errorf("%d bytes were fetched in %d tries; at most %d", total, tries, most)
	}
	s.bytes, s.limit = 0, 0
	if res, err := p.Apply(t.Context(), s.root, "staging", s.from(b)); err != nil || s.bytes != 0 || res.Written != 0 {
		t.Errorf("a finished tree is made again: %+v, %v", res, err)
	}
}

func TestApplyClearsAwayWhatDoesNotBelong(t *testing.T) {
	s := newShop(t, sample())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.root.MkdirAll("staging/data/one", 0o755)) // a directory where a file belongs
	must(s.root.MkdirAll("staging/junk/deep", 0o755))
	must(s.root.WriteFile("staging/junk/deep/x", []byte("junk"), 0o644))
	must(s.root.WriteFile("staging/data.txt", bytes.Repeat([]byte("long"), 1000), 0o644))
	must(s.root.Link("packs/0/data/big.txt", "staging/fresh")) // would change the installed tree
	must(s.root.Symlink("../packs/0/data", "staging/links"))   // leads into the installed tree
	next := sample()
	next["fresh"] = node{kind: KindFile, data: text(99, 3<<20)}
	s.update(next, PlanOptions{})
}

func TestCancelledApplyEnds(t *testing.T) {
	b, _ := pack(t, sample(), BuildOptions{})
	p, err := NewPlan(t.Context(), open(t, b), nil, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Apply(ctx, tempRoot(t), "staging", FetchFrom(bytes.NewReader(b))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFetchedBytesAreMadeDurableOnTheWay(t *testing.T) {
	defer func(n int64) { unsynced = n }(unsynced)
	unsynced = 1 << 20
	b, _ := pack(t, forest{"big": {kind: KindFile, data: noise(1, 8<<20)}}, BuildOptions{})
	s := newShop(t)
	var syncs atomic.Int32
	broken := errors.New("broken disk")
	opts := PlanOptions{Sync: func(*os.Root) error {
		if syncs.Add(1) == 4 {
			return broken
		}
		return nil
	}}
	p, err := NewPlan(t.Context(), open(t, b), nil, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), s.root, "staging", s.from(b)); !errors.Is(err, broken) {
		t.Errorf("a disk that cannot sync: %v", err)
	}
	if _, err := p.Apply(t.Context(), s.root, "staging", s.from(b)); err != nil {
		t.Fatal(err)
	}
	if n := syncs.Load(); n < 5 || n > 20 {
		t.Errorf("synced %d times", n)
	}
}
