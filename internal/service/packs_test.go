package service

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
	"larder/internal/shelf"
	"larder/internal/site"
	"larder/pack"
)

// depot is a site whose blobs the world's server serves.
type depot struct {
	*world
	packs []asset.Pack
	blobs map[string]http.Handler // by URL
	texts map[string][]byte       // archives by URL
}

func (w *world) depot() *depot {
	return &depot{world: w, blobs: map[string]http.Handler{}, texts: map[string][]byte{}}
}

var (
	atInstall = asset.DownloadPolicy{Kind: asset.PolicyEssential, Events: []asset.InstallationEvent{asset.EventFirstInstallation}}
	prefetch  = asset.DownloadPolicy{Kind: asset.PolicyPrefetch, Events: []asset.InstallationEvent{asset.EventFirstInstallation, asset.EventSubsequentUpdate}}
	onDemand  = asset.DownloadPolicy{Kind: asset.PolicyOnDemand}
)

// pack builds a pack of the named files, each of so many bytes, and puts it on sale in
// place of other versions of it. change alters what is sold.
func (d *depot) pack(id asset.PackID, version int64, policy asset.DownloadPolicy, files map[string]string, change ...func(*asset.Pack)) asset.Pack {
	d.Helper()
	dir := d.TempDir()
	for name, text := range files {
		d.write(filepath.Join(dir, name), []byte(text), 0o644)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		d.Fatal(err)
	}
	defer root.Close()
	tree, err := pack.DirTree(d.Context(), root)
	if err != nil {
		d.Fatal(err)
	}
	var archive bytes.Buffer
	sum, err := pack.Build(d.Context(), &archive, tree, pack.BuildOptions{})
	if err != nil {
		d.Fatal(err)
	}
	name := "/blobs/" + sum.Archive.String()
	text := archive.Bytes()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site.DeliverBlob(w, r, sum.Archive.String(), bytes.NewReader(text))
	})
	d.blobs[d.server.URL+name], d.texts[d.server.URL+name] = h, text
	d.server.Handle(name, h)
	p := asset.Pack{ID: id, Version: version, DownloadSize: sum.Size, URL: d.server.URL + name, DownloadPolicy: policy, Content: sum.Content.String(),
		Index: sum.Index.String(), IndexSize: sum.IndexSize, InstallSize: sum.InstalledSize}
	for _, f := range change {
		f(&p)
	}
	kept := d.packs[:0]
	for _, o := range d.packs {
		if o.ID != id {
			kept = append(kept, o)
		}
	}
	d.packs = append(kept, p)
	return p
}

// publish makes the packs on sale the manifest of an app.
func (d *depot) publish(id asset.AppID, change ...func(*asset.DownloadManifest)) {
	d.Helper()
	m := asset.DownloadManifest{Packs: append([]asset.Pack{}, d.packs...)}
	for _, f := range change {
		f(&m)
	}
	text, err := m.MarshalJSON()
	if err != nil {
		d.Fatal(err)
	}
	d.server.Handle("/"+string(id)+"/manifest.json", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { site.DeliverManifest(w, r, string(text)) }))
}

func managedApp(id asset.AppID, build int) app {
	return app{id: id, build: build, bare: true, keys: map[string]any{"BAHasManagedAssetPacks": true}}
}

// sell installs an app with what is on sale.
func (d *depot) sell(a app) {
	d.Helper()
	bundle := d.bundle(a)
	d.publish(a.id)
	if _, err := d.client.Install(d.Context(), localapi.InstallRequest{Bundle: bundle}); err != nil {
		d.Fatal(err)
	}
}

// onShelf reads a file as the app would.
func (d *depot) onShelf(id asset.AppID, name string) string {
	d.Helper()
	s, err := shelf.Open(d.dirs.Shelf("group."+asset.GroupID(id), id), shelf.Options{})
	if err != nil {
		d.Fatal(err)
	}
	defer s.Close()
	f, err := s.Open(name, shelf.In{})
	if err != nil {
		return ""
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		d.Fatal(err)
	}
	return b.String()
}

// text is much that does not compress, the same for the same name.
func text(name string, size int64) string {
	var b bytes.Buffer
	if _, err := b.ReadFrom(content(name, size).Reader()); err != nil {
		panic(err)
	}
	return b.String()
}

