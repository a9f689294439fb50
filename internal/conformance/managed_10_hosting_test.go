package conformance

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

func TestManaged_10_NoSignatureNoTeam(t *testing.T) {
	row(t, "managed §10", "Simulators and unsigned builds are without packs until 26.5, and hosted packs can't be tried from the developer's tools", "a bundle needs neither signature nor team, and any build is sent to any site by its URL override")
	s := newShop(t, shared(t))
	s.keys["BAManifestURL"] = "https://packs.example.com/manifest"
	s.keys["BAInitialDownloadRestrictions"] = map[string]any{"BADownloadAllowance": 1 << 30, "BAEssentialDownloadAllowance": 1 << 30, "BADownloadDomainAllowList": []string{"packs.example.com", "127.0.0.1"}}
	s.sell("level", 1, essential, files{"l.txt": "l"})
	s.publish()
	if _, err := s.w.owner.Install(t.Context(), localapi.InstallRequest{Bundle: s.bundle(), URLOverride: &s.server.URL}); err != nil {
		t.Fatal(err)
	}
	s.wantGate(s.open().Gate, asset.WhyReady)
	s.reads(s.manages(), "l.txt", "l")
}

func TestManaged_10_AnIdentifierMayComeBack(t *testing.T) {
	row(t, "managed §10", "An archived pack's ID is unusable for ever, and archived packs count", "what a site offers no more is gone, counts for nothing, and may be offered again under its ID, with a higher version or the same")
	s := newShop(t, shared(t))
	s.sell("keep", 1, essential, files{"k.txt": "k"})
	s.sell("level", 3, essential, files{"l.txt": "3"})
	s.opened()
	m := s.manages()
	for v := int64(3); v < 5; v++ {
		s.drop("level")
		s.publish()
		s.checks(m)
		s.untilGone("level")
		s.sell("level", v, essential, files{"l.txt": fmt.Sprint(v)})
		s.publish()
		if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "level"); err != nil {
			t.Fatal(err)
		}
		if got, err := m.LocalVersion("level"); err != nil || got != v {
			t.Error(got, err)
		}
	}
}

func TestManaged_10_WhatIsPublishedIsLive(t *testing.T) {
	row(t, "managed §10", "A review for every version, ten packs at a time, up to a day until they are out", "who publishes decides: as many packs as one likes are there with the next check")
	s := newShop(t, shared(t))
	const packs = 12
	ids := make([]asset.PackID, packs)
	for v := int64(1); v <= 2; v++ {
		for n := range ids {
			ids[n] = asset.PackID(fmt.Sprint("level-", n))
			s.sell(ids[n], v, essential, files{fmt.Sprint(n, ".txt"): fmt.Sprint(v)})
		}
		if v == 1 {
			s.opened()
			continue
		}
		s.publish()
	}
	m := s.manages()
	if updating, _ := s.checks(m); len(updating) != packs {
		t.Errorf("updating %v", updating)
	}
	for _, id := range ids {
		s.untilInstalled(id, 2)
	}
}

func TestManaged_10_TheBitsHaveWords(t *testing.T) {
	row(t, "managed §10", "The status is a confusing set of options (69)", "the bits are Apple's; beside them each question has an answer of its own: is it here, in which version, what is offered, why is it not as the manifest has it")
	s := newShop(t, shared(t))
	s.sell("level", 7, essential, files{"l.txt": "l"})
	s.sell("new", 1, onDemand, files{"n.txt": "n"}, func(p *asset.Pack) { p.AppVersions = &asset.AppVersions{Minimum: "9"} })
	s.opened()
	m := s.manages()
	if v, err := m.LocalVersion("level"); err != nil || v != 7 || !m.IsAvailableLocally("level") || m.IsAvailableLocally("new") {
		t.Error(v, err)
	}
	for _, p := range s.status().Packs {
		switch p.ID {
		case "level":
			if p.Installed == nil || *p.Installed != 7 || p.Available == nil || *p.Available != 7 || p.Policy != asset.PolicyEssential || p.Reason != nil {
				t.Errorf("%s", pretty(p))
			}
		case "new":
			if p.Installed != nil || p.Available != nil || p.Reason == nil || p.Reason.Code != asset.CodeDoesNotFit.String() {
				t.Errorf("%s", pretty(p))
			}
		}
	}
}

