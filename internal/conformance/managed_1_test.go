package conformance

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

func TestManaged_1_1_MisconfigurationIsAnError(t *testing.T) {
	row(t, "managed §1.1", "A missing key is a programmer error that ends the process at the first reference", "our call: an error of OpenAssetPacks with the mend, never the end of the process")
	a := newApp(t, shared(t))
	a.installed()
	_, err := client.OpenAssetPacks(t.Context(), client.Options{Socket: a.w.dirs.AppSocket(a.id)})
	wantCode(t, "open", err, asset.CodeConfiguration)
	if asset.AsError(err).Help == "" {
		t.Error("it names no mend")
	}
}

func TestManaged_1_2_TheManifestIsWhatCanBeDownloadedNow(t *testing.T) {
	row(t, "managed §1.2", "manifest, allAssetPacks, assetPack(withID:): what can be downloaded; an unknown ID throws assetPackNotFound", "so they do; what fits neither platform nor app version is not among them")
	s := newShop(t, shared(t))
	s.sell("here", 3, onDemand, files{"h.txt": "h"})
	s.sell("elsewhere", 1, onDemand, files{"e.txt": "e"}, func(p *asset.Pack) { p.Platforms = []asset.Platform{"visionOS"} })
	s.opened()
	m := s.manages()
	manifest, err := m.Manifest(t.Context())
	if err != nil || len(manifest.AssetPacks()) != 1 || manifest.AssetPacks()[0].ID != "here" {
		t.Error(manifest, err)
	}
	if _, err := m.AssetPack(t.Context(), "elsewhere"); !errors.Is(err, asset.PackNotFound("", "")) {
		t.Error(err)
	}
}

func TestManaged_1_2_LocalVersionAndSize(t *testing.T) {
	row(t, "managed §1.2", "localVersion and localSize tell of installed packs, assetPackNotFound of others; sizes logical or allocated", "so they do, without the service")
	s := newShop(t, shared(t))
	s.sell("level", 7, essential, files{"l.txt": "12345"})
	s.opened()
	m := s.manages()
	v, err := m.LocalVersion("level")
	n, err2 := m.LocalSize("level", client.SizeLogical)
	allocated, err3 := m.LocalSize("level", client.SizeAllocated)
	if err != nil || err2 != nil || err3 != nil || v != 7 || n != 5 || allocated < 5 {
		t.Error(v, n, allocated, err, err2, err3)
	}
	_, err = m.LocalVersion("nothing")
	_, err2 = m.LocalSize("nothing", client.SizeLogical)
	if !errors.Is(err, asset.PackNotFound("", "")) || !errors.Is(err2, asset.PackNotFound("", "")) {
		t.Error(err, err2)
	}
}

func TestManaged_1_2_RemoveDeletesAndEnsureBringsBack(t *testing.T) {
	row(t, "managed §1.2", "remove deletes local files; a later ensure downloads again", "so it does; other processes keep what they read")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "l"})
	s.opened()
	m, other := s.manages(), s.manages()
	if err := m.Remove(t.Context(), "level"); err != nil || m.IsAvailableLocally("level") {
		t.Error(err)
	}
	s.reads(other, "l.txt", "l")
	s.ensure(m, "level")
	s.reads(m, "l.txt", "l")
}

func TestManaged_1_3_EventsOfAPackComeInOrder(t *testing.T) {
	row(t, "managed §1.3", "Per attempt: began, any number of downloading, one terminal event, after which the sequence for one pack ends", "so they come; a late subscriber gets the terminal event at once, and its sequence ends")
	s := newShop(t, shared(t))
	s.sell("level", 1, onDemand, files{"l.txt": "l"})
	s.opened()
	m := s.manages()
	s.ensure(m, "level")
	var got []asset.EventType
	for u, err := range m.StatusUpdatesFor(t.Context(), "level") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, u.Type)
	}
	if len(got) == 0 || got[len(got)-1] != asset.EventFinished {
		t.Errorf("%v", got)
	}
}

func TestManaged_1_4_StatusIsRelativeToAVersion(t *testing.T) {
	row(t, "managed §1.4", "status(relativeTo:) compares the installed version with the pack's; updateAvailable only while the server has not moved on; no side effects", "so it does")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "1"})
	s.opened()
	m := s.manages()
	old, err := m.AssetPack(t.Context(), "level")
	if err != nil {
		t.Fatal(err)
	}
	s.sell("level", 2, essential, files{"l.txt": "2"})
	s.publish()
	if st, err := m.StatusRelativeTo(t.Context(), old); err != nil || !st.Has(asset.PackUpToDate) || st.Has(asset.PackUpdateAvailable) {
		t.Errorf("Apple's own example: %d, %v", st, err)
	}
	now, err := m.AssetPack(t.Context(), "level")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := m.StatusRelativeTo(t.Context(), now); err != nil || !st.Has(asset.PackOutOfDate) || !st.Has(asset.PackUpdateAvailable) {
		t.Errorf("relative to the new one: %d, %v", st, err)
	}
	if v, err := m.LocalVersion("level"); err != nil || v != 1 {
		t.Errorf("asking changed what is installed: %d, %v", v, err)
	}
}