func (d *depot) ensure(id asset.AppID, packs ...string) map[asset.PackID]*asset.Error {
	d.Helper()
	out := map[asset.PackID]*asset.Error{}
	for l, err := range d.client.EnsurePacks(d.Context(), id, localapi.EnsureRequest{Packs: packs}) {
		if err != nil {
			d.Fatal(err)
		}
		out[l.Pack] = l.Failed
	}
	return out
}

const game = asset.AppID("org.example.game")

func TestEssentialPacksAreOnTheShelfWhenTheGateOpens(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("tutorial", 1, atInstall, map[string]string{"levels/1.txt": "one", "big.bin": text("big", 5<<20)})
	d.pack("level2", 1, prefetch, map[string]string{"levels/2.txt": "two"})
	d.pack("level3", 1, onDemand, map[string]string{"levels/3.txt": "three"})
	d.sell(managedApp(game, 1))
	p := d.open(game)
	if p.Gate.Reason == nil || p.Gate.Reason.Code != asset.WhyReady || p.Failed > 0 || p.Bytes != p.TotalBytes {
		t.Errorf("the gate opened so: %s", pretty(p))
	}
	if got := d.onShelf(game, "levels/1.txt"); got != "one" || d.onShelf(game, "big.bin") != text("big", 5<<20) {
		t.Errorf("the essential pack is not on the shelf: %q", got)
	}
	st := d.until(game, "the prefetched pack is there", func(a asset.AppStatus) bool {
		return len(a.Packs) == 3 && a.Packs[0].Status == 69
	})
	if got := d.onShelf(game, "levels/2.txt"); got != "two" {
		t.Errorf("the prefetched pack: %q", got)
	}
	for n, want := range []asset.PackBits{69, 1, 69} {
		if st.Packs[n].Status != want {
			t.Errorf("%s has status %d, want %d", st.Packs[n].ID, st.Packs[n].Status, want)
		}
	}
	if got := d.ensure(game, "level3", "tutorial", "nothing"); got["level3"] != nil || got["tutorial"] != nil || got["nothing"] == nil || got["nothing"].DomainOf() != asset.DomainManaged {
		t.Errorf("ensure: %v", got)
	}
	if got := d.onShelf(game, "levels/3.txt"); got != "three" {
		t.Errorf("the pack that was asked for: %q", got)
	}
}

func TestAnUpdateTakesWhatChangedAndObsoletePacksGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	d := w.depot()
	big := text("big", 8<<20)
	d.pack("model", 1, atInstall, map[string]string{"weights.bin": big, "note.txt": "v1"})
	d.pack("old", 1, prefetch, map[string]string{"old.txt": "old"})
	d.sell(managedApp(game, 1))
	d.open(game)
	d.until(game, "both are there", func(a asset.AppStatus) bool {
		return a.Packs[0].Status.Has(asset.PackDownloaded) && a.Packs[1].Status.Has(asset.PackDownloaded)
	})
	d.packs = d.packs[:1]
	d.pack("model", 2, atInstall, map[string]string{"weights.bin": big, "note.txt": "v2"})
	d.publish(game)
	d.server.ResetLog()
	got, err := d.client.CheckForUpdates(d.Context(), game)
	if err != nil || fmt.Sprint(got) != "{[model] [old]}" {
		t.Fatalf("check: %v, %v", got, err)
	}
	if failed := d.ensure(game, "model"); failed["model"] != nil {
		t.Fatal(failed)
	}
	for l, err := range d.client.EnsurePacks(d.Context(), game, localapi.EnsureRequest{Packs: []string{"model"}, Latest: true}) {
		if err != nil || l.Failed != nil || l.Version != 2 {
			t.Errorf("%+v, %v", l, err)
		}
	}
	if note, old := d.onShelf(game, "note.txt"), d.onShelf(game, "old.txt"); note != "v2" || old != "" || d.onShelf(game, "weights.bin") != big {
		t.Errorf("after the update: note %q, old %q", note, old)
	}
	sent := int64(0)
	for _, r := range d.server.Requests() {
		sent += r.Sent
	}
	if sent > 2<<20 {
		t.Errorf("an update of one small file cost %d bytes", sent)
	}
}

