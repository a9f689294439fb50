package stock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/fsx/crash"
	"larder/internal/install"
	"larder/internal/shelf"
	"larder/internal/transfer"
	"larder/pack"
)

// release is a published version of the pack.
type release struct {
	row  asset.Pack
	tree map[string]string
	data []byte
}

// site has versions of one pack, and a line to it that may break.
type site struct {
	t        *testing.T
	releases []*release
	deltas   map[string][]byte // by URL
	sent     map[string]int64  // by URL
	line     int64             // bytes until it breaks; negative: never
	whole    bool              // it answers no ranges
}

func newSite(t *testing.T) *site {
	return &site{t: t, deltas: map[string][]byte{}, sent: map[string]int64{}, line: -1}
}

// publish puts a version on sale, with deltas from all before.
func (s *site) publish(tree map[string]string) *release {
	s.t.Helper()
	src := pack.Tree{Open: func(name string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(tree[name])), nil }}
	for path, data := range tree {
		src.Sources = append(src.Sources, pack.Source{Entry: pack.Entry{Path: path, Kind: pack.KindFile, Size: int64(len(data))}, From: path})
	}
	var b bytes.Buffer
	sum, err := pack.Build(s.t.Context(), &b, src, pack.BuildOptions{})
	s.ok(err)
	r := &release{tree: tree, data: b.Bytes()}
	r.row = asset.Pack{ID: "level", Version: int64(len(s.releases)), DownloadSize: sum.Size, URL: fmt.Sprint("pack/", len(s.releases)), Content: sum.Content.String(), Index: sum.Index.String(), IndexSize: sum.IndexSize}
	for _, old := range s.releases {
		if old.row.Content == r.row.Content {
			continue
		}
		var out file
		_, err := pack.WriteDelta(s.t.Context(), &out, s.open(old), s.open(r), pack.DeltaOptions{})
		s.ok(err)
		hash := sha256.Sum256(out)
		d := asset.Delta{From: old.row.Content, URL: fmt.Sprint("delta/", old.row.Version, "-", r.row.Version), Size: int64(len(out)), Hash: hex.EncodeToString(hash[:])}
		r.row.Deltas = append(r.row.Deltas, d)
		s.deltas[d.URL] = out
	}
	s.releases = append(s.releases, r)
	return r
}

// file is one in memory.
type file []byte

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	if need := int(off) + len(b); need > len(*f) {
		*f = append(*f, make([]byte, need-len(*f))...)
	}
	return copy((*f)[off:], b), nil
}

func (s *site) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) open(r *release) *pack.Archive {
	s.t.Helper()
	a, err := pack.Open(bytes.NewReader(r.data), int64(len(r.data)))
	s.ok(err)
	return a
}

// net is the way to one release.
type net struct {
	*site
	r *release
}

func (n net) Open(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	return n.give(n.r.row.URL, n.r.data, offset, length)
}

func (n net) Requests() int { return 1 }

func (n net) Delta(_ context.Context, d asset.Delta, offset, length int64) (io.ReadCloser, error) {
	b, ok := n.deltas[d.URL]
	if !ok {
		return nil, &transfer.Failure{Kind: transfer.KindPermanent, Err: &asset.Error{Code: asset.CodeServer, Message: "not found"}}
	}
	return n.give(d.URL, b, offset, length)
}

func (n net) Whole(context.Context, string) error { return errors.New("nobody asks for the whole") }

func (n net) give(url string, b []byte, offset, length int64) (io.ReadCloser, error) {
	if n.whole && offset > 0 {
		return nil, &transfer.Failure{Kind: transfer.KindPermanent, Err: &asset.Error{Code: asset.CodeServer, Err: transfer.ErrNoRanges}}
	}
	return &body{n.site, url, bytes.NewReader(b[offset:min(offset+length, int64(len(b)))]), false}, nil
}

// body is an answer. It breaks with the line.
type body struct {
	s    *site
	url  string
	r    *bytes.Reader
	came bool
}

func (b *body) Close() error { return nil }

func (b *body) Read(p []byte) (int, error) {
	if b.s.line == 0 {
		return 0, &transfer.Failure{Kind: transfer.KindConnectivity, Err: &asset.Error{Code: asset.CodeNetwork}, Progressed: b.came}
	}
	if b.s.line > 0 {
		p = p[:min(int64(len(p)), b.s.line)]
	}
	n, err := b.r.Read(p)
	b.came = b.came || n > 0
	b.s.sent[b.url] += int64(n)
	if b.s.line > 0 {
		b.s.line -= int64(n)
	}
	return n, err
}

// device has a shelf and the folder of downloads on one disk.
type device struct {
	*site
	top  string
	disk fsx.FS
}

func (d *device) base() string { return filepath.Join(d.top, "partial", "one") }

