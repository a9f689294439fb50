package conformance

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

func TestManaged_3_1_TheManifestKnowsLanguages(t *testing.T) {
	row(t, "managed §3.1", "primaryLanguage, availableLanguages, resolvedLanguage, localizedAssetPacks, and for a given language", "so it does")
	s := newShop(t, shared(t))
	s.voices(onDemand, "en", "de")
	s.sell("level", 1, onDemand, files{"l.txt": "l"})
	s.opened()
	m, err := s.manages().Manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Sorted(slices.Values(m.AvailableLanguages()))
	if m.PrimaryLanguage() != "en" || m.ResolvedLanguage() != "en" || !slices.Equal(all, []string{"de", "en"}) {
		t.Errorf("primary %s, resolved %s, available %v", m.PrimaryLanguage(), m.ResolvedLanguage(), all)
	}
	for tag, want := range map[string]asset.PackID{"": "voice-en", "de-CH": "voice-de", "ja": "voice-en"} {
		got := m.LocalizedAssetPacks()
		if tag != "" {
			got = m.LocalizedAssetPacksFor(tag)
		}
		if len(got) != 1 || got[0].ID != want {
			t.Errorf("for %q: %v", tag, got)
		}
	}
}

func TestManaged_3_3_TheExtensionAnswersForPacks(t *testing.T) {
	row(t, "managed §3.3", "backgroundDownload(_:didReceive:): authentication challenges of own hosting", "asked once for all packs of that server, before the first launch too; what it answers stands on no disk")
	w := newWorld(t)
	s := newShop(t, w)
	s.script.On = map[string][]step{"challenge": {login("ann", "open-sesame")}}
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != basic("ann", "open-sesame") {
				w.Header().Set("WWW-Authenticate", `Basic realm="packs"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	s.gate = guard
	s.sell("one", 1, essential, files{"1.txt": "1"})
	s.sell("two", 1, essential, files{"2.txt": "2"})
	s.wantGate(s.opened().Gate, asset.WhyReady)
	s.reads(s.manages(), "1.txt", "1")
	s.reads(s.manages(), "2.txt", "2")
	if h := s.calls("challenge"); len(h) != 1 || h[0].Challenge.Realm != "packs" {
		t.Errorf("it was asked: %s", pretty(h))
	}
	s.untold("open-sesame")
}

func TestManaged_3_4_HostedAppsNeedOneKey(t *testing.T) {
	row(t, "managed §3.4", "With Apple hosting BAUsesAppleHosting and no other BA key, and userInfo is nil", "LarderHostURL in place of these; the manifest lies at a place of its own on the host, and userInfo comes with it")
	s := newShop(t, shared(t))
	for _, k := range []string{"BAManifestURL", "BAMaxInstallSize", "BAEssentialMaxInstallSize", "BAInitialDownloadRestrictions"} {
		s.keys[k] = nil
	}
	s.keys["BAUsesAppleHosting"], s.keys["LarderHostURL"] = true, s.server.URL
	s.at = "/larder/v1/apps/" + string(s.id) + "/production/manifest.json"
	s.sell("level", 1, essential, files{"l.txt": "l"}, func(p *asset.Pack) { p.UserInfo = []byte(`{"hills":3}`) })
	s.opened()
	s.reads(s.manages(), "l.txt", "l")
	p, err := s.manages().AssetPack(t.Context(), "level")
	if err != nil || string(p.UserInfo) != `{"hills":3}` {
		t.Errorf("%s, %v", p.UserInfo, err)
	}
}

func TestManaged_5_2_AFreshInstallationIsAFirst(t *testing.T) {
	row(t, "managed §5.2", "firstInstallation: also a fresh install after deletion", "so it is; nothing of the packs is left in between")
	s := newShop(t, shared(t))
	s.sell("at-first", 1, asset.DownloadPolicy{Kind: asset.PolicyEssential, Events: atFirst}, files{"f.txt": "f"})
	s.opened()
	if err := s.w.owner.Uninstall(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	if !missing(s.w.dirs.Shelf("group."+asset.GroupID(s.id), s.id)) {
		t.Error("the packs outlived their app")
	}
	if p := s.opened(); p.Count != 1 || s.bits()["at-first"] != 69 {
		t.Errorf("the second installation waited for %s", pretty(p))
	}
}

func TestManaged_5_2_LowPowerHoldsWhatNobodyWaitsFor(t *testing.T) {
	row(t, "managed §5.2", "Low Power Mode limits background work: essential and prefetch downloads before the first launch may not happen", "our call: essential packs come all the same, prefetch and updates wait with that reason, and what the app asks for comes at once")
	w := newWorld(t)
	s := newShop(t, w)
	w.simulateDevice(t, asset.FactLowPower, asset.Yes)
	s.sell("must", 1, essential, files{"m.txt": "m"})
	s.sell("may", 1, prefetched, files{"p.txt": "p"})
	s.sell("ask", 1, onDemand, files{"a.txt": "a"})
	s.wantGate(s.opened().Gate, asset.WhyReady)
	m := s.manages()
	s.reads(m, "m.txt", "m")
	s.untilWaits("may", asset.WhyLowPower)
	s.launch()
	s.ensure(m, "ask")
	if d := find(s.status(), "may"); d.State != asset.StateWaiting {
		t.Errorf("the other one is %s", pretty(d))
	}
	w.simulateDevice(t, asset.FactLowPower, asset.No)
	s.untilInstalled("may", 1)
}

func TestManaged_5_2_ContentOffFetchesNothing(t *testing.T) {
	row(t, "managed §5.2", "The person turns in-app content off: essential and prefetch packs do not come before the first launch", "so it is: not even the manifest is asked for, and the gate is open with that reason; the launch lifts it")
	w := newWorld(t)
	s := newShop(t, w)
	if _, err := w.owner.SetSettings(t.Context(), localapi.SettingsChange{InAppContent: new(bool)}); err != nil {
		t.Fatal(err)
	}
	s.sell("must", 1, essential, files{"m.txt": "m"})
	s.sell("may", 1, prefetched, files{"p.txt": "p"})
	s.wantGate(s.opened().Gate, asset.WhyContentOff)
	if r := s.server.Requests(); len(r) > 0 {
		t.Errorf("asked for: %s", pretty(r))
	}
	s.launch()
	s.untilInstalled("must", 1)
	s.untilInstalled("may", 1)
}

func TestManaged_5_2_RefreshOffHoldsPacks(t *testing.T) {
	row(t, "managed §5.2", "Background App Refresh off limits background work", "packs that nobody waits for wait with that reason, of this app alone; ensure brings them")
	s := newShop(t, shared(t))
	s.sell("must", 1, essential, files{"m.txt": "m"})
	s.sell("may", 1, prefetched, files{"p.txt": "p"})
	s.dam = newDam(0)
	s.publish()
	if _, err := s.w.owner.Install(t.Context(), localapi.InstallRequest{Bundle: s.bundle()}); err != nil {
		t.Fatal(err)
	}
	<-s.dam.reached
	if _, err := s.w.owner.SetAppSettings(t.Context(), s.id, localapi.AppSettingsChange{BackgroundRefresh: new(bool)}); err != nil {
		t.Fatal(err)
	}
	close(s.dam.opened)
	s.wantGate(s.open().Gate, asset.WhyReady)
	s.untilWaits("may", asset.WhyRefreshOff)
	s.launch()
	s.ensure(s.manages(), "may")
}

func TestManaged_5_2_TheProgressCountsOneLanguage(t *testing.T) {
	row(t, "managed §5.2", "The product page shows non-localized essential packs and those of the largest language, as \"up to\"", "there is no product page; the installation's progress counts the essential packs of the one language that comes, to the byte")
	s := newShop(t, shared(t))
	s.primary = "de"
	small := s.sell("voice-de", 1, essential, files{"v.bin": string(noise(10 << 10))}, language("de"))
	s.sell("voice-fr", 1, essential, files{"v.bin": string(noise(90 << 10))}, language("fr"))
	level := s.sell("level", 1, essential, files{"l.bin": string(noise(20 << 10))})
	s.publish()
	if _, err := s.w.owner.Install(t.Context(), localapi.InstallRequest{Bundle: s.bundle()}); err != nil {
		t.Fatal(err)
	}
	p := s.open()
	if p.Count != 2 || p.TotalBytes != p.Bytes || p.TotalBytes > small.DownloadSize+level.DownloadSize {
		t.Errorf("it counted %s", pretty(p))
	}
}

func TestManaged_5_2_MeteredNetworksAndOrder(t *testing.T) {
	row(t, "managed §5.2", "Cellular rules, parallelism, retries, priority order between packs: UNCONFIRMED", "our call: as for classic downloads. On a metered network packs wait with that reason, essential ones too, and what the app waits for goes; essential packs come first, then in the order of the manifest")
	w := newWorld(t, single)
	s := newShop(t, w)
	s.sell("may", 1, prefetched, files{"p.txt": "p"})
	s.sell("must-b", 1, essential, files{"b.txt": "b"})
	s.sell("must-a", 1, essential, files{"a.txt": "a"})
	s.sell("ask", 1, onDemand, files{"x.txt": "x"})
	s.opened()
	s.untilInstalled("may", 1)
	var order []string
	for _, r := range s.server.Requests() {
		for _, p := range s.packs {
			if strings.HasSuffix(p.URL, r.Path) && !slices.Contains(order, string(p.ID)) {
				order = append(order, string(p.ID))
			}
		}
	}
	if !slices.Equal(order, []string{"must-b", "must-a", "may"}) {
		t.Errorf("they came in the order %v", order)
	}
	s.launch()
	w.simulateDevice(t, asset.FactMetered, asset.Yes)
	s.sell("may", 2, prefetched, files{"p.txt": "2"})
	s.publish()
	m := s.manages()
	s.checks(m)
	s.untilWaits("may", asset.WhyMetered)
	s.ensure(m, "ask")
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{RequireLatestVersions: true}, "may"); err != nil {
		t.Error(err)
	}
}
