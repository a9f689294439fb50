package conformance

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"larder/asset"
	"larder/client"
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

func TestClassic_4_3_AppAndExtensionExcludeEachOther(t *testing.T) {
	row(t, "classic §4.3", "Exclusive control is mutual exclusion between app and extension; the other side waits", "the app waits while the extension holds it, and goes on when that lets go")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "acquire"}, {Do: "await", Arg: "go"}, {Do: "take"}, {Do: "release"}, {Do: "await", Arg: "end"}}}
	a.launched(a.put("x", 10, false))
	a.untilDid("acquire", 1)
	m := a.manager()
	err := m.WithExclusiveControlBefore(t.Context(), time.Now(), func(context.Context) error { return errors.New("two holders") })
	wantCode(t, "while the extension holds it", err, asset.CodeState)
	a.mark("go")
	err = m.WithExclusiveControl(t.Context(), func(context.Context) error {
		if !a.exists("x") {
			t.Error("the extension was not done")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	a.mark("end")
}

func TestClassic_4_3_ExtensionWaitsForTheApp(t *testing.T) {
	row(t, "classic §4.3", "It works in both directions, and only between calls that use it", "the extension's try fails while the app holds it; what needs no lock goes on")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "try"}, {Do: "take"}}}
	a.launched()
	m := a.manager()
	err := m.WithExclusiveControl(t.Context(), func(context.Context) error {
		a.schedule(m, a.put("x", 10, false))
		if h := a.untilDid("try", 1); h.Err == nil || h.Err.Code != asset.CodeState {
			t.Errorf("the extension tried: %s", pretty(h))
		}
		a.untilTaken("x")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestClassic_4_3_LockFreedByKill(t *testing.T) {
	row(t, "classic §4.3", "The other side proceeds when the holder's process ends", "a kill -9 of the app frees it")
	a := alone(t, shared(t))
	kill := a.starts("hold", asset.Download{})
	m := a.manager()
	none := func(context.Context) error { return nil }
	wantCode(t, "while the process lives", m.WithExclusiveControlBefore(t.Context(), time.Now(), none), asset.CodeState)
	kill()
	if err := m.WithExclusiveControlBefore(t.Context(), time.Now().Add(20*time.Second), none); err != nil {
		t.Error("after its end:", err)
	}
}

func TestClassic_4_3_LockFreedByKillOfTheExtension(t *testing.T) {
	row(t, "classic §4.3", "This holds for the extension's process too", "a kill -9 of the extension frees it")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "acquire"}, {Do: "await", Arg: "go"}, {Do: "kill"}}}
	a.launched(a.put("x", 10, false))
	a.untilDid("acquire", 1)
	a.mark("go")
	if err := a.manager().WithExclusiveControlBefore(t.Context(), time.Now().Add(20*time.Second), func(context.Context) error { return nil }); err != nil {
		t.Error("after its end:", err)
	}
}

func TestClassic_4_3_DeadlineNowTriesOnce(t *testing.T) {
	row(t, "classic §4.3", "A deadline of now means: try once and fail at once; a later one is waited for", "error 1015, and the body does not run; a free lock is had with any deadline")
	a := alone(t, shared(t))
	m, other := a.manager(), a.manager()
	past := time.Now().Add(-time.Hour)
	err := m.WithExclusiveControlBefore(t.Context(), past, func(ctx context.Context) error {
		ran := false
		begun := time.Now()
		err := other.WithExclusiveControlBefore(ctx, past, func(context.Context) error { ran = true; return nil })
		wantCode(t, "now", err, asset.CodeState)
		if ran || time.Since(begun) > 5*time.Second {
			t.Errorf("ran: %v, after %v", ran, time.Since(begun))
		}
		begun = time.Now()
		err = other.WithExclusiveControlBefore(ctx, begun.Add(300*time.Millisecond), func(context.Context) error { return nil })
		wantCode(t, "later", err, asset.CodeState)
		if took := time.Since(begun); took < 300*time.Millisecond {
			t.Errorf("it waited %v", took)
		}
		return nil
	})
	if err != nil {
		t.Error("free:", err)
	}
}

func TestClassic_4_3_ControlEndsWithTheBody(t *testing.T) {
	row(t, "classic §4.3", "The lock is lost when the closure returns; the call returns after the release, with what the body throws", "so it is, also when the body fails")
	a := alone(t, shared(t))
	m, other := a.manager(), a.manager()
	mine := errors.New("mine")
	for range 3 {
		if err := m.WithExclusiveControl(t.Context(), func(context.Context) error { return mine }); !errors.Is(err, mine) {
			t.Errorf("the body's error came as %v", err)
		}
		if err := other.WithExclusiveControlBefore(t.Context(), time.Now(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("after the body: %v", err)
		}
	}
}

func TestClassic_4_3_ListInsideTheLock(t *testing.T) {
	row(t, "classic §4.3", "Downloads can be listed inside the lock", "every call of the manager works while this process, or another, holds it")
	a := alone(t, shared(t))
	m, other := a.manager(), a.manager()
	err := m.WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		_, err := m.CurrentDownloads(ctx)
		_, err2 := other.CurrentDownloads(ctx)
		_, err3 := m.Schedule(ctx, a.put("x", 10, false))
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Error(err)
	}
}

