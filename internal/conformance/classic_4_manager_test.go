package conformance

import (
	"slices"
	"testing"

	"larder/asset"
	"larder/internal/fault"
)

func identifiers(list []asset.DownloadStatus) (out []string) {
	for _, d := range list {
		out = append(out, d.Identifier)
	}
	slices.Sort(out)
	return out
}

func TestClassic_4_BothProcessesTalkToOneQueue(t *testing.T) {
	row(t, "classic §4", "fetchCurrentDownloads lists all scheduled and running downloads of this app, whoever queued them", "the app sees what the extension named, the extension what the app scheduled")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "take"}, {Do: "current"}}}
	a.launched(a.file("extensions", fault.File{Content: content("extensions", 64<<20), Rate: 1 << 20}, false))
	m := a.manager()
	a.schedule(m, a.file("apps", fault.File{Content: content("apps", 64<<20), Rate: 1 << 20}, false))
	list, err := m.CurrentDownloads(t.Context())
	if err != nil || !slices.Equal(identifiers(list), []string{"apps", "extensions"}) {
		t.Errorf("the app sees %v, %v", identifiers(list), err)
	}
	for _, d := range list { // room for one that ends
		if d.Identifier == "extensions" {
			if err := m.Cancel(t.Context(), d.UniqueIdentifier); err != nil {
				t.Error(err)
			}
		}
	}
	a.schedule(m, a.put("small", 10, false))
	if h := a.untilDid("current", 1); h.Err != nil || !slices.Contains(h.Identifiers, "apps") {
		t.Errorf("the extension sees %s", pretty(h))
	}
}

func TestClassic_4_1_OneDownloadPerIdentifier(t *testing.T) {
	row(t, "classic §4.1", "Only one download per identifier may be scheduled at a time (100)", "100 from the app, and from the extension's own scheduling")
	a := newApp(t, shared(t))
	d := a.file("x", fault.File{Content: content("x", 64<<20), Rate: 1 << 20}, false)
	a.script.On = map[string][]step{"finished": {{Do: "take"}, {Do: "schedule", Download: &d}}}
	a.launched(d, a.put("small", 10, true))
	_, err := a.manager().Schedule(t.Context(), d)
	wantCode(t, "schedule", err, asset.CodeAlreadyScheduled)
	if h := a.untilDid("schedule", 1); h.Err == nil || h.Err.Code != asset.CodeAlreadyScheduled {
		t.Errorf("from the extension: %s", pretty(h))
	}
}

func TestClassic_4_1_ListHasWhatBeganBeforeTheLaunch(t *testing.T) {
	row(t, "classic §4.1", "The list holds running and queued entries, also those begun before the app was ever launched", "so it does, while the installation is under way")
	a := newApp(t, shared(t))
	a.server.SetRate(1 << 20)
	a.install(a.put("running", 16<<20, true), a.put("queued", 16<<20, false))
	a.untilFlowing("running", 1)
	list, err := a.manager().CurrentDownloads(t.Context())
	if err != nil || !slices.Equal(identifiers(list), []string{"queued", "running"}) {
		t.Errorf("listed %v, %v", identifiers(list), err)
	}
}

func TestClassic_4_1_FailedEntriesMayShowUp(t *testing.T) {
	row(t, "classic §4.1", "An entry may be failed: the sample checks for it before starting one", "failed ones are listed, with the reason, until they are asked for again; finished ones are not")
	a := alone(t, shared(t))
	m := a.manager()
	a.schedule(m, a.put("good", 10, false))
	a.schedule(m, a.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, false))
	a.untilState("good", asset.StateFinished)
	a.untilState("bad", asset.StateFailed)
	list, err := m.CurrentDownloads(t.Context())
	if err != nil || !slices.Equal(identifiers(list), []string{"bad"}) || list[0].Reason == nil {
		t.Errorf("listed %s, %v", pretty(list), err)
	}
}

func TestClassic_4_CancelScheduledAndRunning(t *testing.T) {
	row(t, "classic §4", "cancel ends a scheduled or running download", "both fail as cancelled; no byte is asked for afterwards, and those held are gone")
	a := newApp(t, newWorld(t, single))
	a.bare = true
	a.launched()
	m := a.manager()
	running := a.schedule(m, a.file("running", fault.File{Content: content("running", 64<<20), Rate: 1 << 20}, false))
	queued := a.schedule(m, a.put("queued", 10, false))
	a.untilFlowing("running", 1)
	for _, d := range []asset.DownloadStatus{queued, running} {
		if err := m.Cancel(t.Context(), d.UniqueIdentifier); err != nil {
			t.Error(err)
		}
		a.wantFailed(a.status(), d.Identifier, asset.CodeCancelled)
	}
	if len(a.asked("/queued")) != 0 || len(a.asked("/running")) != 1 {
		t.Errorf("asked for: %s", pretty(a.server.Requests()))
	}
}