func TestManaged_10_AnyFileServerWillDo(t *testing.T) {
	row(t, "managed §10", "Uploading needs an API key of an account; an app-specific password gives 401", "a site is files: whoever can write a folder behind a web server publishes, without an account, a key or our server")
	s := newShop(t, shared(t))
	dir := t.TempDir()
	plain := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(plain.Close)
	s.sell("level", 1, essential, files{"l.txt": "l", "large.bin": string(noise(2 << 20))})
	for n, p := range s.packs {
		text := s.download(p.URL)
		writeFile(t, filepath.Join(dir, string(p.ID)+".assetpack"), text)
		s.packs[n].URL = plain.URL + "/" + string(p.ID) + ".assetpack"
	}
	text, err := asset.DownloadManifest{Packs: s.packs}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "manifest.json"), text)
	s.keys["BAManifestURL"] = plain.URL + "/manifest.json"
	s.wantGate(s.opened().Gate, asset.WhyReady)
	s.reads(s.manages(), "large.bin", string(noise(2<<20)))
	if len(s.server.Requests()) > 1 { // ours gave the archive above
		t.Error("something came from another server")
	}
}

func TestManaged_10_SuccessIsTold(t *testing.T) {
	row(t, "managed §10", "A plug-in hears of the end of ensure, remove and reconcile only when they fail, so that awaiting success hangs", "each call ends when it is done, in every language's package")
	s := newShop(t, shared(t))
	s.primary = "en"
	s.sell("voice-en", 1, onDemand, files{"v.txt": "v"}, language("en"))
	s.sell("level", 1, onDemand, files{"l.txt": "l"})
	s.opened()
	m := s.manages()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for what, call := range map[string]func() error{
		"ensure": func() error { return m.EnsureLocalAvailability(ctx, client.EnsureOptions{}, "level", "voice-en") },
		"latest": func() error {
			return m.EnsureLocalAvailability(ctx, client.EnsureOptions{RequireLatestVersions: true}, "voice-en")
		},
		"reconcile": func() error { return m.ReconcilePreferredLanguages(ctx) },
		"check":     func() error { _, _, err := m.CheckForUpdates(ctx); return err },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := m.Remove(ctx, "level"); err != nil {
		t.Error("remove:", err)
	}
}

func TestManaged_10_NumbersAndSizesAreToldBeforeAndAfter(t *testing.T) {
	row(t, "managed §10", "No count and no sizes before 27.2", "how many packs there are, what each takes to fetch, and what it takes on the disk, in the status, the manifest and the manager")
	s := newShop(t, shared(t))
	p := s.sell("level", 1, onDemand, files{"l.bin": string(noise(50 << 10))})
	s.sell("other", 1, onDemand, files{"o.txt": "o"})
	s.opened()
	m := s.manages()
	manifest, err := m.Manifest(t.Context())
	if err != nil || len(manifest.AssetPacks()) != 2 {
		t.Error(manifest, err)
	}
	size := func() asset.PackStatus { return s.status().Packs[0] }
	if got := size(); len(s.status().Packs) != 2 || got.DownloadSize != p.DownloadSize || got.InstalledSize != 0 {
		t.Errorf("before: %s", pretty(got))
	}
	s.ensure(m, "level")
	n, err := m.LocalSize("level", client.SizeLogical)
	if got := size(); err != nil || n != 50<<10 || got.InstalledSize != n {
		t.Errorf("after: %d, %v, %s", n, err, pretty(got))
	}
}

// download gives what a URL serves.
func (s *shop) download(url string) []byte {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.Fatal(err)
	}
	path := filepath.Join(s.TempDir(), "download")
	f, err := os.Create(path)
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := f.ReadFrom(res.Body); err != nil {
		s.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	return text
}
