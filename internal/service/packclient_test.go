package service

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

func (d *depot) manager(id asset.AppID) *client.AssetPackManager {
	d.Helper()
	m, err := client.OpenAssetPacks(d.Context(), client.Options{Socket: d.dirs.AppSocket(id)})
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { m.Close() })
	return m
}

func TestAnAppReadsItsPacksAsOneTree(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("tutorial", 1, atInstall, map[string]string{"levels/1.txt": "one", "shared/a.txt": "a", "empty.txt": ""})
	d.pack("level2", 1, atInstall, map[string]string{"levels/2.txt": "two", "shared/b.txt": "b"})
	d.pack("more", 1, onDemand, map[string]string{"more/c.txt": "c"})
	d.sell(managedApp(game, 1))
	d.open(game)
	m := d.manager(game)
	if err := fstest.TestFS(m.FS(), "levels/1.txt", "levels/2.txt", "shared/a.txt", "shared/b.txt", "empty.txt"); err != nil {
		t.Error(err)
	}
	if text, err := m.Contents("levels/1.txt", client.In{Pack: "tutorial"}); err != nil || string(text) != "one" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := m.Contents("levels/1.txt", client.In{Pack: "level2"}); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, &asset.Error{Code: asset.CodeFileNotFound, Domain: asset.DomainManaged}) {
		t.Errorf("a file of another pack: %v", err)
	}
	mapped, err := m.Map("shared/a.txt", client.In{})
	if err != nil || string(mapped.Bytes) != "a" || mapped.Close() != nil {
		t.Errorf("mapped: %v", err)
	}
	u, err := m.URL("levels", client.In{})
	if err != nil || u.Scheme != "file" {
		t.Fatalf("url of a shared directory: %v, %v", u, err)
	}
	if _, err := m.URL("absent", client.In{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("url of nothing: %v", err)
	}
	if _, err := m.Open("more/c.txt", client.In{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pack that is not installed: %v", err)
	}
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "more", "tutorial"); err != nil {
		t.Fatal(err)
	}
	if text, err := fs.ReadFile(m.FS(), "more/c.txt"); err != nil || string(text) != "c" {
		t.Errorf("after ensure: %q, %v", text, err)
	}
	if v, err := m.LocalVersion("more"); err != nil || v != 1 {
		t.Error(v, err)
	}
	for _, how := range []client.SizeMethod{client.SizeLogical, client.SizeAllocated} {
		if n, err := m.LocalSize("tutorial", how); err != nil || n < 4 {
			t.Errorf("%s: %d, %v", how, n, err)
		}
	}
	var all *client.LocalAvailabilityError
	err = m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "tutorial", "nothing")
	if !errors.As(err, &all) || len(all.Successes) != 1 || !errors.Is(all.Failures["nothing"], asset.PackNotFound("", "")) {
		t.Errorf("one of two: %v", err)
	}
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "nothing"); !errors.Is(err, asset.PackNotFound("", "")) {
		t.Errorf("one alone: %v", err)
	}
}