func TestManaged_1_4_LocalStatusIsOffline(t *testing.T) {
	row(t, "managed §1.4", "localStatus: no network, no throw; outOfDate and obsolete \"in some situations\"; an unknown ID is the empty set", "our call: these two as the manifest that was accepted last tells")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "1"})
	s.opened()
	m := s.manages()
	if st := m.LocalStatus("level"); st != asset.PackDownloaded {
		t.Errorf("installed: %d", st)
	}
	if st := m.LocalStatus("unknown"); st != 0 {
		t.Errorf("unknown: %d", st)
	}
	s.sell("level", 2, essential, files{"l.txt": "2"})
	s.publish()
	if _, err := m.StatusRelativeTo(t.Context(), client.AssetPack{}); err != nil { // a look, and nothing else
		t.Fatal(err)
	}
	if st := m.LocalStatus("level"); st != asset.PackDownloaded|asset.PackOutOfDate {
		t.Errorf("a newer one is offered: %d", st)
	}
	s.server.Close()
	if st := m.LocalStatus("level"); st != asset.PackDownloaded|asset.PackOutOfDate {
		t.Errorf("without a network: %d", st)
	}
}

func TestManaged_1_5_EnsureWaitsForWhatIsMissing(t *testing.T) {
	row(t, "managed §1.5", "Not installed: download and wait. Installed: return quickly, without a look for updates, unless the latest is required", "so it does; what is installed needs neither service nor network")
	s := newShop(t, shared(t))
	s.sell("level", 1, onDemand, files{"l.txt": "1"})
	s.opened()
	m := s.manages()
	s.ensure(m, "level")
	s.reads(m, "l.txt", "1")
	s.sell("level", 2, onDemand, files{"l.txt": "2"})
	s.publish()
	asked := len(s.asked("/manifest"))
	s.ensure(m, "level")
	if v, err := m.LocalVersion("level"); err != nil || v != 1 || len(s.asked("/manifest")) != asked {
		t.Errorf("it looked for updates: version %d, %v", v, err)
	}
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{RequireLatestVersions: true}, "level"); err != nil {
		t.Fatal(err)
	}
	if v, err := m.LocalVersion("level"); err != nil || v != 2 {
		t.Errorf("the latest was required: version %d, %v", v, err)
	}
}

func TestManaged_1_5_ABatchSaysWhichAreThere(t *testing.T) {
	row(t, "managed §1.5", "A batch waits for all, also when some fail, and says which are there (code 2)", "LocalAvailabilityError has successes and failures, each with its own error")
	s := newShop(t, shared(t))
	s.sell("good", 1, onDemand, files{"g.txt": "g"})
	s.sell("bad", 1, onDemand, files{"b.txt": "b"}, func(p *asset.Pack) { p.URL += "-gone" })
	s.opened()
	m := s.manages()
	err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "good", "bad", "nothing")
	var all *client.LocalAvailabilityError
	if !errors.As(err, &all) || !slices.Equal(all.Successes, []asset.PackID{"good"}) || len(all.Failures) != 2 || !errors.Is(all.Failures["nothing"], asset.PackNotFound("", "")) {
		t.Fatalf("%v", err)
	}
	s.reads(m, "g.txt", "g")
}

func TestManaged_1_6_CheckTellsWhatBeganBecauseOfIt(t *testing.T) {
	row(t, "managed §1.6", "checkForUpdates updates outdated packs, removes obsolete ones, and names what began because of this call; missing packs are not fetched (UNCONFIRMED)", "so it does, and fetches none that is missing")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "1"})
	s.opened()
	m := s.manages()
	s.sell("level", 2, essential, files{"l.txt": "2"})
	s.sell("fresh", 1, prefetched, files{"f.txt": "f"})
	s.publish()
	if updating, removed := s.checks(m); !slices.Equal(updating, []asset.PackID{"level"}) || len(removed) > 0 {
		t.Error(updating, removed)
	}
	s.untilInstalled("level", 2)
	s.idle()
	if m.IsAvailableLocally("fresh") {
		t.Error("a check fetched a pack that was missing")
	}
	if updating, removed := s.checks(m); len(updating)+len(removed) > 0 {
		t.Error("once more", updating, removed)
	}
}

