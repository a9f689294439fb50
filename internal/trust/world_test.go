package trust

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/fsx/crash"
)

var spring = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// site is a folder on a server, and what a device sees of it.
type site struct {
	files map[string][]byte
	asked []string
	bytes int64
	// tamper may answer in place of the server.
	tamper func(name string, honest []byte) ([]byte, bool)
}

func (s *site) Fetch(_ context.Context, name string, limit int64, validator string) (Document, error) {
	s.asked = append(s.asked, name)
	b, ok := s.files[name]
	if s.tamper != nil {
		if t, mine := s.tamper(name, b); mine {
			b, ok = t, t != nil
		}
	}
	if !ok {
		return Document{}, fs.ErrNotExist
	}
	if int64(len(b)) > limit {
		return Document{}, asset.Sentinel(asset.CodeTooLarge)
	}
	tag := fmt.Sprintf("%x", sha256.Sum256(b))
	if tag == validator {
		return Document{Unchanged: true}, nil
	}
	s.bytes += int64(len(b))
	return Document{Bytes: bytes.Clone(b), Validator: tag}, nil
}

func (s *site) read(name string, limit int64) ([]byte, error) {
	b, ok := s.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if int64(len(b)) > limit {
		return nil, asset.Sentinel(asset.CodeTooLarge)
	}
	return b, nil
}

func (s *site) write(files []File) {
	for _, f := range files {
		s.files[f.Name] = f.Bytes
	}
}

// world is a publisher with keys, its site, and a device.
type world struct {
	t    *testing.T
	site *site
	keys map[string]Key
	root []byte // that the bundle carries
	now  time.Time
	dir  string
	disk fsx.FS // a sync of it takes no time
}

var everyone = []string{"root1", "root2", "root3", "publisher", "release", "snapshot", "timestamp"}

func (w *world) key(name string, r Role) Key {
	k, ok := w.keys[name]
	if !ok {
		ring := Keyring{Dir: w.t.TempDir(), Disk: fsx.OS()}
		var err error
		if k, err = ring.Generate(r); err != nil {
			w.t.Fatal(err)
		}
		w.keys[name] = k
	}
	return k
}

func (w *world) hold(names ...string) (keys []Key) {
	for _, n := range names {
		keys = append(keys, w.keys[n])
	}
	return keys
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, site: &site{files: map[string][]byte{}}, keys: map[string]Key{}, now: spring, dir: t.TempDir()}
	w.disk = crash.New(fsx.OS(), w.dir)
	roots := []Key{w.key("root1", RoleRoot), w.key("root2", RoleRoot), w.key("root3", RoleRoot)}
	edits := []Edit{
		{Role: RoleRoot, Add: roots, Threshold: 2},
		{Role: RoleSnapshot, Add: []Key{w.key("snapshot", RoleSnapshot)}},
		{Role: RoleTimestamp, Add: []Key{w.key("timestamp", RoleTimestamp)}},
		{Role: RolePublisher, Add: []Key{w.key("publisher", RolePublisher)}},
		{Role: ReleaseRole("production"), Add: []Key{w.key("release", ReleaseRole("production"))}},
	}
	r, err := Create(edits, w.hold(everyone...), Lifetimes{}, w.now)
	w.ok(err)
	w.root, err = r.Root()
	w.ok(err)
	w.fill(r, 1)
	w.commit(r)
	return w
}

// version n of the one pack there is.
func version(n int) Version {
	return Version{ID: "levels", Version: int64(n), Content: sha256.Sum256([]byte{byte(n), 'c'}), Index: sha256.Sum256([]byte{byte(n), 'i'}), IndexSize: int64(1000 + n)}
}

func manifest(n int) []byte {
	return fmt.Appendf(nil, `{"assetPacks": [{"id": "levels", "version": %d}]}`, n)
}

func (w *world) fill(r *Repository, n int) {
	w.t.Helper()
	w.ok(r.SetVersions([]Version{version(n)}))
	w.ok(r.SetManifest("production", manifest(n)))
}

func (w *world) commit(r *Repository) {
	w.t.Helper()
	files, err := r.Files()
	w.ok(err)
	w.site.write(files)
}

// open reads the repository with the named keys at hand.
func (w *world) open(names ...string) *Repository {
	w.t.Helper()
	r, err := OpenRepository(w.site.read, w.root, w.hold(names...), Lifetimes{}, w.now)
	w.ok(err)
	return r
}

// publish makes version n live.
func (w *world) publish(n int) {
	w.t.Helper()
	r := w.open("publisher", "release", "snapshot", "timestamp")
	w.fill(r, n)
	w.commit(r)
}

func (w *world) client() *Client {
	return &Client{Anchor: w.root, Context: "production", Dir: w.dir, Disk: w.disk, Fetcher: w.site, Now: func() time.Time { return w.now }}
}

// takes says that the device refreshes and then has version n.
func (w *world) takes(n int) *Proven {
	w.t.Helper()
	p, err := w.client().Refresh(context.Background())
	w.ok(err)
	w.has(n)
	return p
}

// refuses says that the device does not refresh, tells that code, and stays with version n.
func (w *world) refuses(code asset.Code, n int) error {
	w.t.Helper()
	_, err := w.client().Refresh(context.Background())
	if !errors.Is(err, asset.Sentinel(code)) {
		w.t.Fatalf("got %v, not code %d", err, code)
	}
	var e *asset.Error
	if errors.As(err, &e); e.Help == "" || e.Message == "" {
		w.t.Errorf("%#v does not say what to do", e)
	}
	w.has(n)
	return err
}

func (w *world) has(n int) {
	w.t.Helper()
	p, err := w.client().Known()
	if n == 0 {
		if !errors.Is(err, fs.ErrNotExist) {
			w.t.Fatalf("a device that took nothing knows %v, %v", p, err)
		}
		return
	}
	w.ok(err)
	if string(p.Manifest) != string(manifest(n)) {
		w.t.Errorf("the manifest is %s, not that of version %d", p.Manifest, n)
	}
	w.ok(p.Vouch(version(n)))
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (s *site) copy() map[string][]byte { return maps.Clone(s.files) }

func (s *site) names() []string { return slices.Sorted(maps.Keys(s.files)) }
