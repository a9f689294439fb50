package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/fsx/crash"
	"larder/internal/site"
	"larder/internal/trust"
)

const game = asset.AppID("org.example.game")

var now = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// author has an app's files and keys, and publishes to a store.
type author struct {
	t    *testing.T
	dir  string
	keys KeyDir
}

func newAuthor(t *testing.T) *author {
	a := &author{t: t, dir: t.TempDir()}
	a.write("level.json", `{"assetPackID": "level", "downloadPolicy": {"onDemand": {}}, "fileSelectors": [{"directory": "level"}], "platforms": []}`)
	a.keys = KeyDir{Dir: filepath.Join(a.dir, "keys")}
	_, err := a.keys.Init(context.Background(), Plan{RootKeys: 1, Threshold: 1, Contexts: Contexts}, trust.Lifetimes{}, now)
	a.ok(err)
	return a
}

func (a *author) ok(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *author) write(name, text string) {
	a.t.Helper()
	name = filepath.Join(a.dir, name)
	a.ok(os.MkdirAll(filepath.Dir(name), 0o755))
	a.ok(os.WriteFile(name, []byte(text), 0o644))
}

// publish makes a tree with that word in it live.
func (a *author) publish(to Store, word string, change func(*Options)) (*Report, error) {
	a.t.Helper()
	a.write("level/word.txt", word)
	signing, err := a.keys.Signing(context.Background())
	a.ok(err)
	o := Options{To: to, App: game, Context: "production", Inputs: []string{filepath.Join(a.dir, "level.json")}, Signing: signing, Scratch: a.t.TempDir(), Now: now}
	if change != nil {
		change(&o)
	}
	return Publish(context.Background(), o)
}

// device looks at a store as one would that has the state in dir, and gives the
// version it finds. Every blob that the manifest names must be there and right.
func (a *author) device(to Store, dir string) int64 {
	a.t.Helper()
	root, err := os.ReadFile(a.keys.Root())
	a.ok(err)
	c := trust.Client{Anchor: root, Context: "production", Dir: dir, Disk: fsx.OS(), Fetcher: Fetcher{to, game}, Now: func() time.Time { return now }}
	seen, err := c.Refresh(context.Background())
	a.ok(err)
	m, err := asset.ParseDownloadManifest(seen.Manifest)
	a.ok(err)
	for _, row := range m.Packs {
		v, err := trust.VersionOf(row)
		a.ok(err)
		a.ok(seen.Vouch(v))
		name, ok := site.BlobOf(row.URL)
		if !ok {
			a.t.Fatalf("%q names no blob of the site", row.URL)
		}
		blob, err := to.Open(context.Background(), name)
		a.ok(err)
		sum := sha256.New()
		_, err = io.Copy(sum, io.NewSectionReader(blob, 0, blob.Size()))
		a.ok(err)
		a.ok(blob.Close())
		if site.BlobPath(hex.EncodeToString(sum.Sum(nil))) != name {
			a.t.Fatalf("the blob %s has other bytes", name)
		}
	}
	return m.Packs[0].Version
}

// stride between the steps at which power is cut; the soak cuts at every one.
var stride = 4

