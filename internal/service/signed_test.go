package service

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/localapi"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

// maker is an app's developer: a tree, keys, and a site that the world's server
// delivers, honestly or not.
type maker struct {
	*world
	dir      string
	keys     publish.KeyDir
	to       publish.Folder
	at       publish.Store // where it publishes: to, if nothing else
	life     trust.Lifetimes
	late     time.Duration  // how far the developer's clock is ahead of the device's
	releases int            // of damaged
	deltas   int            // from how many versions
	also     map[string]any // keys of the bundle
	carry    func()         // brings a release to where devices look, if that is elsewhere
	// hosts are named in the bundle; without them it is the world's server.
	hosts []string

	mu     sync.Mutex
	tamper func(w http.ResponseWriter, path string) bool // answers in place of the site
}

func (w *world) maker() *maker {
	m := &maker{world: w, dir: w.TempDir(), to: publish.Folder{Dir: w.TempDir(), Disk: fsx.OS()}}
	m.at = m.to
	m.keys = publish.KeyDir{Dir: filepath.Join(m.dir, "keys")}
	m.write(filepath.Join(m.dir, "level.json"), []byte(`{"assetPackID": "level", "downloadPolicy": {"essential": {"installationEventTypes": ["firstInstallation", "subsequentUpdate"]}},
		"fileSelectors": [{"directory": "level"}], "platforms": []}`), 0o644)
	if _, err := m.keys.Init(w.Context(), publish.Plan{RootKeys: 1, Threshold: 1, Contexts: publish.Contexts}, trust.Lifetimes{}, time.Now()); err != nil {
		w.Fatal(err)
	}
	honest := m.honest()
	w.server.Handle(site.Prefix, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		tamper := m.tamper
		m.mu.Unlock()
		if tamper == nil || !tamper(rw, r.URL.Path) {
			honest.ServeHTTP(rw, r)
		}
	}))
	return m
}

// honest delivers the site as it is.
func (m *maker) honest() http.Handler {
	m.Helper()
	root, err := os.OpenRoot(m.to.Dir)
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { root.Close() })
	return http.StripPrefix(site.Prefix, site.Handler(root))
}

func (m *maker) lie(how func(w http.ResponseWriter, path string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tamper = how
}

// release makes a tree with that word live.
func (m *maker) release(word string) {
	m.Helper()
	m.write(filepath.Join(m.dir, "level", "word.txt"), []byte(word), 0o644)
	s, err := m.keys.Signing(m.Context())
	if err == nil {
		s.Lives = m.life
		_, err = publish.Publish(m.Context(), publish.Options{To: m.at, App: game, Context: "production", Inputs: []string{filepath.Join(m.dir, "level.json")},
			Signing: s, Scratch: m.TempDir(), Now: time.Now().Add(m.late), Deltas: m.deltas})
	}
	if err != nil {
		m.Fatal(err)
	}
	if m.carry != nil {
		m.carry()
	}
}

// install installs the app with the root in its bundle.
func (m *maker) install() asset.Progress {
	m.Helper()
	if _, err := m.client.Install(m.Context(), localapi.InstallRequest{Bundle: m.bundled()}); err != nil {
		m.Fatal(err)
	}
	return m.open(game)
}

// bundled gives the directory of the app, with the root in it.
func (m *maker) bundled() string {
	m.Helper()
	keys := map[string]any{"BAHasManagedAssetPacks": true, "BAManifestURL": m.server.URL + site.Prefix + site.ManifestPath(game, "production"), "LarderTrustedRoot": "root.json"}
	if len(m.hosts) > 0 {
		maps.Copy(keys, map[string]any{"BAUsesAppleHosting": true, "LarderHostURL": m.hosts,
			"BAManifestURL": nil, "BAMaxInstallSize": nil, "BAEssentialMaxInstallSize": nil, "BAInitialDownloadRestrictions": nil})
	}
	maps.Copy(keys, m.also)
	dir := m.bundle(app{id: game, build: 1, bare: true, keys: keys})
	root, err := os.ReadFile(m.keys.Root())
	if err != nil {
		m.Fatal(err)
	}
	m.write(filepath.Join(dir, "root.json"), root, 0o644)
	return dir
}

// checked looks for updates, and gives what was wrong, if anything.
func (m *maker) checked() error {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), time.Minute)
	defer cancel()
	_, err := m.client.CheckForUpdates(ctx, game)
	return err
}

func (m *maker) word(want string) {
	m.Helper()
	if got := m.onShelfOf(game, "level/word.txt"); got != want {
		m.Errorf("the app reads %q, not %q", got, want)
	}
}