func TestWhatAProcessReadsMovesOnlyWhenItRefreshes(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("a", 1, atInstall, map[string]string{"a.txt": "a1"})
	d.pack("b", 1, atInstall, map[string]string{"b.txt": "b1"})
	d.sell(managedApp(game, 1))
	d.open(game)
	m := d.manager(game)
	old, err := m.AssetPack(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := m.StatusRelativeTo(t.Context(), old); err != nil || st != 69 {
		t.Errorf("current: %d, %v", st, err)
	}
	d.pack("a", 2, atInstall, map[string]string{"a.txt": "a2"})
	d.pack("c", 1, onDemand, map[string]string{"c.txt": "c1"})
	d.publish(game)
	if updating, removed, err := m.CheckForUpdates(t.Context()); err != nil || !slices.Equal(updating, []asset.PackID{"a"}) || len(removed) > 0 {
		t.Fatal(updating, removed, err)
	}
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{RequireLatestVersions: true}, "a", "c"); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		var out []string
		for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
			text, err := m.Contents(name, client.In{})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(text))
		}
		return strings.Join(out, " ")
	}
	if got := read(); got != "a1 b1 c1" {
		t.Errorf("a running process reads %s", got)
	}
	if v, err := m.LocalVersion("a"); err != nil || v != 2 {
		t.Errorf("installed: %d, %v", v, err)
	}
	if st, err := m.StatusRelativeTo(t.Context(), old); err != nil || st != asset.PackDownloadAvailable|asset.PackDownloaded|asset.PackOutOfDate {
		t.Errorf("relative to the old one: %d, %v", st, err)
	}
	if changed, err := m.Refresh(); err != nil || !changed || read() != "a2 b1 c1" {
		t.Errorf("after refresh: %v, %v, %s", changed, err, read())
	}
	if err := m.Remove(t.Context(), "c"); err != nil || m.IsAvailableLocally("c") || m.LocalStatus("c") != 0 {
		t.Errorf("removed: %v, %d", err, m.LocalStatus("c"))
	}
	if _, err := m.Open("c.txt", client.In{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed pack: %v", err)
	}
}

func TestLocalStatusNeedsNoService(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("a", 1, atInstall, map[string]string{"a.txt": "a1"})
	d.pack("b", 1, atInstall, map[string]string{"b.txt": "b1"})
	d.sell(managedApp(game, 1))
	d.open(game)
	m := d.manager(game)
	d.server.Close() // what is here serves without the network
	w.stop()
	if st := m.LocalStatus("a"); st != asset.PackDownloaded {
		t.Errorf("%d", st)
	}
	if st := m.LocalStatus("unknown"); st != 0 {
		t.Errorf("unknown: %d", st)
	}
	if text, err := m.Contents("b.txt", client.In{}); err != nil || string(text) != "b1" {
		t.Errorf("%q, %v", text, err)
	}
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "a", "b"); err != nil {
		t.Errorf("ensure of what is installed: %v", err)
	}
	n := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			m.LocalStatus("a")
		}
	})
	t.Logf("localStatus: %v", n)
}

