package host

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/host/access"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

func bad(t *testing.T, dir string, deep bool) (all []string) {
	t.Helper()
	found, err := Doctor(t.Context(), dir, deep, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Bad {
			all = append(all, f.Text)
		}
	}
	return all
}

// published is a host with a pack in production.
func published(t *testing.T) (w *world, version string) {
	w = newWorld(t)
	v := w.publish(w.newPack(w.newApp(bundle), "level"), level(t, "one"))
	w.must("POST", "/larder/v1/promotions", promotion(v, "production"))
	w.becomes(v, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	return w, v
}

func TestTheDoctorFindsWhatIsMissingOrRotten(t *testing.T) {
	w, _ := published(t)
	if got := bad(t, w.dir, true); len(got) > 0 {
		t.Errorf("of a sound host: %q", got)
	}
	name := filepath.Join(w.dir, "site", filepath.FromSlash(site.BlobPath(blobsOf(t, w.dir)[0])))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[9] ^= 1
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := bad(t, w.dir, true); len(got) != 1 || !strings.Contains(got[0], "not what its name says") {
		t.Errorf("of a rotten blob: %q", got)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if got := bad(t, w.dir, false); len(got) != 1 || !strings.Contains(got[0], "missing") {
		t.Errorf("of a missing blob: %q", got)
	}
	if err := os.Remove(filepath.Join(w.dir, "site", filepath.FromSlash(site.AppPath(bundle, "trust/timestamp.json")))); err != nil {
		t.Fatal(err)
	}
	if got := bad(t, w.dir, false); len(got) != 4 {
		t.Errorf("of a site without its time: %q", got)
	}
}

func TestABackupOfARunningHostIsRestoredWhole(t *testing.T) {
	w, v := published(t)
	open := w.newVersion(str(w.must("GET", "/v1/backgroundAssetVersions/"+v, nil), "relationships.backgroundAsset.data.id"))
	f := w.newFile(open, "ASSET", "a", 4)
	w.send(w.operations(f)[0], []byte("half"))
	backup, dir := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "again")
	for range 2 { // the second copies what changed
		if err := Backup(t.Context(), w.dir, backup); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Restore(t.Context(), Restoration{From: backup, Dir: dir, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), Restoration{From: backup, Dir: dir, Now: time.Now()}); err == nil {
		t.Error("a directory that has something was written over")
	}
	if got := bad(t, dir, true); len(got) > 0 {
		t.Errorf("the doctor says of what was restored: %q", got)
	}
	again := newWorld(t, func(o *Options) {
		o.Dir = dir
		o.Admin = func(access.Credential) error { t.Error("a new key was made"); return nil }
	})
	again.admin = w.admin
	if got := again.offered("production"); got != "level 1" {
		t.Errorf("the public is offered %q", got)
	}
	again.is(v, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	again.must("PATCH", "/v1/backgroundAssetUploadFiles/"+str(f, "id"), entity("backgroundAssetUploadFiles", str(f, "id"), object{"uploaded": true}))
	if got := again.settled(open); !strings.Contains(fmt.Sprint(got), "ARCHIVE_INVALID") {
		t.Errorf("what was on its way became %v", got)
	}
}

// witness is a device that remembers what it saw of sites.
type witness struct {
	t    *testing.T
	root []byte
	kept string
}

func (w *world) device() witness {
	w.t.Helper()
	root, err := os.ReadFile(filepath.Join(w.dir, "keys", bundle, "root.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return witness{w.t, root, w.t.TempDir()}
}

// sees gives the pack that the site of a host offers the public.
func (d witness) sees(dir string) (string, error) {
	d.t.Helper()
	from := publish.Fetcher{From: publish.Folder{Dir: filepath.Join(dir, "site"), Disk: fsx.OS()}, App: bundle}
	device := trust.Client{Anchor: d.root, Context: "production", Dir: d.kept, Disk: fsx.OS(), Fetcher: from, Now: time.Now}
	proven, err := device.Refresh(d.t.Context())
	if err != nil {
		return "", err
	}
	m, err := asset.ParseDownloadManifest(proven.Manifest)
	if err != nil || len(m.Packs) != 1 {
		d.t.Fatalf("it is offered %s, %v", proven.Manifest, err)
	}
	return fmt.Sprint(m.Packs[0].ID, " ", m.Packs[0].Version), nil
}

// A device that saw what the backup does not know follows the restored host, and gets its next version.
func TestADeviceThatSawMoreThanTheBackupFollowsTheRestoredHost(t *testing.T) {
	w, v := published(t)
	packID := str(w.must("GET", "/v1/backgroundAssetVersions/"+v, nil), "relationships.backgroundAsset.data.id")
	device := w.device()
	sees := func(dir string) string {
		t.Helper()
		got, err := device.sees(dir)
		if err != nil {
			t.Fatalf("the device refuses the site: %v", err)
		}
		return got
	}
	sees(w.dir)
	backup, dir := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "again")
	if err := Backup(t.Context(), w.dir, backup); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"two", "three"} {
		v := w.publish(packID, level(t, text))
		w.must("POST", "/larder/v1/promotions", promotion(v, "production"))
		w.becomes(v, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	}
	if got := sees(w.dir); got != "level 3" {
		t.Fatalf("the device saw %s", got)
	}
	if _, err := Restore(t.Context(), Restoration{From: backup, Dir: dir, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	again := republished(t, dir)
	again.admin = w.admin
	if got := sees(dir); got != "level 1" {
		t.Errorf("of the restored host the device sees %s", got)
	}
	next := again.publish(packID, level(t, "four"))
	again.must("POST", "/larder/v1/promotions", promotion(next, "production"))
	again.becomes(next, "appStoreRelease", "READY_FOR_DISTRIBUTION")
	if got := sees(dir); got != "level 1002" {
		t.Errorf("after its next version the device sees %s", got)
	}
}

// Devices follow keys that were changed after the backup, and no others: so must the restored host.
func TestAHostIsRestoredWithTheKeysThatDevicesFollow(t *testing.T) {
	w, _ := published(t)
	device, keys := w.device(), filepath.Join(w.dir, "keys", bundle)
	backup, later, export := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "later"), t.TempDir()
	for _, to := range []string{backup, later} {
		if err := Backup(t.Context(), w.dir, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range []trust.Role{trust.RoleRoot, trust.RoleTimestamp, trust.RolePublisher} {
		rotate(t, filepath.Join(w.dir, "site"), keys, role)
	}
	if got, err := device.sees(w.dir); got != "level 1" {
		t.Fatalf("the device sees %s: %v", got, err)
	}
	if err := Export(t.Context(), w.dir, export); err != nil {
		t.Fatal(err)
	}

	blind := filepath.Join(t.TempDir(), "blind")
	if all, err := Restore(t.Context(), Restoration{From: backup, Dir: blind, Now: time.Now()}); err != nil || len(all) > 0 {
		t.Fatalf("without a site: %v, %v", all, err)
	}
	republished(t, blind)
	if got, err := device.sees(blind); asset.CodeOf(err) != asset.CodeSignature {
		t.Errorf("a device that follows the new keys sees %q, %v", got, err) // why there is Site
	}

	now := Restoration{From: backup, Dir: filepath.Join(t.TempDir(), "again"), Site: publish.Folder{Dir: export, Disk: fsx.OS()}, Now: time.Now()}
	_, err := Restore(t.Context(), now)
	if e := asset.AsError(err); e == nil || e.Code != asset.CodeState || !strings.Contains(e.Help, "timestamp-") || !strings.Contains(e.Help, "publisher-") || strings.Contains(e.Help, "release-") {
		t.Fatalf("without the new keys: %v", err)
	}
	if _, err := os.Stat(now.Dir); err == nil {
		t.Error("something was restored all the same")
	}
	// The keys are in a later backup, which was lost but for them: with its root, though that is as long as the one before.
	if err := Backup(t.Context(), w.dir, later); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(t.Context(), filepath.Join(later, "keys"), filepath.Join(backup, "keys")); err != nil {
		t.Fatal(err)
	}
	all, err := Restore(t.Context(), now)
	if err != nil || len(all) != 1 || all[0] != (Restored{bundle, 3, true}) {
		t.Fatalf("restored are %v, %v", all, err)
	}
	if fresh, err := os.ReadFile(filepath.Join(backup, "keys", bundle, "root.json")); err != nil || bytes.Equal(fresh, device.root) {
		t.Errorf("the later backup has the root of before, %v", err)
	}
	republished(t, now.Dir)
	if got, err := device.sees(now.Dir); got != "level 1" {
		t.Errorf("of the restored host the device sees %q, %v", got, err)
	}
	if got := bad(t, now.Dir, true); len(got) > 0 {
		t.Errorf("the doctor says: %q", got)
	}
}

// rotate replaces the key of a role, as larder keys rotate.
func rotate(t *testing.T, at, keys string, role trust.Role) {
	t.Helper()
	dir, to := publish.KeyDir{Dir: keys}, publish.Folder{Dir: at, Disk: fsx.OS()}
	fresh, err := dir.Generate(role)
	if err != nil {
		t.Fatal(err)
	}
	c, err := publish.Change(t.Context(), to, bundle, dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	edit := trust.Edit{Role: role, Add: []trust.Key{fresh}}
	for _, h := range c.Holders() {
		if h.Role == role {
			edit.Revoke = append(edit.Revoke, h.Keys[0].ID)
		}
	}
	p, err := c.Propose([]trust.Edit{edit})
	if err == nil {
		err = c.Accept(p)
	}
	if err == nil {
		err = c.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// republished starts a restored host, and waits until it has signed all anew.
func republished(t *testing.T, dir string) *world {
	t.Helper()
	w := newWorld(t, func(o *Options) { o.Dir = dir })
	for range publish.Contexts {
		w.step("release noted")
	}
	return w
}

func TestAnExportIsASite(t *testing.T) {
	w, _ := published(t)
	to := filepath.Join(t.TempDir(), "export")
	if err := Export(t.Context(), w.dir, to); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	server := httptest.NewServer(http.StripPrefix("/larder/v1", site.Handler(root)))
	defer server.Close()
	copied := *w
	copied.base = server.URL
	if got := copied.offered("production"); got != "level 1" {
		t.Errorf("the export offers %q", got)
	}
	same := 0
	err = filepath.WalkDir(to, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			same++
		}
		return err
	})
	if err != nil || same < 10 {
		t.Errorf("the export has %d files, %v", same, err)
	}
}

func TestTheHostTellsHowItIs(t *testing.T) {
	w, _ := published(t)
	server := httptest.NewServer(w.host.Metrics())
	defer server.Close()
	get := func(url string) string {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", url, resp.StatusCode, text)
		}
		return string(text)
	}
	w.offered("production")
	text := get(server.URL + "/metrics")
	for _, line := range []string{`larder_host_versions{state="COMPLETE"} 1`, `larder_host_requests_total{side="devices",code="2xx"} 1`, "larder_host_jobs_failing 0", "# TYPE larder_host_jobs gauge"} {
		if !strings.Contains(text, line) {
			t.Errorf("the metrics lack %q:\n%s", line, text)
		}
	}
	for _, person := range []string{"127.0.0.1", bundle, w.admin.KeyID, "level"} {
		if strings.Contains(text, person) {
			t.Errorf("the metrics tell of %q", person)
		}
	}
	for _, url := range []string{w.base + "/healthz", w.base + "/readyz", server.URL + "/readyz"} {
		if got := get(url); got != "ok\n" {
			t.Errorf("%s: %q", url, got)
		}
	}
	resp, err := http.Get(w.base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == 200 {
		t.Error("the metrics are for everybody")
	}
}
