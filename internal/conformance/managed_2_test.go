package conformance

import (
	"encoding/json"
	"errors"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

func TestManaged_2_1_APackDescribesOneVersion(t *testing.T) {
	row(t, "managed §2.1", "id, version, downloadSize (of the archive), userInfo, language; download() for apps that schedule themselves; it may go stale", "so it is")
	s := newShop(t, shared(t))
	p := s.sell("level", 4, onDemand, files{"l.txt": "l"}, language("ja"), func(p *asset.Pack) { p.UserInfo = json.RawMessage(`{"a":1}`) })
	s.opened()
	got, err := s.manages().AssetPack(t.Context(), "level")
	if err != nil || got.Version != 4 || got.DownloadSize != p.DownloadSize || got.Language != "ja" || string(got.UserInfo) != `{"a":1}` {
		t.Errorf("%+v, %v", got, err)
	}
	if d := got.Download(); d.URL != p.URL || d.FileSize != p.DownloadSize || d.Validate() != nil {
		t.Errorf("%+v", d)
	}
}

func TestManaged_2_2_StatusHasApplesBits(t *testing.T) {
	row(t, "managed §2.2", "Bits 1 to 64; an installed, current pack reads 69; never compare for equality", "the same values; one that is offered reads 1")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "l"})
	s.sell("extra", 1, onDemand, files{"e.txt": "e"})
	s.opened()
	if b := s.bits(); b["level"] != 69 || b["extra"] != 1 {
		t.Errorf("%v", b)
	}
}

func TestManaged_3_1_AManifestServesUnmanagedApps(t *testing.T) {
	row(t, "managed §3.1", "AssetPackManifest(from:) parses a local manifest; allDownloads(for:) gives one download per pack, essential by the request", "so it does")
	m, err := client.ParseAssetPackManifest([]byte(`{"assetPacks": [{"id": "a", "version": 1, "downloadSize": 5, "url": "https://cdn.example.com/a",
		"downloadPolicy": {"essential": {"installationEventTypes": ["firstInstallation"]}}}]}`), "group.org.x")
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[asset.ContentRequest]bool{"": false, asset.RequestInstall: true, asset.RequestUpdate: false} {
		if d := m.AllDownloadsFor(request); len(d) != 1 || d[0].Essential != want || d[0].Group != "group.org.x" {
			t.Errorf("%q: %+v", request, d)
		}
	}
}

func TestManaged_3_2_TheDeviceNamesItsPlatform(t *testing.T) {
	row(t, "managed §3.2", "The device adds a platform query to the manifest URL; its name is UNCONFIRMED, and servers must ignore it", "our call: platform=Linux, and so on; packs name their platforms too")
	s := newShop(t, shared(t))
	s.opened()
	asked := s.server.Requests()
	if len(asked) == 0 || !contains(asked[0].Path, "?platform=") {
		t.Errorf("%+v", asked)
	}
}

func TestManaged_3_2_AVersionThatGoesDownIsNotTaken(t *testing.T) {
	row(t, "managed §3.2", "Version goes down: don't rely on anything", "our call: what is installed stays; to go back, publish under a higher number")
	s := newShop(t, shared(t))
	s.sell("level", 5, essential, files{"l.txt": "5"})
	s.opened()
	s.sell("level", 4, essential, files{"l.txt": "4"})
	s.publish()
	if updating, removed := s.checks(s.manages()); len(updating)+len(removed) > 0 {
		t.Error(updating, removed)
	}
	s.reads(s.manages(), "l.txt", "5")
}