func TestPowerCutsLeaveTheOldStateOrTheNew(t *testing.T) {
	a := newAuthor(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	steps := 0
	for step := 1; step == 1 || step <= steps; step += stride {
		dir, slept := t.TempDir(), t.TempDir()
		_, err := a.publish(Folder{dir, fsx.OS()}, "one", nil)
		a.ok(err)
		if v := a.device(Folder{dir, fsx.OS()}, slept); v != 0 {
			t.Fatalf("the first version is %d", v)
		}
		disk := crash.New(fsx.OS(), dir)
		if step <= steps {
			disk.CrashAt(step, crash.Keep{Random: rnd})
		}
		_, err = a.publish(Folder{dir, disk}, "two", nil)
		if steps == 0 {
			a.ok(err)
			steps = disk.Steps()
			step = 1 - stride
			t.Logf("a publication has %d steps", steps)
			continue
		}
		if err == nil {
			t.Fatalf("the power cut at step %d went unnoticed", step)
		}
		after := Folder{dir, disk.Reopen()}
		a.device(after, t.TempDir())
		a.device(after, slept)
		if _, err := a.publish(after, "two", nil); err != nil {
			t.Fatalf("after a power cut at step %d: %v", step, err)
		}
		if v := a.device(after, slept); v != 1 {
			t.Fatalf("after step %d and a second run, version %d is live", step, v)
		}
	}
}

func TestASecondRunUploadsNothing(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	first, err := a.publish(to, "one", nil)
	a.ok(err)
	again, err := a.publish(to, "one", nil)
	a.ok(err)
	if first.Blobs != 1 || !first.Changed || again.Blobs != 0 || again.Changed {
		t.Errorf("first %+v, then %+v", first, again)
	}
}

func TestTheOldTreeAgainIsAHigherVersion(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	for i, word := range []string{"one", "two", "one"} {
		done, err := a.publish(to, word, nil)
		a.ok(err)
		if done.Packs[0].Version != int64(i) {
			t.Errorf("run %d made %+v", i, done.Packs)
		}
	}
}

func TestAVersionMovesFromOneContextToAnother(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	_, err := a.publish(to, "one", nil)
	a.ok(err)
	inside, err := a.publish(to, "two", func(o *Options) { o.Context = "internal" })
	a.ok(err)
	if v := a.device(to, t.TempDir()); v != 0 {
		t.Errorf("a version of internal is live in production: %d", v)
	}
	outside, err := a.publish(to, "two", nil)
	a.ok(err)
	if inside.Packs[0].Version != 1 || outside.Packs[0].Version != 1 || outside.Blobs != 0 {
		t.Errorf("internal %+v, production %+v", inside.Packs, outside.Packs)
	}
}

func TestTwoVersionsFitTwoVersionsOfTheApp(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	_, err := a.publish(to, "one", nil)
	a.ok(err)
	_, err = a.publish(to, "two", func(o *Options) { o.AppVersions = &asset.AppVersions{Minimum: "2"} })
	a.ok(err)
	text, err := to.Get(context.Background(), site.ManifestPath(game, "production"), 1<<20)
	a.ok(err)
	m, err := asset.ParseDownloadManifest(text)
	a.ok(err)
	if len(m.Packs) != 2 || m.Packs[0].AppVersions != nil || m.Packs[1].AppVersions == nil {
		t.Errorf("the manifest is %s", text)
	}
}

func TestATamperedSiteIsNotPublishedUpon(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	_, err := a.publish(to, "one", nil)
	a.ok(err)
	name := site.AppPath(game, "trust/1.publisher.json")
	b, err := to.Get(context.Background(), name, 1<<20)
	a.ok(err)
	b = bytes.Replace(b, []byte(`"length":`), []byte(`"length":1`), 1)
	a.ok(to.Put(context.Background(), name, bytes.NewReader(b), int64(len(b))))
	if _, err := a.publish(to, "two", nil); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("got %v", err)
	}
}

// between is a store in which another publisher is at work in the middle of one's run.
type between struct {
	Store
	once  sync.Once
	other func()
}

func (b *between) Has(ctx context.Context, name string, size int64) (bool, error) {
	b.once.Do(b.other)
	return b.Store.Has(ctx, name, size)
}

func TestOfTwoPublishersOneIsToldAndNothingIsLost(t *testing.T) {
	for name, signed := range map[string]bool{"signed": true, "unsigned": false} {
		t.Run(name, func(t *testing.T) {
			a := newAuthor(t)
			to := Folder{t.TempDir(), fsx.OS()}
			how := func(o *Options) {
				if !signed {
					o.Signing = nil
				}
			}
			_, err := a.publish(to, "one", how)
			a.ok(err)
			a.write("more/x.txt", "more")
			a.write("more.json", `{"assetPackID": "more", "downloadPolicy": {"onDemand": {}}, "fileSelectors": [{"directory": "more"}], "platforms": []}`)
			more := func(o *Options) { how(o); o.Inputs = []string{filepath.Join(a.dir, "more.json")} }
			slow := &between{Store: to, other: func() {
				_, err := a.publish(to, "two", more)
				a.ok(err)
			}}
			if _, err := a.publish(slow, "two", how); !errors.Is(err, ErrChanged) || asset.CodeOf(err) != asset.CodeState {
				t.Fatalf("the slower one: %v", err)
			}
			r, err := a.publish(slow, "two", how)
			a.ok(err)
			if len(r.Packs) != 2 {
				t.Errorf("after that: %+v", r.Packs)
			}
			if signed {
				a.device(to, t.TempDir())
			}
		})
	}
}