func (w *world) onShelfOf(id asset.AppID, name string) string {
	return (&depot{world: w}).onShelf(id, name)
}

func (m *maker) until2(want string) {
	m.Helper()
	m.until(game, "the new word is on the shelf", func(asset.AppStatus) bool { return m.onShelfOf(game, "level/word.txt") == want })
}

func TestASignedSiteStocksADevice(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.maker()
	m.release("one")
	if p := m.install(); p.Gate.Reason.Code != asset.WhyReady || p.Failed > 0 {
		t.Fatalf("ended as %s", pretty(p))
	}
	m.word("one")
	st, err := m.client.App(t.Context(), game)
	if err != nil || !st.Signed || st.Signature == nil || len(st.Signature.Publisher) != 1 || len(st.Signature.Release) != 1 || st.Signature.Expired {
		t.Errorf("status says %s, %v", pretty(st), err)
	}
	m.release("two")
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2("two")
}

// A hostile server before a device that has version one: whatever it shows, the app
// reads on what it has, and whoever looks is told why.
func TestAHostileServerChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.maker()
	m.release("one")
	m.install()
	old := copyOf(t, m.to.Dir)
	m.release("two")
	two := copyOf(t, m.to.Dir)
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2("two")
	m.release("three")

	serve := func(files map[string][]byte, which func(path string) bool) func(http.ResponseWriter, string) bool {
		return func(rw http.ResponseWriter, path string) bool {
			b, ok := files[strings.TrimPrefix(path, site.Prefix)]
			if !which(path) {
				return false
			}
			if !ok {
				http.Error(rw, "gone", http.StatusNotFound)
				return true
			}
			_, _ = rw.Write(b) // the device's side is judged
			return true
		}
	}
	all := func(string) bool { return true }
	part := func(s string) func(string) bool { return func(path string) bool { return strings.Contains(path, s) } }
	junk := bytes.Repeat([]byte("{"), 20<<20)
	for name, c := range map[string]struct {
		how   func(http.ResponseWriter, string) bool
		codes []asset.Code
	}{
		"rollback":                 {serve(old, all), []asset.Code{asset.CodeSignature}},
		"mixed with an older one":  {serve(two, part("release-production")), []asset.Code{asset.CodeSignature}},
		"no snapshot":              {serve(nil, part("snapshot")), []asset.Code{asset.CodeSignature}},
		"a timestamp of junk":      {serve(map[string][]byte{"apps/" + string(game) + "/trust/timestamp.json": []byte("junk")}, part("timestamp")), []asset.Code{asset.CodeSignature}},
		"endless timestamp":        {func(rw http.ResponseWriter, path string) bool { return part("timestamp")(path) && wrote(rw, junk) }, []asset.Code{asset.CodeSignature}},
		"endless publisher":        {func(rw http.ResponseWriter, path string) bool { return part("publisher")(path) && wrote(rw, junk) }, []asset.Code{asset.CodeSignature}},
		"a new root of a stranger": {stranger(t), []asset.Code{asset.CodeSignature}},
	} {
		m.lie(c.how)
		err := m.checked()
		if err == nil || !oneOf(err, c.codes) {
			t.Errorf("%s: %v", name, err)
		} else if e := asset.AsError(err); e.Message == "" {
			t.Errorf("%s: %#v says too little", name, e)
		}
		m.word("two")
	}

	// The manifest beside the signed one may say what it likes.
	m.lie(func(rw http.ResponseWriter, path string) bool {
		return strings.HasSuffix(path, "/manifest.json") && wrote(rw, []byte(`{"assetPacks":[]}`))
	})
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2("three")

	// Wrong bytes of a pack are not installed.
	m.release("four")
	m.lie(func(rw http.ResponseWriter, path string) bool {
		return strings.Contains(path, "/blobs/") && wrote(rw, junk[:4096])
	})
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until(game, "the pack has failed or waits", func(st asset.AppStatus) bool {
		return len(st.Downloads) > 0 && st.Downloads[0].Reason != nil
	})
	m.word("three")
}

func TestASiteThatIsFrozenExpiresAndStaysInUse(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.maker()
	m.life.Timestamp = 3 * time.Second
	m.release("one")
	m.install()
	m.word("one")
	st, err := m.client.App(t.Context(), game)
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(st.Signature.Expires)) // signed times are those of the world
	if st, err = m.client.App(t.Context(), game); err != nil || !st.Signature.Expired {
		t.Errorf("after its time: %s, %v", pretty(st), err)
	}
	if err := m.checked(); !errors.Is(err, asset.Sentinel(asset.CodeExpiredMetadata)) {
		t.Errorf("a frozen site: %v", err)
	}
	m.word("one")
	m.life.Timestamp = time.Hour
	m.release("two")
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2("two")
}