func TestALateSubscriberHearsTheEndAtOnce(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("a", 1, atInstall, map[string]string{"a.txt": text("a", 3<<20)})
	d.pack("broken", 1, onDemand, map[string]string{"x.txt": "x"}, func(p *asset.Pack) { p.URL += "-gone" })
	d.sell(managedApp(game, 1))
	d.open(game)
	m := d.manager(game)
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "broken"); asset.CodeOf(err) != asset.CodeServer {
		t.Fatalf("a pack that is not on the server: %v", err)
	}
	for id, want := range map[asset.PackID]asset.EventType{"a": asset.EventFinished, "broken": asset.EventFailed} {
		var got []asset.EventType
		for u, err := range m.StatusUpdatesFor(t.Context(), id) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, u.Type)
		}
		if !slices.Equal(got, []asset.EventType{want}) {
			t.Errorf("%s: %v", id, got)
		}
	}
	// An early one hears it all, in order.
	if err := m.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	heard := make(chan []asset.EventType)
	go func() {
		var all []asset.EventType
		for u, err := range m.StatusUpdates(t.Context()) {
			if err != nil {
				break
			}
			if u.Pack == "a" {
				all = append(all, u.Type)
			}
			if u.Terminal() {
				break
			}
		}
		heard <- all
	}()
	for got := []asset.EventType(nil); len(got) == 0; {
		if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "a"); err != nil {
			t.Fatal(err)
		}
		select {
		case got = <-heard:
			if got[0] != asset.EventBegan || got[len(got)-1] != asset.EventFinished {
				t.Errorf("%v", got)
			}
		default: // it subscribed too late: once more
			if err := m.Remove(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestLanguages(t *testing.T) {
	w := newWorld(t)
	w.config.Languages = func() []string { return []string{"de_AT.UTF-8", "fr"} }
	w.start()
	d := w.depot()
	spoken := func(tag string) func(*asset.Pack) { return func(p *asset.Pack) { p.Language = tag } }
	for _, tag := range []string{"de", "en-US", "fr"} {
		d.pack(asset.PackID("voice-"+strings.ToLower(tag)), 1, atInstall, map[string]string{"voice/hello.txt": "hello in " + tag}, spoken(tag))
	}
	d.pack("game", 1, atInstall, map[string]string{"game.txt": "g"})
	d.sell(managedApp(game, 1))
	d.open(game)
	m := d.manager(game)
	hello := func() string { text, _ := m.Contents("voice/hello.txt", client.In{}); return string(text) }
	locals := func() string { l, _ := m.LocallyAvailableLanguages(); return fmt.Sprint(l) }
	if hello() != "hello in de" || locals() != "[de]" || m.ResolvedLanguage() != "de" {
		t.Errorf("%q, %s, %s", hello(), locals(), m.ResolvedLanguage())
	}
	if err := m.SetResolvedLanguage(t.Context(), "en-GB"); err != nil || m.ResolvedLanguage() != "en-US" || locals() != "[de]" {
		t.Errorf("setting a language: %v, %s, %s", err, m.ResolvedLanguage(), locals())
	}
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "voice-fr"); err != nil {
		t.Fatal(err)
	}
	if err := m.ReconcilePreferredLanguages(t.Context()); err != nil || locals() != "[en-US fr]" {
		t.Errorf("reconciled: %v, %s", err, locals())
	}
	if text, err := m.Contents("voice/hello.txt", client.In{Language: "en"}); err != nil || string(text) != "hello in en-US" {
		t.Errorf("as localized for en: %q, %v", text, err)
	}
	manifest, err := m.Manifest(t.Context())
	if err != nil || len(manifest.AssetPacks()) != 4 || len(manifest.LocalizedAssetPacks()) != 1 || manifest.LocalizedAssetPacksFor("fr-CA")[0].ID != "voice-fr" {
		t.Errorf("manifest: %v", err)
	}
	// The person chooses for the app: the new language comes, then the old one goes.
	if err := m.SetResolvedLanguage(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	tag := "de"
	if _, err := d.client.SetAppSettings(t.Context(), game, localapi.AppSettingsChange{Language: &tag}); err != nil {
		t.Fatal(err)
	}
	d.until(game, "the packs of the new language are here and those of the old one gone", func(asset.AppStatus) bool { return locals() == "[de fr]" })
}

func TestAnAppWithoutManagedPacksIsToldSo(t *testing.T) {
	w := newWorld(t)
	w.start()
	id := w.install(app{})
	if _, err := client.OpenAssetPacks(t.Context(), client.Options{Socket: w.dirs.AppSocket(id)}); asset.CodeOf(err) != asset.CodeConfiguration || asset.AsError(err).Help == "" {
		t.Errorf("%v", err)
	}
	t.Setenv("LARDER_SOCKET", "")
	if _, err := client.OpenAssetPacks(t.Context(), client.Options{}); asset.CodeOf(err) != asset.CodeConfiguration {
		t.Errorf("%v", err)
	}
}

func TestAManifestServesAppsThatScheduleForThemselves(t *testing.T) {
	m, err := client.ParseAssetPackManifest([]byte(`{"assetPacks": [
		{"id": "a", "version": 1, "downloadSize": 5, "url": "https://cdn.example.com/a", "downloadPolicy": {"essential": {"installationEventTypes": ["firstInstallation"]}}},
		{"id": "b", "version": 1, "downloadSize": 6, "url": "https://cdn.example.com/b", "downloadPolicy": {"onDemand": {}}}]}`), "group.org.x")
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[asset.ContentRequest]string{"": "[a false group.org.x b false group.org.x]", asset.RequestInstall: "[a true group.org.x b false group.org.x]",
		asset.RequestUpdate: "[a false group.org.x b false group.org.x]"} {
		var got []any
		for _, d := range m.AllDownloadsFor(request) {
			if err := d.Validate(); err != nil {
				t.Error(err)
			}
			got = append(got, d.Identifier, d.Essential, d.Group)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%q: %v", request, got)
		}
	}
}