// follow collects the events of one process until ctx ends.
func (a *app) follow(m *client.DownloadManager, until func(client.Event) bool) (seen []client.Event) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	for ev, err := range m.Events(ctx) {
		if err != nil {
			a.Fatal(err)
		}
		if seen = append(seen, ev); until(ev) {
			return seen
		}
	}
	a.Fatalf("the event never came; seen: %s", pretty(seen))
	return nil
}

func TestClassic_4_4_EventsCarryWhatHappened(t *testing.T) {
	row(t, "classic §4.4", "didBegin, progress with three counts, finished with a local file", "as events, in order, with rising bytes and the expected total")
	a := alone(t, shared(t))
	m := a.manager()
	a.server.SetRate(2 << 20)
	go func() { _, _ = m.Schedule(t.Context(), a.put("x", 2<<20, false)) }()
	seen := a.follow(m, func(ev client.Event) bool { return ev.Type == asset.EventFinished })
	var bytes int64
	for n, ev := range seen {
		switch {
		case n == 0 && ev.Type != asset.EventBegan, ev.Download.Identifier != "x":
			t.Errorf("event %d is %s", n, pretty(ev))
		case ev.Type == asset.EventProgress:
			if ev.Status.Bytes < bytes || ev.Status.TotalBytes != 2<<20 {
				t.Errorf("progress after %d: %s", bytes, pretty(ev.Status))
			}
			bytes = ev.Status.Bytes
		}
	}
	if bytes == 0 {
		t.Error("no progress was told")
	}
	a.fileHolds(seen[len(seen)-1].FilePath, "x", 2<<20)
}

func TestClassic_4_4_PauseIsAnEvent(t *testing.T) {
	row(t, "classic §4.4", "didPause: a download stopped for now, for example in the gap of a promotion", "one that yields its connection is told as paused, with the reason, and as begun when it goes on")
	a := newApp(t, newWorld(t, single))
	a.bare = true
	a.launched()
	m := a.active()
	go func() {
		_, _ = m.Schedule(t.Context(), a.file("slow", fault.File{Content: content("slow", 64<<20), Rate: 1 << 20}, false))
		a.untilFlowing("slow", 1)
		_, _ = m.StartForeground(t.Context(), a.put("now", 10, false))
	}()
	var kinds []asset.EventType
	a.follow(m, func(ev client.Event) bool {
		if ev.Download.Identifier == "slow" && ev.Type != asset.EventProgress {
			kinds = append(kinds, ev.Type)
		}
		return len(kinds) == 3
	})
	if !slices.Equal(kinds, []asset.EventType{asset.EventBegan, asset.EventPaused, asset.EventBegan}) {
		t.Errorf("slow: %v", kinds)
	}
}

func TestClassic_4_4_FailureCarriesItsError(t *testing.T) {
	row(t, "classic §4.4", "failedWithError carries the download and the error", "the typed error that status and log tell too")
	a := alone(t, shared(t))
	m := a.manager()
	a.schedule(m, a.file("x", fault.File{Content: content("x", 10), Script: "status=410:*"}, false))
	seen := a.follow(m, func(ev client.Event) bool { return ev.Type == asset.EventFailed })
	last := seen[len(seen)-1]
	if last.Err == nil || last.Err.Code != asset.CodeServer || last.Download.Identifier != "x" || find(a.status(), "x").Reason.Message != last.Err.Error() {
		t.Errorf("told: %s", pretty(last))
	}
}

func TestClassic_4_4_UnknownTotalIsZero(t *testing.T) {
	row(t, "classic §4.4", "totalBytesExpectedToWrite when it is unknown: UNCONFIRMED", "our call: 0")
	a := alone(t, shared(t))
	m := a.manager()
	d := a.file("x", fault.File{Content: content("x", 2<<20), Chunked: true, Rate: 2 << 20}, false)
	d.FileSize = 0
	go func() { _, _ = m.Schedule(t.Context(), d) }()
	for _, ev := range a.follow(m, func(ev client.Event) bool { return ev.Type == asset.EventFinished }) {
		if ev.Type == asset.EventProgress && ev.Status.TotalBytes != 0 {
			t.Errorf("progress: %s", pretty(ev.Status))
		}
	}
}

func TestClassic_4_4_ManifestFailureReachesTheDelegate(t *testing.T) {
	row(t, "classic §4.4", "The manifest also reaches the delegate (progress, failure), as a download of another type", "as progress and failed, marked manifest")
	a := newApp(t, shared(t))
	var stop, gone atomic.Bool
	a.server.Handle("/manifest", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Swap(true) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", "1000000")
		for !stop.Load() && r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1000))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond) // the server is slow
		}
		panic(http.ErrAbortHandler)
	}))
	a.install()
	progress := false
	seen := a.follow(a.manager(), func(ev client.Event) bool {
		if ev.Type == asset.EventProgress {
			progress = progress || ev.Download.Manifest
			stop.Store(true)
		}
		return ev.Type == asset.EventFailed
	})
	if last := seen[len(seen)-1]; !progress || !last.Download.Manifest || last.Err == nil || last.Err.Code != asset.CodeServer {
		t.Errorf("progress told: %v; then %s", progress, pretty(last))
	}
}