func TestManaged_3_2_AManifestWithFaultsChangesNothing(t *testing.T) {
	row(t, "managed §3.2", "Apple publishes no schema of the manifest", "our call: a schema of our own; unknown fields are ignored, and a manifest with any fault is refused whole, with all of them")
	s := newShop(t, shared(t))
	s.sell("level", 1, essential, files{"l.txt": "1"})
	s.opened()
	pack := func(members string) string {
		return `{"id": "level", "version": 9, "downloadSize": 5, "url": "https://cdn.example.com/a", "downloadPolicy": {"onDemand": {}}` + members + `}`
	}
	for name, text := range map[string]string{
		"twice":           `{"assetPacks": [` + pack("") + `, ` + pack("") + `]}`,
		"a policy":        `{"assetPacks": [{"id": "level", "version": 9, "downloadSize": 5, "url": "https://cdn.example.com/a", "downloadPolicy": {"sometimes": {}}}]}`,
		"a language":      `{"assetPacks": [` + pack(`, "language": "klingonisch!"`) + `]}`,
		"an index":        `{"assetPacks": [` + pack(`, "index": "00", "indexSize": 5`) + `]}`,
		"no manifest":     `<html>`,
		"a new feature":   `{"requires": ["telepathy"], "assetPacks": []}`,
		"an escaping URL": `{"assetPacks": [{"id": "level", "version": 9, "downloadSize": 5, "url": "file:///etc/passwd", "downloadPolicy": {"onDemand": {}}}]}`,
	} {
		s.serve("/manifest", text)
		if _, _, err := s.manages().CheckForUpdates(t.Context()); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
		s.reads(s.manages(), "l.txt", "1")
	}
	s.serve("/manifest", `{"assetPacks": [`+pack(`, "fromTheFuture": {"a": 1}`)+`], "fromTheFuture": 1}`)
	if _, _, err := s.manages().CheckForUpdates(t.Context()); err != nil {
		t.Errorf("unknown fields: %v", err)
	}
}

func TestManaged_3_3_ShouldDownloadIsAskedForPolicies(t *testing.T) {
	row(t, "managed §3.3", "shouldDownload is asked before each download that a policy starts; for updates and ensure: UNCONFIRMED", "our call: for new packs and for updates, with the reason; never for what the app ensures")
	s := newShop(t, shared(t))
	s.script.Decline = []asset.PackID{"unwanted"}
	s.sell("wanted", 1, essential, files{"w.txt": "1"})
	s.sell("unwanted", 1, essential, files{"u.txt": "1"})
	s.sell("extra", 1, onDemand, files{"e.txt": "1"})
	s.opened()
	m := s.manages()
	if !m.IsAvailableLocally("wanted") || m.IsAvailableLocally("unwanted") {
		t.Errorf("after the installation: %v", s.bits())
	}
	s.ensure(m, "extra", "unwanted")
	asked := map[string]bool{}
	for _, h := range s.calls("should") {
		asked[h.Identifiers[0]+" "+h.Identifiers[1]] = true
	}
	if len(asked) != 2 || !asked["wanted new"] || !asked["unwanted new"] {
		t.Errorf("it was asked %v", asked)
	}
	s.issues(m, "wanted", 2, essential, files{"w.txt": "2"})
	if h := s.calls("should"); len(h) == 0 || h[len(h)-1].Identifiers[1] != "update" {
		t.Errorf("for an update it was asked %v", h)
	}
}

func TestManaged_3_4_AllowancesAreByPolicy(t *testing.T) {
	row(t, "managed §3.4", "BADownloadAllowance bounds prefetch packs and BAEssentialDownloadAllowance essential ones; what happens beyond is UNCONFIRMED", "our call: as for classic apps, 112 until the first launch; then they are had by asking")
	s := newShop(t, shared(t))
	s.restrict(100, 1<<30)
	s.sell("must", 1, essential, files{"m.txt": "m"})
	s.sell("may", 1, prefetched, files{"p.bin": string(make([]byte, 100)) + "much"})
	s.opened()
	m := s.manages()
	if !m.IsAvailableLocally("must") || m.IsAvailableLocally("may") {
		t.Errorf("%v", s.bits())
	}
	err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "may")
	wantCode(t, "before the first launch", err, asset.CodeWouldExceedAllowance)
	s.launch()
	s.ensure(m, "may")
}