func TestAServiceThatIsStartedAgainGoesOnWithTheShelf(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("a", 1, atInstall, map[string]string{"a.txt": "a"})
	d.pack("b", 1, onDemand, map[string]string{"b.txt": "b"})
	d.sell(managedApp(game, 1))
	d.open(game)
	w.stop()
	w.start()
	if got := d.ensure(game, "b"); got["b"] != nil || d.onShelf(game, "b.txt") != "b" || d.onShelf(game, "a.txt") != "a" {
		t.Errorf("after a restart: %v", got)
	}
}

func TestTwoPacksWithOnePathAreRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("a", 1, atInstall, map[string]string{"same.txt": "a"})
	d.pack("b", 1, onDemand, map[string]string{"same.txt": "b"})
	d.sell(managedApp(game, 1))
	d.open(game)
	got := d.ensure(game, "b")["b"]
	if got == nil || got.Code != asset.CodePathCollision || !strings.Contains(got.Error(), "same.txt") {
		t.Errorf("%v", got)
	}
	if d.onShelf(game, "same.txt") != "a" {
		t.Error("the pack that was there is not as it was")
	}
}

// A version that is published while its predecessor comes keeps what came.
func TestANewVersionInTheMiddleKeepsWhatCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	d := w.depot()
	big := map[string]string{"big.bin": text("big", 24<<20), "note.txt": "v1"}
	d.pack("a", 1, onDemand, big)
	d.pack("tiny", 1, atInstall, map[string]string{"t.txt": "t"})
	d.server.SetRate(6 << 20)
	d.sell(managedApp(game, 1))
	d.open(game)
	ended := make(chan map[asset.PackID]*asset.Error, 1)
	go func() { ended <- d.ensure(game, "a") }()
	d.until(game, "a good part has come", func(a asset.AppStatus) bool { return find(a, "a").Bytes > 8<<20 })
	big["note.txt"] = "v2"
	d.pack("a", 2, onDemand, big)
	d.publish(game)
	for l, err := range d.client.EnsurePacks(t.Context(), game, localapi.EnsureRequest{Packs: []string{"a"}, Latest: true}) {
		if err != nil || l.Failed != nil || l.Version != 2 {
			t.Fatalf("%+v, %v", l, err)
		}
	}
	if got := <-ended; got["a"] != nil || d.onShelf(game, "note.txt") != "v2" || d.onShelf(game, "big.bin") != big["big.bin"] {
		t.Errorf("%v, %q", got, d.onShelf(game, "note.txt"))
	}
	asked := int64(0)
	for _, r := range d.server.Requests() {
		if strings.HasPrefix(r.Path, "/blobs/") {
			asked += r.Sent
		}
	}
	if asked > 24<<20+10<<20 { // loopback holds some that nobody read
		t.Errorf("%d bytes were sent for 24 MiB and one small file", asked)
	}
	t.Logf("%d bytes sent", asked)
}

func TestABrokenConnectionCostsNoByteTwice(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	c := fault.Content(1, 6<<20)
	var b bytes.Buffer
	if _, err := b.ReadFrom(c.Reader()); err != nil {
		t.Fatal(err)
	}
	p := d.pack("a", 1, atInstall, map[string]string{"big.bin": b.String()})
	inner := d.blobs[p.URL]
	cuts := 0
	d.server.Handle(p.URL[len(d.server.URL):], http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if cuts++; cuts > 1 && cuts < 5 {
			rw = &cutter{ResponseWriter: rw, left: 1 << 20}
		}
		inner.ServeHTTP(rw, r)
	}))
	d.sell(managedApp(game, 1))
	if p := d.open(game); p.Failed > 0 {
		t.Fatal(pretty(p))
	}
	if d.onShelf(game, "big.bin") != b.String() {
		t.Error("other bytes than were packed")
	}
	at := int64(0)
	for _, r := range d.server.Requests()[2:] { // after manifest and index
		if r.Start < at {
			t.Errorf("byte %d was asked for after byte %d", r.Start, at)
		}
		at = r.Start
	}
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) >= c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}