// sent is how many bytes the site sent of what it has, and whether any were of a path that ends so.
func (m *maker) sent(part string) (all int64, some bool) {
	for _, r := range m.server.Requests() {
		path, _, _ := strings.Cut(r.Path, "?")
		name, ok := strings.CutPrefix(path, site.Prefix)
		if _, err := os.Stat(filepath.Join(m.to.Dir, filepath.FromSlash(name))); !ok || err != nil {
			continue // nobody reads on after a 404: of the next root, say
		}
		all += r.Sent
		some = some || r.Sent > 0 && strings.HasSuffix(name, part)
	}
	return all, some
}

// Before the first launch every byte that a site sends is drawn from the allowances: documents that prove
// packs, and deltas.
func TestSignaturesAndDeltasCountBeforeTheFirstLaunch(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.maker()
	m.deltas = 1
	const allowance = 1 << 40
	counts := func(what string) {
		t.Helper()
		st, err := m.client.App(t.Context(), game)
		if err != nil || st.RestrictedDownloadSizeRemaining == nil || st.RestrictedEssentialDownloadSizeRemaining == nil {
			t.Fatalf("%s: %s, %v", what, pretty(st), err)
		}
		drawn := 2*allowance - *st.RestrictedDownloadSizeRemaining - *st.RestrictedEssentialDownloadSizeRemaining
		if all, _ := m.sent(""); drawn != all {
			t.Errorf("%s: %d bytes were drawn, and the site sent %d", what, drawn, all)
		}
	}
	old, next := edited(200 << 10)
	m.release(old)
	if p := m.install(); p.Gate.Reason.Code != asset.WhyReady {
		t.Fatalf("ended as %s", pretty(p))
	}
	counts("the installation")
	if _, some := m.sent(".publisher.json"); !some {
		t.Error("the device asked for no signature")
	}
	m.release(next)
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2(next)
	counts("an update by a delta")
	row := m.manifestOfSite().Packs[0]
	if len(row.Deltas) != 1 {
		t.Fatalf("the pack has %d deltas", len(row.Deltas))
	}
	if _, some := m.sent(row.Deltas[0].Hash); !some {
		t.Error("no delta came")
	}
}

func TestSignaturesThatPassTheAllowanceAreNotFetched(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.maker()
	m.release("one")
	const allowance = 2000 // the timestamp and some
	m.also = map[string]any{"BAInitialDownloadRestrictions": map[string]any{
		"BADownloadAllowance": allowance, "BAEssentialDownloadAllowance": allowance, "BADownloadDomainAllowList": []string{"127.0.0.1"}}}
	p := m.install()
	if p.Gate.Reason == nil || p.Gate.Reason.Code != asset.WhyManifest {
		t.Errorf("the gate opened so: %s", pretty(p))
	}
	st, err := m.client.App(t.Context(), game)
	if err != nil || *st.RestrictedEssentialDownloadSizeRemaining < 0 || *st.RestrictedDownloadSizeRemaining != allowance {
		t.Errorf("%s, %v", pretty(st), err)
	}
	m.word("")
}

func TestAnUnsignedSiteIsNotForAnAppWithARoot(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.maker()
	m.release("one")
	m.lie(func(rw http.ResponseWriter, path string) bool {
		if strings.Contains(path, "/trust/") {
			http.Error(rw, "none", http.StatusNotFound)
			return true
		}
		return false
	})
	if p := m.install(); p.Gate.Reason == nil || p.Gate.Reason.Code != asset.WhyManifest {
		t.Errorf("the gate opened so: %s", pretty(p))
	}
	m.word("")
}

func wrote(rw http.ResponseWriter, b []byte) bool {
	_, _ = rw.Write(b) // the device's side is judged
	return true
}

func oneOf(err error, codes []asset.Code) bool {
	for _, c := range codes {
		if errors.Is(err, asset.Sentinel(c)) {
			return true
		}
	}
	return false
}

// stranger offers a next root that other keys signed.
func stranger(t *testing.T) func(http.ResponseWriter, string) bool {
	keys := publish.KeyDir{Dir: t.TempDir()}
	if _, err := keys.Init(t.Context(), publish.Plan{RootKeys: 1, Threshold: 1, Contexts: publish.Contexts}, trust.Lifetimes{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(keys.Root())
	if err != nil {
		t.Fatal(err)
	}
	return func(rw http.ResponseWriter, path string) bool {
		return strings.HasSuffix(path, ".root.json") && wrote(rw, root)
	}
}

// copyOf reads a folder.
func copyOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path) // below dir, as found
		files[filepath.ToSlash(rel)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