func TestClassic_4_CancelWorksAnyNumberOfTimes(t *testing.T) {
	row(t, "classic §4", "Cancel (seen to work once only, then 113 and the download runs on)", "our call: each cancel of a running download ends it, however often the identifier was cancelled before")
	a := alone(t, shared(t))
	m := a.manager()
	for range 3 {
		st := a.schedule(m, a.file("x", fault.File{Content: content("x", 64<<20), Rate: 1 << 20}, false))
		a.until("it runs", func(s asset.AppStatus) bool {
			return slices.ContainsFunc(s.Downloads, func(d asset.DownloadStatus) bool {
				return d.UniqueIdentifier == st.UniqueIdentifier && d.Bytes > 0
			})
		})
		if err := m.Cancel(t.Context(), st.UniqueIdentifier); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClassic_4_ExtensionCancels(t *testing.T) {
	row(t, "classic §4", "The extension may cancel too", "by identifier; 101 when that is not scheduled")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "take"}, {Do: "cancel", Arg: "x"}, {Do: "cancel", Arg: "x"}}}
	a.installed(a.put("small", 10, true), a.file("x", fault.File{Content: content("x", 64<<20), Rate: 1 << 20}, false))
	if h := a.untilDid("cancel", 1); h.Err != nil {
		t.Errorf("cancelled: %s", pretty(h))
	}
	if h := a.untilDid("cancel", 2); h.Err == nil || h.Err.Code != asset.CodeNotScheduled {
		t.Errorf("cancelled again: %s", pretty(h))
	}
	a.wantFailed(a.status(), "x", asset.CodeCancelled)
}

func TestClassic_4_2_QueuedOneIsPromoted(t *testing.T) {
	row(t, "classic §4.2", "CONFLICT: only queued downloads are promoted (page), or running ones too (header, talks)", "our call: both; a queued one takes the place of a running one, which waits with its bytes")
	a := newApp(t, newWorld(t, single))
	a.bare = true
	a.launched()
	m := a.active()
	a.schedule(m, a.file("first", fault.File{Content: content("first", 4<<20), Rate: 1 << 20}, false))
	a.schedule(m, a.put("second", 1000, false))
	a.untilFlowing("first", 1<<20)
	if _, err := m.StartForeground(t.Context(), asset.URLDownload{Identifier: "second"}); err != nil {
		t.Fatal(err)
	}
	a.untilState("second", asset.StateFinished)
	if find(a.status(), "first").State == asset.StateFinished {
		t.Error("the running one went first")
	}
	a.server.Put("/first", fault.File{Content: content("first", 4<<20)})
	a.fileHolds(a.untilState("first", asset.StateFinished).FilePath, "first", 4<<20)
	if r := a.asked("/first"); len(r) < 2 || r[1].Start < 1<<20 {
		t.Errorf("first was asked for: %s", pretty(r))
	}
}

func TestClassic_4_2_PromotionAsksForNoByteTwice(t *testing.T) {
	row(t, "classic §4.2", "Background to foreground: pause, then resume from the bytes held; no restart", "a running one goes on as it is: one request in all; starting it again has no effect")
	a := alone(t, shared(t))
	m := a.active()
	a.server.SetRate(2 << 20)
	st := a.schedule(m, a.put("x", 4<<20, false))
	a.untilFlowing("x", 1<<20)
	for range 2 {
		again, err := m.StartForeground(t.Context(), asset.URLDownload{Identifier: "x"})
		if err != nil || again.UniqueIdentifier != st.UniqueIdentifier {
			t.Errorf("promoted: %v, %s", err, pretty(again))
		}
	}
	a.server.SetRate(0)
	a.fileHolds(a.untilState("x", asset.StateFinished).FilePath, "x", 4<<20)
	if r := a.asked("/x"); len(r) != 1 {
		t.Errorf("asked for: %s", pretty(r))
	}
}

func TestClassic_4_2_ItStartsNow(t *testing.T) {
	row(t, "classic §4.2", "startForegroundDownload starts a download that was never scheduled, now", "so it does, ahead of all others")
	a := newApp(t, newWorld(t, single))
	a.bare = true
	a.launched()
	m := a.active()
	a.schedule(m, a.file("back", fault.File{Content: content("back", 64<<20), Rate: 1 << 20}, false))
	a.untilFlowing("back", 1)
	if _, err := m.StartForeground(t.Context(), a.put("front", 1000, false)); err != nil {
		t.Fatal(err)
	}
	a.untilState("front", asset.StateFinished)
}
