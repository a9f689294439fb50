package stick

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

const game = asset.AppID("org.example.game")

var now = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a developer, his site, and another site that no network joins to it.
type world struct {
	*testing.T
	dir         string
	keys        publish.KeyDir
	home, there publish.Folder
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), home: publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()}, there: publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()}}
	w.keys = publish.KeyDir{Dir: filepath.Join(w.dir, "keys")}
	_, err := w.keys.Init(t.Context(), publish.Plan{RootKeys: 1, Threshold: 1, Contexts: publish.Contexts}, trust.Lifetimes{}, now)
	w.ok(err)
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// release publishes packs of the given words, each of them one file.
func (w *world) release(to publish.Store, packs map[string]string) {
	w.Helper()
	var inputs []string
	for name, word := range packs {
		dir := filepath.Join(w.dir, name)
		w.ok(os.MkdirAll(dir, 0o755))
		w.ok(os.WriteFile(filepath.Join(dir, "word.txt"), []byte(word), 0o644))
		manifest := filepath.Join(w.dir, name+".json")
		w.ok(os.WriteFile(manifest, []byte(`{"assetPackID": "`+name+`", "downloadPolicy": {"onDemand": {}}, "fileSelectors": [{"directory": "`+name+`"}], "platforms": []}`), 0o644))
		inputs = append(inputs, manifest)
	}
	s, err := w.keys.Signing(w.Context())
	w.ok(err)
	_, err = publish.Publish(w.Context(), publish.Options{To: to, App: game, Context: "production", Inputs: inputs, Signing: s, Scratch: w.TempDir(), Now: now})
	w.ok(err)
}

func (w *world) export(to Target, since int64) *Report {
	w.Helper()
	r, err := Export(w.Context(), w.home, game, to, since, nil)
	w.ok(err)
	return r
}

func (w *world) carry(from Source, to publish.Store) (*Report, error) {
	return Import(w.Context(), ImportOptions{From: from, App: game, To: to, Scratch: w.TempDir(), Now: now})
}

// sees looks at a site as a device would, and gives the versions of packs that are live, whose blobs are there and right.
func (w *world) sees(at publish.Store) map[string]int64 {
	w.Helper()
	root, err := os.ReadFile(w.keys.Root())
	w.ok(err)
	c := trust.Client{Anchor: root, Context: "production", Dir: w.TempDir(), Disk: fsx.OS(), Fetcher: publish.Fetcher{From: at, App: game}, Now: func() time.Time { return now }}
	proven, err := c.Refresh(w.Context())
	w.ok(err)
	m, err := asset.ParseDownloadManifest(proven.Manifest)
	w.ok(err)
	for name, size := range blobs(m.Packs) {
		w.ok(copyBlob(w.Context(), at, func(_ context.Context, _ string, r io.Reader, _ int64) error {
			_, err := io.Copy(io.Discard, r)
			return err
		}, name, size, nil))
	}
	seen := map[string]int64{}
	for _, p := range m.Packs {
		seen[string(p.ID)] = p.Version
	}
	return seen
}

func (w *world) tar(since int64) (*Archive, *Report) {
	w.Helper()
	name := filepath.Join(w.TempDir(), "x.tar")
	f, err := os.Create(name)
	w.ok(err)
	t := NewTar(f)
	r := w.export(t, since)
	w.ok(errors.Join(t.Close(), f.Close()))
	a, err := OpenArchive(name)
	w.ok(err)
	w.Cleanup(func() { a.Close() })
	return a, r
}

func TestASiteIsCarriedWholeAndThenWhatIsNew(t *testing.T) {
	w := newWorld(t)
	w.release(w.home, map[string]string{"level": "one", "music": "la"})
	first := publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()}
	r := w.export(first, 0)
	if r.Blobs != 2 || !r.Signed || r.Version == 0 {
		t.Fatalf("exported %+v", r)
	}
	if again := w.export(first, 0); again.Blobs != 0 || again.Left != 2 {
		t.Errorf("the same export again copied %+v", again)
	}
	in, err := w.carry(first, w.there)
	w.ok(err)
	if got := w.sees(w.there); !in.Changed || !maps.Equal(got, map[string]int64{"level": 0, "music": 0}) {
		t.Errorf("there is %v, %+v", got, in)
	}
	if in, err = w.carry(first, w.there); err != nil || in.Changed || in.Blobs != 0 {
		t.Errorf("the same import again: %+v, %v", in, err)
	}
	if got := w.sees(first); len(got) != 2 {
		t.Errorf("the stick itself delivers %v", got)
	}

	w.release(w.home, map[string]string{"level": "two"})
	second, news := w.tar(r.Version)
	if _, whole := w.tar(0); news.Copied >= whole.Copied || news.Left == 0 {
		t.Errorf("what is new is %+v, and all is %+v", news, whole)
	}
	in, err = w.carry(second, w.there)
	w.ok(err)
	if got := w.sees(w.there); !maps.Equal(got, map[string]int64{"level": 1, "music": 0}) {
		t.Errorf("then there is %v, %+v", got, in)
	}

	// What is new alone is not enough for who had nothing.
	empty := publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()}
	if _, err := w.carry(second, empty); !errors.Is(err, asset.Sentinel(asset.CodeNotFound)) || !strings.Contains(asset.AsError(err).Help, "--since") {
		t.Errorf("without what was before: %v", err)
	}
	if _, err := empty.Get(t.Context(), site.ManifestPath(game, "production"), 1<<20); err == nil {
		t.Error("and yet something is live")
	}
	// And nothing goes back.
	if _, err := w.carry(first, w.there); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("an older stick: %v", err)
	}
	if _, err := Export(t.Context(), w.home, game, first, 999, nil); !errors.Is(err, asset.Sentinel(asset.CodeNotFound)) {
		t.Errorf("since a version that never was: %v", err)
	}
}

func TestATamperedStickChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.release(w.home, map[string]string{"level": "one"})
	first := publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()}
	w.export(first, 0)
	_, err := w.carry(first, w.there)
	w.ok(err)
	w.release(w.home, map[string]string{"level": "two"})
	second := publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()}
	w.export(second, 0)
	err = filepath.WalkDir(second.Dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "/manifest.json") { // which nobody with a root reads
			return err
		}
		honest, err := os.ReadFile(name)
		w.ok(err)
		for _, bad := range [][]byte{nil, honest[:len(honest)/2], append([]byte("x"), honest[1:]...)} {
			w.ok(os.WriteFile(name, bad, 0o644))
			in, err := w.carry(second, w.there)
			rel, _ := filepath.Rel(second.Dir, name) // below it, as walked
			if got := w.sees(w.there); err != nil && got["level"] != 0 {
				t.Errorf("%s changed: %v, and there is %v", rel, err, got)
			} else if err == nil && in.Blobs > 0 && strings.HasPrefix(rel, "blobs") {
				t.Errorf("%s changed: it was taken", rel)
			} else if err != nil && asset.AsError(err).Message == "" {
				t.Errorf("%s changed: %v says nothing", rel, err)
			}
		}
		return os.WriteFile(name, honest, 0o644)
	})
	w.ok(err)
	if _, err := Import(t.Context(), ImportOptions{From: second, App: game, To: w.there, Scratch: t.TempDir(), Now: now.AddDate(1, 0, 0)}); !errors.Is(err, asset.Sentinel(asset.CodeExpiredMetadata)) {
		t.Errorf("a stick of a year ago: %v", err)
	}
	other := newWorld(t)
	other.release(other.home, map[string]string{"level": "evil"})
	if _, err := w.carry(other.home, w.there); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("another developer's stick: %v", err)
	}
	root, err := os.ReadFile(w.keys.Root())
	w.ok(err)
	if _, err := Import(t.Context(), ImportOptions{From: other.home, App: game, To: publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()}, Scratch: t.TempDir(), Now: now, Root: root}); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("another developer's stick, at a new site with the root named: %v", err)
	}
	_, err = w.carry(second, w.there)
	w.ok(err)
	if got := w.sees(w.there); got["level"] != 1 {
		t.Errorf("in the end there is %v", got)
	}
}

// cut fails at its nth write.
type cut struct {
	publish.Store
	left int
}

var errCut = errors.New("the stick was pulled out")

func (c *cut) down() bool { c.left--; return c.left < 0 }

func (c *cut) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if c.down() {
		return errCut
	}
	return c.Store.Put(ctx, name, r, size)
}

func (c *cut) Replace(ctx context.Context, name string, old, new []byte) error {
	if c.down() {
		return errCut
	}
	return c.Store.Replace(ctx, name, old, new)
}

func TestAnImportThatIsCutOffGoesOn(t *testing.T) {
	w := newWorld(t)
	w.release(w.home, map[string]string{"level": "one"})
	first, _ := w.tar(0)
	w.release(w.home, map[string]string{"level": "two", "music": "la"})
	second, _ := w.tar(0)
	for n := 0; ; n++ {
		to := publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()}
		_, err := w.carry(first, to)
		w.ok(err)
		_, err = w.carry(second, &cut{to, n})
		if err == nil {
			if n < 5 {
				t.Errorf("an import has only %d writes", n)
			}
			return
		}
		if !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		if got := w.sees(to); got["level"] != 0 || len(got) != 1 {
			t.Fatalf("after write %d there is %v", n, got)
		}
		_, err = w.carry(second, to)
		w.ok(err)
		if got := w.sees(to); got["level"] != 1 || len(got) != 2 {
			t.Fatalf("after write %d and again there is %v", n, got)
		}
	}
}

func TestAnUnsignedSiteIsCarriedToo(t *testing.T) {
	w := newWorld(t)
	w.release(w.home, map[string]string{"level": "one"})
	w.ok(os.RemoveAll(filepath.Join(w.home.Dir, "apps", string(game), "trust")))
	stick, r := w.tar(0)
	in, err := w.carry(stick, w.there)
	if err != nil || r.Signed || in.Signed || !in.Changed || in.Blobs != 1 {
		t.Errorf("%+v, %+v, %v", r, in, err)
	}
	if _, err := Export(t.Context(), w.home, game, w.there, 1, nil); !errors.Is(err, asset.Sentinel(asset.CodeBadRequest)) {
		t.Errorf("since a version of what has none: %v", err)
	}
	signed := newWorld(t)
	signed.release(signed.there, map[string]string{"level": "one"})
	if _, err := w.carry(stick, signed.there); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("onto a signed site: %v", err)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add([]byte("not a tar"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		a, err := OpenArchive(name)
		if err != nil {
			return
		}
		defer a.Close()
		for _, n := range a.Names() {
			if got, err := a.Get(t.Context(), n, 1<<20); err == nil && int64(len(got)) > int64(len(b)) {
				t.Fatalf("%s has more bytes than the archive", n)
			}
		}
	})
}