func TestManaged_1_7_PathsAreRelativeToTheRoot(t *testing.T) {
	row(t, "managed §1.7", "Paths are relative to the root of the packs; not found is fileNotFound (1); a search may be limited to one pack", "so it is; a path that leads out is refused")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l/a.txt": "a"})
	s.opened()
	m := s.manages()
	s.reads(m, "l/a.txt", "a")
	for _, name := range []string{"l/b.txt", "../a.txt", "/l/a.txt"} {
		if _, err := m.Contents(name, client.In{}); !errors.Is(err, &asset.Error{Code: asset.CodeFileNotFound, Domain: asset.DomainManaged}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.Contents("l/a.txt", client.In{Pack: "nothing"}); !errors.Is(err, asset.PackNotFound("", "")) {
		t.Error(err)
	}
}

func TestManaged_1_7_OnePathInTwoPacksIsRefused(t *testing.T) {
	row(t, "managed §1.7", "Same path in two packs: which one wins is undefined", "our call: refused when the second is installed (1009), with both named; the first stays. Packs of different languages may share paths")
	s := newShop(t, shared(t))
	s.sell("one", 1, essential, files{"same.txt": "1"})
	s.sell("two", 1, onDemand, files{"same.txt": "2"})
	s.opened()
	m := s.manages()
	err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "two")
	wantCode(t, "ensure", err, asset.CodePathCollision)
	for _, word := range []string{"one", "two", "same.txt"} {
		if !contains(err.Error(), word) {
			t.Errorf("it does not name %s: %v", word, err)
		}
	}
	s.reads(m, "same.txt", "1")
}

func TestManaged_1_7_URLIsAPlaceOnTheDisk(t *testing.T) {
	row(t, "managed §1.7", "url works for directories, merged from all packs; it is well-formed even where nothing is", "our call: what is absent is fileNotFound")
	s := newShop(t, shared(t))
	s.sell("one", 1, essential, files{"d/1.txt": "1"})
	s.sell("two", 1, essential, files{"d/2.txt": "2"})
	s.opened()
	m := s.manages()
	u, err := m.URL("d", client.In{})
	if err != nil || u.Scheme != "file" {
		t.Fatal(u, err)
	}
	if list, err := os.ReadDir(u.Path); err != nil || len(list) != 2 {
		t.Error(list, err)
	}
	if _, err := m.URL("nothing", client.In{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestManaged_1_7_AnOpenFileKeepsItsBytes(t *testing.T) {
	row(t, "managed §1.7", "An update replaces files, and an open handle or mapping keeps the old bytes; the switch is not atomic across packs", "our call: a process reads on what it began with, path or handle, until it refreshes; then all packs at once")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "old"})
	s.opened()
	m := s.manages()
	s.issues(m, "level", 2, essential, files{"l.txt": "new"})
	s.reads(m, "l.txt", "old")
	if changed, err := m.Refresh(); err != nil || !changed {
		t.Error(changed, err)
	}
	s.reads(m, "l.txt", "new")
}

func TestManaged_1_8_ALanguageIsChosen(t *testing.T) {
	row(t, "managed §1.8", "An equivalent language, else the base language of the preferred one, else the app's primary; sibling regions UNCONFIRMED", "so it is chosen; our call: another region before the primary")
	s := newShop(t, shared(t))
	s.voices(essential, "fr", "en-US", "de")
	s.opened()
	m := s.manages()
	for want, got := range map[string]string{"en-GB": "en-US", "de-AT": "de", "ja": "fr", "en": "en-US"} {
		if err := m.SetResolvedLanguage(t.Context(), want); err != nil || m.ResolvedLanguage() != got {
			t.Errorf("%s gives %s, not %s (%v)", want, m.ResolvedLanguage(), got, err)
		}
	}
}

func TestManaged_1_8_SettingALanguageFetchesNothing(t *testing.T) {
	row(t, "managed §1.8", "Writing resolvedLanguage downloads and removes nothing; reconcilePreferredLanguages does, and keeps what the app asked for", "so it does; the old language's packs go when the new ones are here")
	s := newShop(t, shared(t))
	s.voices(essential, "en", "de", "fr")
	s.opened()
	m := s.manages()
	was, err := m.LocallyAvailableLanguages()
	if err != nil || len(was) != 1 {
		t.Fatal(was, err)
	}
	s.ensure(m, "voice-fr")
	if err := m.SetResolvedLanguage(t.Context(), "de"); err != nil {
		t.Fatal(err)
	}
	if m.IsAvailableLocally("voice-de") {
		t.Error("setting a language fetched its packs")
	}
	if err := m.ReconcilePreferredLanguages(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := m.LocallyAvailableLanguages(); err != nil || !slices.Equal(now, []string{"de", "fr"}) {
		t.Error(now, err)
	}
}

func TestManaged_1_8_TheSystemsLanguageChanges(t *testing.T) {
	row(t, "managed §1.8", "When the language changes, packs of the new one come and those of the old one go", "so it is, without the app")
	s := newShop(t, shared(t))
	s.voices(essential, "en", "de")
	s.opened()
	tag := "de"
	if _, err := s.w.owner.SetAppSettings(t.Context(), s.id, localapi.AppSettingsChange{Language: &tag}); err != nil {
		t.Fatal(err)
	}
	s.untilInstalled("voice-de", 1)
	s.untilGone("voice-en")
}
