package conformance

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"larder/asset"
	"larder/client"
	"larder/internal/fault"
)

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
	// Slow enough for the delegate to be connected when it has come.
	a.schedule(m, a.file("good", fault.File{Content: content("good", 8000), Rate: 8000}, false))
	a.follow(m, func(ev client.Event) bool {
		if ev.Type == asset.EventFinished {
			a.schedule(m, a.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, false))
		}
		return ev.Type == asset.EventFailed
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
		if h.Entry != "downloads" && h.Entry != "terminate" {
			t.Errorf("it noted %s", pretty(h))
		}
		a.untilEnded(h)
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

func TestClassic_4_4_BeginsWithTheState(t *testing.T) {
	row(t, "classic §4.4", "didBegin: the download is in progress; didPause: it is not any more", "began comes when the state becomes downloading, before the server has said a word, and again after each pause; no paused comes without a began")
	a := alone(t, newWorld(t, stallSoon))
	m := a.active()
	var asked atomic.Int32
	a.server.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			<-r.Context().Done() // not a word
			return
		}
		_, _ = w.Write([]byte("0123456789"))
	}))
	go func() {
		_, _ = m.Schedule(t.Context(), asset.URLDownload{Identifier: "x", URL: a.server.URL + "/x", FileSize: 10})
	}()
	var kinds []asset.EventType
	for _, ev := range a.follow(m, func(ev client.Event) bool { return ev.Type == asset.EventFinished }) {
		if ev.Type == asset.EventBegan && ev.Status.State != asset.StateDownloading {
			t.Errorf("began: %s", pretty(ev))
		}
		if ev.Type != asset.EventProgress {
			kinds = append(kinds, ev.Type)
		}
	}
	if len(kinds) < 4 {
		t.Fatalf("told of %v", kinds)
	}
	for n, k := range kinds {
		want := asset.EventBegan
		switch {
		case n == len(kinds)-1:
			want = asset.EventFinished
		case n%2 == 1:
			want = asset.EventPaused
		}
		if k != want {
			t.Errorf("told of %v", kinds)
			break
		}
	}
}

func TestClassic_5_Code55_Uninstalled(t *testing.T) {
	row(t, "classic §5", "55 callerConnectionNotAccepted: the service does not accept this app", "a delegate that is connected while its app is uninstalled ends with 55 and does not come again")
	a := alone(t, shared(t))
	m := a.manager()
	heard, done := make(chan struct{}), make(chan error, 1)
	first := sync.OnceFunc(func() { close(heard) })
	go func() {
		done <- m.SetDelegate(t.Context(), client.Delegate{Progress: func(asset.Download, int64, int64) { first() }})
	}()
	a.untilHeard(heard)
	if err := a.w.owner.Uninstall(t.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		wantCode(t, "the delegate", err, asset.CodeConnectionNotAccepted)
	case <-time.After(patience):
		t.Error("the delegate goes on trying")
	}
}