func TestManaged_4_ErrorsHaveApplesNumbers(t *testing.T) {
	row(t, "managed §4", "assetPackNotFound 0, fileNotFound 1, localAvailabilityFailure 2, in BAManagedErrorDomain", "the same numbers and domain, and errors.Is and As")
	s := newShop(t, shared(t))
	s.opened()
	m := s.manages()
	one := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "nothing")
	_, file := m.Contents("nothing.txt", client.In{})
	several := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "nothing", "neither")
	for code, err := range map[asset.Code]error{0: one, 1: file, 2: several} {
		if !errors.Is(err, &asset.Error{Code: code, Domain: "BAManagedErrorDomain"}) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestManaged_5_1_PoliciesStartDownloads(t *testing.T) {
	row(t, "managed §5.1", "essential comes with the installation and blocks the launch, prefetch begins with it and may go on behind, onDemand only when asked for", "so they come")
	s := newShop(t, shared(t))
	s.sell("must", 1, essential, files{"m.txt": "m"})
	s.sell("may", 1, prefetched, files{"p.txt": "p"})
	s.sell("ask", 1, onDemand, files{"a.txt": "a"})
	if p := s.opened(); p.Gate.Reason.Code != asset.WhyReady || p.Count != 1 {
		t.Errorf("the gate waited for %s", pretty(p))
	}
	s.reads(s.manages(), "m.txt", "m")
	s.untilInstalled("may", 1)
	s.idle()
	if s.bits()["ask"] != 1 {
		t.Errorf("%v", s.bits())
	}
}

func TestManaged_5_2_EventsDecideWhen(t *testing.T) {
	row(t, "managed §5.2", "firstInstallation: the app's first install; subsequentUpdate: an update; both: UNCONFIRMED for updates", "our call: both block both")
	s := newShop(t, shared(t))
	s.sell("at-first", 1, asset.DownloadPolicy{Kind: asset.PolicyEssential, Events: atFirst}, files{"f.txt": "f"})
	s.sell("later", 1, asset.DownloadPolicy{Kind: asset.PolicyEssential, Events: atUpdate}, files{"l.txt": "l"})
	if p := s.opened(); p.Count != 1 {
		t.Errorf("the installation waited for %s", pretty(p))
	}
	if b := s.bits(); b["at-first"] != 69 || b["later"] != 1 {
		t.Errorf("after the installation: %v", b)
	}
	s.build++
	if _, err := s.w.owner.Update(t.Context(), s.id, localapi.UpdateRequest{Bundle: s.bundle()}); err != nil {
		t.Fatal(err)
	}
	if p := s.open(); p.Count != 1 || s.bits()["later"] != 69 {
		t.Errorf("the update waited for %s", pretty(p))
	}
}

func TestManaged_5_2_AnEssentialFailureOpensTheGate(t *testing.T) {
	row(t, "managed §5.2", "If an essential download fails, the system stops blocking and lets the app launch", "the gate opens with that reason; LarderEssentialFailurePolicy says otherwise where it is set")
	s := newShop(t, shared(t))
	s.sell("must", 1, essential, files{"m.txt": "m"}, func(p *asset.Pack) { p.URL += "-gone" })
	p := s.opened()
	s.wantGate(p.Gate, asset.WhyEssential)
	s.launch()
}

func TestManaged_5_2_ANewPackBetweenTwoAppVersionsArrives(t *testing.T) {
	row(t, "managed §5.2", "A new prefetch or essential pack between app versions: not reliably fetched on existing installs (UNCONFIRMED)", "our call: the next periodic check does for it what an update would")
	s := newShop(t, shared(t))
	s.opened()
	s.launch()
	s.sell("fresh", 1, prefetched, files{"f.txt": "f"})
	s.publish()
	s.simulate(localapi.SimulatePeriodic)
	s.untilInstalled("fresh", 1)
}

func TestManaged_5_2_AnUpdateFetchesWhatChanged(t *testing.T) {
	row(t, "managed §5.2", "Updates transfer the whole pack; no range, no delta", "our call: what changed alone, from installed files, by ranges or a delta")
	s := newShop(t, shared(t))
	big := string(noise(3 << 20))
	s.sell("model", 1, essential, files{"w.bin": big, "n.txt": "1"})
	s.opened()
	s.sell("model", 2, essential, files{"w.bin": big, "n.txt": "2"})
	s.publish()
	s.server.ResetLog()
	s.checks(s.manages())
	s.untilInstalled("model", 2)
	if sent := s.sent(); sent > 2<<20 {
		t.Errorf("%d bytes were sent for a small file", sent)
	}
}

// noise is what no compression makes smaller.
func noise(n int64) []byte {
	b := make([]byte, n)
	_, _ = content("noise", n).ReadAt(b, 0)
	return b
}