// run is a service's life: it tries to have a release.
func (d *device) run(r *release, aside func(error)) error {
	s, err := install.Open(filepath.Join(d.top, "shelf"), install.Options{FS: d.disk})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // with the power off it may fail
	if err := fsx.MkdirAll(d.disk, filepath.Dir(d.base()), 0o755); err != nil {
		return err
	}
	j := Job{Pack: r.row, Base: d.base(), FS: d.disk, Net: net{d.site, r}, Shelf: s, Aside: aside}
	if _, err := Run(d.t.Context(), j); err != nil {
		return err
	}
	_, err = s.Prune(d.t.Context(), nil)
	return err
}

// shows checks that the shelf has that release, whole, and nothing is left of its coming.
func (d *device) shows(r *release) {
	d.t.Helper()
	d.installed(r)
	left, err := os.ReadDir(filepath.Dir(d.base()))
	d.ok(err)
	if len(left) > 0 {
		d.t.Errorf("left over: %v", left)
	}
}

func (d *device) installed(r *release) {
	d.t.Helper()
	v, err := shelf.Current(filepath.Join(d.top, "shelf"))
	d.ok(err)
	p, ok := v.Pack("level")
	if !ok || p.Content != r.row.Content || p.Version != r.row.Version {
		d.t.Fatalf("on the shelf is %+v, want version %d", p, r.row.Version)
	}
	root, err := os.OpenRoot(filepath.Join(d.top, "shelf", filepath.FromSlash(p.Root)))
	d.ok(err)
	defer root.Close()
	wrong, err := d.open(r).VerifyTree(d.t.Context(), root)
	d.ok(err)
	if len(wrong) > 0 {
		d.t.Errorf("version %d: %v", r.row.Version, wrong)
	}
}

// never fails the test if a delta is laid aside.
func never(t *testing.T) func(error) {
	return func(why error) { t.Helper(); t.Errorf("a delta was laid aside: %v", why) }
}

func noise(r *rand.Rand, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// edit changes a tree at random: bytes inserted, replaced and cut, files that come, go and move.
func edit(r *rand.Rand, old map[string]string) map[string]string {
	next := map[string]string{}
	for path, data := range old {
		switch at := r.IntN(len(data) + 1); r.IntN(7) {
		case 0:
			data = data[:at] + noise(r, r.IntN(500)) + data[at:]
		case 1:
			data = data[:at] + strings.Repeat("x", r.IntN(50)) + data[min(at+40, len(data)):]
		case 2:
			data = data[at:] + data[:at]
		case 3:
			path = fmt.Sprint("moved/", r.IntN(9))
		case 4:
			if len(old) > 2 {
				continue
			}
		}
		next[path] = data
	}
	if r.IntN(2) == 0 || len(next) == 0 {
		next[fmt.Sprint("new/", r.IntN(9))] = noise(r, r.IntN(20<<10))
	}
	return next
}

// Whatever changes between versions, whichever of them a device has and how often it is
// interrupted, it ends with the tree that was published. The line breaks, and the power goes at any
// step, while the disk keeps any part of what was not synced.
func TestAnAppleArchiveIsRefusedBeforeAByteIsFetched(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	_, err := Run(t.Context(), Job{Pack: asset.Pack{ID: "film", Content: hash, Index: hash, IndexSize: 1 << 30, DownloadSize: 1 << 30}}) // no network
	if asset.CodeOf(err) != asset.CodeDoesNotFit {
		t.Errorf("it ends with %v", err)
	}
}

func TestUpdatesByDeltasEndInThePublishedTree(t *testing.T) {
	used := 0
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			s := newSite(t)
			tree := map[string]string{"a": noise(r, 90<<10), "b/c": strings.Repeat("salt and bread; ", 900), "b/d": noise(r, 5<<10)}
			for range 4 {
				s.publish(tree)
				tree = edit(r, tree)
			}
			top := t.TempDir()
			disk := crash.New(fsx.OS(), top)
			for at := r.IntN(2); at < len(s.releases); at += 1 + r.IntN(2) { // some are skipped
				want := s.releases[at]
				for tries := 0; ; tries++ {
					if tries > 60 {
						t.Fatal("it never ends")
					}
					s.ok(disk.Foreign("shelf/staging/*/files"))
					keep := crash.Keep{}
					if r.IntN(2) == 0 {
						keep.Random = rand.New(rand.NewPCG(r.Uint64(), 1))
					}
					if tries < 8 && r.IntN(3) > 0 {
						disk.CrashAt(1+r.IntN(60), keep)
					}
					if s.line = -1; tries < 8 && r.IntN(3) == 0 {
						s.line = r.Int64N(20 << 10)
					}
					err := (&device{s, top, disk}).run(want, func(error) {})
					var f *transfer.Failure
					if err != nil && !errors.Is(err, crash.ErrPowerCut) && !errors.As(err, &f) {
						t.Fatal(err)
					}
					s.ok(disk.Crash(keep)) // nothing that was told is lost
					disk = disk.Reopen()
					if err == nil {
						break
					}
				}
				(&device{s, top, disk}).installed(want)
			}
			for url := range s.sent {
				if strings.HasPrefix(url, "delta/") {
					used++
				}
			}
		})
	}
	if used < 3 {
		t.Errorf("only %d deltas were fetched", used)
	}
}