// Whoever holds the disk of a site can write what he likes into a manifest, and waits for
// the publisher's key to sign it.
func TestAPublisherSignsNothingThatAThiefLeftOnTheSite(t *testing.T) {
	a := newAuthor(t)
	to := Folder{t.TempDir(), fsx.OS()}
	_, err := a.publish(to, "one", nil)
	a.ok(err)
	name := filepath.Join(to.Dir, filepath.FromSlash(site.ManifestPath(game, "production")))
	honest, err := os.ReadFile(name)
	a.ok(err)
	m, err := asset.ParseDownloadManifest(honest)
	a.ok(err)
	evil := m.Packs[0]
	evil.ID, evil.Content = "evil", strings.Repeat("66", 32)
	m.Packs = append(m.Packs, evil)
	text, err := json.Marshal(m)
	a.ok(err)
	for _, c := range []string{"production", "internal"} {
		other := filepath.Join(to.Dir, filepath.FromSlash(site.ManifestPath(game, c)))
		a.ok(os.MkdirAll(filepath.Dir(other), 0o755))
		a.ok(os.WriteFile(other, text, 0o644))
	}
	r, err := a.publish(to, "two", nil)
	a.ok(err)
	if len(r.Packs) != 1 || r.Packs[0].Version != 1 {
		t.Errorf("published %+v", r.Packs)
	}
	signed, err := a.keys.Signing(t.Context())
	a.ok(err)
	repo, err := trust.OpenRepository(func(name string, limit int64) ([]byte, error) {
		return to.Get(t.Context(), site.AppPath(game, name), limit)
	}, signed.Root, nil, trust.Lifetimes{}, now)
	a.ok(err)
	versions, err := repo.Versions()
	a.ok(err)
	for _, v := range versions {
		if v.ID == "evil" {
			t.Error("the publisher's key vouches for what a thief wrote")
		}
	}
	if text, err = os.ReadFile(name); err != nil || bytes.Contains(text, []byte("evil")) {
		t.Errorf("the manifest still has it, %v", err)
	}

	// The signed one, changed, ends the matter.
	files, err := filepath.Glob(filepath.Join(filepath.Dir(name), "*.manifest.json"))
	a.ok(err)
	for _, f := range files {
		a.ok(os.WriteFile(f, text[1:], 0o644))
	}
	if _, err := a.publish(to, "three", nil); !errors.Is(err, asset.Sentinel(asset.CodeSignature)) {
		t.Errorf("a changed signed manifest: %v", err)
	}
}

// What a publication that was cut off left is passed over, not overwritten: it may belong to one
// that runs right now.
func TestWhatACutLeftIsPassedOver(t *testing.T) {
	a := newAuthor(t)
	to := Folder{t.TempDir(), fsx.OS()}
	_, err := a.publish(to, "one", nil)
	a.ok(err)
	left := filepath.Join(to.Dir, filepath.FromSlash(site.AppPath(game, "trust/3.snapshot.json")))
	a.ok(os.WriteFile(left, []byte("{}"), 0o644))
	_, err = a.publish(to, "two", nil)
	a.ok(err)
	if b, err := os.ReadFile(left); err != nil || string(b) != "{}" {
		t.Errorf("it is %q now, %v", b, err)
	}
	if _, err := to.Get(t.Context(), site.AppPath(game, "trust/4.snapshot.json"), maxDoc); err != nil {
		t.Errorf("the next one: %v", err)
	}
	if v := a.device(to, t.TempDir()); v != 1 {
		t.Errorf("devices see version %d", v)
	}
}

func TestWhatIsBuiltIsCompressedAsAskedFor(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	mine := errors.New("mine")
	_, err := a.publish(to, words("one"), func(o *Options) {
		o.Compress = func(context.Context, []byte) ([]byte, error) { return nil, mine }
	})
	if !errors.Is(err, mine) {
		t.Errorf("it was built without: %v", err)
	}
}
