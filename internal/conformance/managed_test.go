package conformance

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
	"larder/internal/site"
	"larder/pack"
)

// shop is an app with managed packs, and the site that has them.
type shop struct {
	*app
	packs   []asset.Pack
	primary string
	dam     *dam                                     // holds back what is delivered, if it is set
	gate    func(archives http.Handler) http.Handler // stands before the archives, if it is set
	at      string                                   // where the manifest lies
}

// dam lets some bytes of packs pass, and the others when it is opened.
type dam struct {
	most    int64
	passed  atomic.Int64
	once    sync.Once
	reached chan struct{}
	opened  chan struct{}
}

func newDam(most int64) *dam {
	return &dam{most: most, reached: make(chan struct{}), opened: make(chan struct{})}
}

type dammed struct {
	http.ResponseWriter
	*dam
	gone <-chan struct{}
}

func (d dammed) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		if d.passed.Load() >= d.most {
			d.once.Do(func() { close(d.reached) })
			_ = http.NewResponseController(d.ResponseWriter).Flush() // who reads is behind by what is held here
			select {
			case <-d.opened:
			case <-d.gone:
				return n, context.Canceled
			}
		}
		var m int
		m, err = d.ResponseWriter.Write(p[:min(len(p), 16<<10)])
		d.passed.Add(int64(m))
		n, p = n+m, p[m:]
	}
	return n, err
}

var (
	atFirst    = []asset.InstallationEvent{asset.EventFirstInstallation}
	atUpdate   = []asset.InstallationEvent{asset.EventSubsequentUpdate}
	both       = []asset.InstallationEvent{asset.EventFirstInstallation, asset.EventSubsequentUpdate}
	onDemand   = asset.DownloadPolicy{Kind: asset.PolicyOnDemand}
	essential  = asset.DownloadPolicy{Kind: asset.PolicyEssential, Events: both}
	prefetched = asset.DownloadPolicy{Kind: asset.PolicyPrefetch, Events: both}
)

func newShop(t *testing.T, w *world) *shop {
	t.Helper()
	s := &shop{app: newApp(t, w), at: "/manifest"}
	s.keys["BAHasManagedAssetPacks"] = true
	return s
}

type files map[string]string

// sell puts a pack on sale in place of its other versions.
func (s *shop) sell(id asset.PackID, version int64, policy asset.DownloadPolicy, f files, change ...func(*asset.Pack)) asset.Pack {
	s.Helper()
	text, sum := built(s.T, f)
	name := "/blobs/" + sum.Archive.String()
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.dam != nil {
			w = dammed{w, s.dam, r.Context().Done()}
		}
		site.DeliverBlob(w, r, sum.Archive.String(), bytes.NewReader(text))
	})
	if s.gate != nil {
		h = s.gate(h)
	}
	s.server.Handle(name, h)
	p := asset.Pack{ID: id, Version: version, DownloadSize: sum.Size, URL: s.server.URL + name, DownloadPolicy: policy, Content: sum.Content.String(),
		Index: sum.Index.String(), IndexSize: sum.IndexSize, InstallSize: sum.InstalledSize}
	for _, c := range change {
		c(&p)
	}
	s.drop(id)
	s.packs = append(s.packs, p)
	return p
}

// built gives the archive of some files.
func built(t *testing.T, f files) ([]byte, pack.Summary) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		writeFile(t, filepath.Join(dir, name), []byte(text))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	tree, err := pack.DirTree(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	sum, err := pack.Build(t.Context(), &archive, tree, pack.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return archive.Bytes(), sum
}

// voices puts a pack on sale for each language, all with the same path; the first language
// is the app's primary one.
func (s *shop) voices(policy asset.DownloadPolicy, tags ...string) {
	s.Helper()
	s.primary = tags[0]
	for _, tag := range tags {
		s.sell(asset.PackID("voice-"+strings.ToLower(tag)), 1, policy, files{"v.txt": "in " + tag}, language(tag))
	}
}

// issues publishes another version of a pack, and lets a check bring it.
func (s *shop) issues(m *client.AssetPackManager, id asset.PackID, version int64, policy asset.DownloadPolicy, f files) {
	s.Helper()
	s.sell(id, version, policy, f)
	s.publish()
	s.checks(m)
	s.untilInstalled(id, version)
}

func (s *shop) drop(id asset.PackID) {
	s.packs = slices.DeleteFunc(s.packs, func(p asset.Pack) bool { return p.ID == id })
}

func language(tag string) func(*asset.Pack) { return func(p *asset.Pack) { p.Language = tag } }

// publish makes what is on sale the manifest.
func (s *shop) publish() {
	s.Helper()
	text, err := asset.DownloadManifest{Packs: s.packs, PrimaryLanguage: s.primary}.MarshalJSON()
	if err != nil {
		s.Fatal(err)
	}
	s.server.Handle(s.at, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { site.DeliverManifest(w, r, string(text)) }))
}

// opened installs the app with what is on sale, and waits for the gate.
func (s *shop) opened() asset.Progress {
	s.Helper()
	s.publish()
	if _, err := s.w.owner.Install(s.Context(), localapi.InstallRequest{Bundle: s.bundle()}); err != nil {
		s.Fatal(err)
	}
	return s.open()
}

// packs gives the app's manager; what it does is what an app in its own process does.
func (s *shop) manages() *client.AssetPackManager {
	s.Helper()
	m, err := client.OpenAssetPacks(s.Context(), client.Options{Socket: s.w.dirs.AppSocket(s.id)})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = m.Close() })
	return m
}

func (s *shop) ensure(m *client.AssetPackManager, ids ...asset.PackID) {
	s.Helper()
	if err := m.EnsureLocalAvailability(s.Context(), client.EnsureOptions{}, ids...); err != nil {
		s.Fatal(err)
	}
}

// bits are those of each pack, as the owner's status tells them.
func (s *shop) bits() map[asset.PackID]asset.PackBits {
	out := map[asset.PackID]asset.PackBits{}
	for _, p := range s.status().Packs {
		out[p.ID] = p.Status
	}
	return out
}

func (s *shop) untilInstalled(id asset.PackID, version int64) {
	s.Helper()
	s.until(string(id)+" is installed", func(st asset.AppStatus) bool {
		return slices.ContainsFunc(st.Packs, func(p asset.PackStatus) bool {
			return p.ID == id && p.Installed != nil && *p.Installed == version
		})
	})
}

func (s *shop) untilGone(id asset.PackID) {
	s.Helper()
	s.until(string(id)+" is gone", func(st asset.AppStatus) bool {
		return !slices.ContainsFunc(st.Packs, func(p asset.PackStatus) bool { return p.ID == id && p.Installed != nil })
	})
}

func (s *shop) reads(m *client.AssetPackManager, name, want string) {
	s.Helper()
	if got, err := m.Contents(name, client.In{}); err != nil || string(got) != want {
		s.Errorf("%s is %q, %v; want %q", name, got, err, want)
	}
}

func (s *shop) checks(m *client.AssetPackManager) (updating, removed []asset.PackID) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	updating, removed, err := m.CheckForUpdates(ctx)
	if err != nil {
		s.Fatal(err)
	}
	return updating, removed
}

// idle waits until nothing is under way any more.
func (s *shop) idle() {
	s.Helper()
	s.until("nothing is under way", func(st asset.AppStatus) bool {
		for _, p := range st.Packs {
			if p.Status.Has(asset.PackDownloading) {
				return false
			}
		}
		return st.State == asset.AppReady
	})
}