func TestADeltaIsAllThatComes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s := newSite(t)
	one := s.publish(map[string]string{"a": noise(r, 200<<10), "b": "one"})
	two := s.publish(map[string]string{"a": one.tree["a"][:100<<10] + "inserted" + one.tree["a"][100<<10:], "b": "two"})
	three := s.publish(map[string]string{"a": two.tree["a"][9:], "b": "three"})
	for name, way := range map[string][]*release{"each": {one, two, three}, "one skipped": {one, three}} {
		t.Run(name, func(t *testing.T) {
			s.t, s.sent = t, map[string]int64{}
			d := &device{s, t.TempDir(), fsx.OS()}
			for i, want := range way {
				s.ok(d.run(want, never(t)))
				d.shows(want)
				if i == 0 {
					continue
				}
				url := fmt.Sprint("delta/", way[i-1].row.Version, "-", want.row.Version)
				if s.sent[want.row.URL] != 0 || s.sent[url] != int64(len(s.deltas[url])) {
					t.Errorf("of the delta's %d bytes %d came, and of the pack %d", len(s.deltas[url]), s.sent[url], s.sent[want.row.URL])
				}
			}
		})
	}
}

// What another pack has needs no delta.
// As after a cut between the commit and its note, or when another pack's commit showed it.
func TestAPackThatIsOnTheShelfCostsNothing(t *testing.T) {
	s := newSite(t)
	d := &device{site: s, top: t.TempDir(), disk: fsx.OS()}
	one := s.publish(map[string]string{"a": "salt"})
	two := s.publish(map[string]string{"a": "bread"})
	for _, r := range []*release{one, two} {
		s.ok(d.run(r, func(err error) { t.Error(err) }))
		clear(s.sent)
		s.ok(d.run(r, func(err error) { t.Error(err) }))
		if len(s.sent) > 0 {
			t.Errorf("asked for again: %v", s.sent)
		}
		d.shows(r)
	}
}

func TestADeltaThatSparesNothingIsLeftAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	s := newSite(t)
	moved := noise(r, 300<<10)
	one := s.publish(map[string]string{"b": "one"})
	other := s.publish(map[string]string{"there": moved})
	two := s.publish(map[string]string{"b": "one", "here": moved})
	other.row.ID, other.row.Deltas = "other", nil
	d := &device{s, t.TempDir(), fsx.OS()}
	s.ok(d.run(one, never(t)))
	s.ok(d.run(other, never(t)))
	clear(s.sent)
	s.ok(d.run(two, never(t)))
	d.shows(two)
	if n := s.sent["delta/0-2"] + s.sent["pack/2"]; n > 140<<10 { // the head comes with what a read brings
		t.Errorf("%d bytes came: %v", n, s.sent)
	}
}

// A line that breaks costs no byte of a delta twice.
func TestABrokenDeltaGoesOn(t *testing.T) {
	for _, whole := range []bool{false, true} {
		r := rand.New(rand.NewPCG(3, 1))
		s := newSite(t)
		one := s.publish(map[string]string{"b": noise(r, 10<<10)})
		two := s.publish(map[string]string{"b": one.tree["b"] + noise(r, 200<<10)})
		d := &device{s, t.TempDir(), fsx.OS()}
		s.ok(d.run(one, never(t)))
		clear(s.sent)
		s.line = 50 << 10
		var f *transfer.Failure
		if err := d.run(two, never(t)); !errors.As(err, &f) {
			t.Fatalf("got %v", err)
		}
		s.line, s.whole = -1, whole
		s.ok(d.run(two, never(t)))
		d.shows(two)
		size := int64(len(s.deltas["delta/0-1"]))
		if whole {
			size += 50 << 10 // it can only begin anew
		}
		if s.sent["delta/0-1"] != size || s.sent["pack/1"] != 0 {
			t.Errorf("without ranges: %v: %d bytes, and %v came", whole, size, s.sent)
		}
	}
}

// A delta that failed for good is not asked for by the next run.
func TestAWrongDeltaIsAskedForOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	s := newSite(t)
	one := s.publish(map[string]string{"b": noise(r, 100<<10)})
	two := s.publish(map[string]string{"b": one.tree["b"] + noise(r, 100<<10)})
	good := s.deltas["delta/0-1"]
	s.deltas["delta/0-1"] = append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1)
	d := &device{s, t.TempDir(), fsx.OS()}
	s.ok(d.run(one, never(t)))
	clear(s.sent)
	why := error(nil)
	s.line = int64(len(good)) + 10<<10
	var f *transfer.Failure
	if err := d.run(two, func(e error) { why = e }); !errors.As(err, &f) || why == nil {
		t.Fatalf("got %v; aside: %v", err, why)
	}
	s.line = -1
	s.ok(d.run(two, never(t)))
	d.shows(two)
	if s.sent["delta/0-1"] != int64(len(good)) {
		t.Errorf("%d bytes came of a delta of %d", s.sent["delta/0-1"], len(good))
	}
}