func TestClassic_4_5_ALiveDelegateComesFirst(t *testing.T) {
	row(t, "classic §4.5", "While the app runs with a delegate that implements the method, the extension is not started", "finished and failed go to the app alone, once")
	a := newApp(t, shared(t))
	a.launched()
	m := a.manager()
	a.schedule(m, a.put("good", 10, false))
	a.schedule(m, a.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, false))
	ended := 0
	a.follow(m, func(ev client.Event) bool {
		if ev.Type == asset.EventFinished || ev.Type == asset.EventFailed {
			ended++
		}
		return ended == 2
	})
	if n := len(a.calls("finished")) + len(a.calls("failed")); n != 0 {
		t.Errorf("the extension was told %d times", n)
	}
}

func TestClassic_4_5_WhatTheDelegateLacksGoesToTheExtension(t *testing.T) {
	row(t, "classic §4.5", "A method that the delegate does not implement starts the extension, for challenge, failed and finished", "a delegate for failures alone: what finished goes to the extension")
	a := newApp(t, shared(t))
	a.launched()
	m := a.manager()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan string, 4)
	done := make(chan error, 1)
	go func() {
		done <- m.SetDelegate(ctx, client.Delegate{Failed: func(d asset.Download, _ *asset.Error) { failed <- d.Identifier }})
	}()
	a.schedule(m, a.put("good", 10, false))
	a.untilTaken("good")
	a.schedule(m, a.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, false))
	if got := <-failed; got != "bad" {
		t.Errorf("the delegate was told of %s", got)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(a.calls("finished")) != 1 || len(a.calls("failed")) != 0 {
		t.Errorf("the extension was told: %s", pretty(a.heard()))
	}
}

func TestClassic_4_5_BeginPauseProgressStartNobody(t *testing.T) {
	row(t, "classic §4.5", "For begin, pause and progress the extension is not started: nobody is told", "no process runs while a file is fetched without a delegate")
	a := newApp(t, shared(t))
	a.launched()
	a.schedule(a.manager(), a.file("x", fault.File{Content: content("x", 3<<20), Rate: 1 << 20}, false))
	a.untilFlowing("x", 2<<20)
	for _, h := range a.heard() {
		if h.Entry != "downloads" || alive(h.PID) {
			t.Errorf("it noted %s, and lives: %v", pretty(h), alive(h.PID))
		}
	}
	a.untilTaken("x")
}

func TestClassic_4_5_NothingIsQueuedForALateDelegate(t *testing.T) {
	row(t, "classic §4.5", "Callbacks begin the moment the delegate is set; nothing is replayed", "begin and progress before it are not told; our call: a result that nobody took is not lost, but offered")
	a := alone(t, shared(t))
	m := a.manager()
	a.schedule(m, a.put("before", 10, false))
	a.untilState("before", asset.StateFinished)
	seen := a.follow(m, func(client.Event) bool { return true })
	if seen[0].Type != asset.EventFinished || seen[0].Download.Identifier != "before" {
		t.Errorf("the first event is %s", pretty(seen[0]))
	}
}

func TestClassic_4_5_TwoListenersGetTheSameEvent(t *testing.T) {
	row(t, "classic §4.5", "Duplicates come when two processes listen; hence the lock and a look whether the file is still there", "each live delegate of the app is told once; the first that is done with it acknowledges")
	a := alone(t, shared(t))
	d, release := a.trickle("x", 1<<20, false)
	one, two := a.manager(), a.manager()
	a.schedule(one, d)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	listening, told := make(chan struct{}, 2), make(chan string, 2)
	for _, m := range []*client.DownloadManager{one, two} {
		go func() {
			first := true
			for ev, err := range m.Events(ctx) {
				if err == nil && first {
					listening <- struct{}{}
					first = false
				}
				if err == nil && ev.Type == asset.EventFinished {
					told <- ev.FilePath
					<-ctx.Done()
				}
			}
		}()
	}
	for range 2 {
		<-listening
	}
	release()
	for range 2 {
		select {
		case path := <-told:
			a.fileHolds(path, "x", 1<<20)
		case <-ctx.Done():
			t.Fatal("one of two listeners was not told")
		}
	}
}

func TestClassic_4_5_ExtensionFinishesWhatADeadAppBegan(t *testing.T) {
	row(t, "classic §4.5", "The app scheduled, then died: the extension must be ready to finish the job", "the download goes on after a kill -9 of the app, and the extension gets the file")
	a := newApp(t, shared(t))
	a.installed()
	kill := a.starts("schedule", a.file("x", fault.File{Content: content("x", 2<<20), Rate: 2 << 20}, false))
	a.untilFlowing("x", 1)
	kill()
	a.untilTaken("x")
	a.holds("x", 2<<20)
}
