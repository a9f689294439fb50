package conformance

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
	"larder/internal/service"
)

func TestDesign_12_RemovingEssentialIsAnother(t *testing.T) {
	row(t, "design §12", "RemovingEssential: does it keep identity and state?", "a new unique identifier, state created; everything else is the same")
	a := newApp(t, shared(t))
	a.launched(a.file("x", fault.File{Content: content("x", 1000), Script: "status=404:1"}, true))
	old := a.untilCalled("failed", 1).Download
	fresh := old.RemovingEssential()
	if fresh.Essential || fresh.UniqueIdentifier != "" || fresh.State != asset.StateCreated || fresh.Identifier != old.Identifier || fresh.URL != old.URL || fresh.FileSize != old.FileSize {
		t.Errorf("the copy of %s is %s", pretty(old), pretty(fresh))
	}
	st := a.schedule(a.manager(), fresh)
	if st.Essential || st.UniqueIdentifier == old.UniqueIdentifier {
		t.Errorf("scheduled: %s", pretty(st))
	}
	a.untilTaken("x")
}

func TestDesign_12_LockIsNotReentrant(t *testing.T) {
	row(t, "design §12", "Nesting of exclusive control", "an error (1015), for app and extension; the holder keeps it")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "acquire"}, {Do: "acquire"}, {Do: "release"}, {Do: "release"}, {Do: "take"}}}
	a.launched(a.put("x", 10, true))
	for what, h := range map[string]heard{"acquired twice": a.untilDid("acquire", 2), "released twice": a.untilDid("release", 2)} {
		if h.Err == nil || h.Err.Code != asset.CodeState {
			t.Errorf("%s: %s", what, pretty(h))
		}
	}
	m := a.manager()
	none := func(context.Context) error { return nil }
	err := m.WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		wantCode(t, "nested", m.WithExclusiveControl(ctx, none), asset.CodeState)
		wantCode(t, "another", a.manager().WithExclusiveControlBefore(ctx, time.Now(), none), asset.CodeState)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDesign_12_LockIsFirstComeFirstServed(t *testing.T) {
	row(t, "design §12", "Fairness of exclusive control", "first come, first served")
	a := alone(t, shared(t))
	var mu sync.Mutex
	var order []int
	var all sync.WaitGroup
	err := a.manager().WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		for n := range 4 {
			m := a.manager()
			if err := m.SetActive(ctx, true); err != nil { // connected, so that the order of the calls is that of their arrival
				return err
			}
			all.Go(func() {
				err := m.WithExclusiveControl(ctx, func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, n)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			time.Sleep(100 * time.Millisecond) // that it has begun to wait shows nowhere
		}
		return nil
	})
	all.Wait()
	if err != nil || !slices.IsSorted(order) || len(order) != 4 {
		t.Errorf("order %v, %v", order, err)
	}
}

func TestDesign_12_ForegroundFallsBack(t *testing.T) {
	row(t, "design §12", "The foreground ends", "when the app's connection ends, by kill -9 too, the download goes on in the background with its bytes")
	a := alone(t, shared(t))
	a.server.SetRate(2 << 20)
	kill := a.starts("foreground", a.put("x", 4<<20, false))
	a.untilFlowing("x", 1<<20)
	kill()
	a.server.SetRate(0)
	a.fileHolds(a.untilState("x", asset.StateFinished).FilePath, "x", 4<<20)
	if r := a.asked("/x"); len(r) != 1 {
		t.Errorf("asked for: %s", pretty(r))
	}
}

func TestDesign_12_SuccessAcknowledges(t *testing.T) {
	row(t, "design §12", "When is a finished file delivered?", "a success reply acknowledges: it is not offered again, also after a restart")
	w := newWorld(t)
	a := newApp(t, w)
	a.launched(a.put("x", 1000, true))
	a.untilTaken("x")
	w.restart(t)
	a.schedule(a.manager(), a.put("y", 10, false))
	a.untilTaken("y")
	if n := len(a.calls("finished")); n != 2 {
		t.Errorf("%d files were offered", n)
	}
}

func TestDesign_12_ErrorKeepsTheFile(t *testing.T) {
	row(t, "design §12", "The extension answers with an error", "the file stays in the inbox and is offered again, in a new session, after 1 s, 10 s, …")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "fail"}}}
	a.installed(a.put("x", 1000, true))
	a.untilDid("fail", 1)
	a.script.On = nil
	a.tell()
	a.untilCalled("finished", 2)
	a.untilTaken("x")
	a.holds("x", 1000)
}

func TestDesign_12_CrashKeepsTheFile(t *testing.T) {
	row(t, "design §12", "The extension crashes while it is handed a file", "the same: the file is offered again; results of others wait with it and are not lost")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "crash"}}}
	a.installed(a.put("x", 1000, true), a.put("y", 1000, true))
	a.untilCalled("finished", 1)
	a.script.On = nil
	a.tell()
	a.untilTaken("x", "y")
	a.holds("x", 1000)
	a.holds("y", 1000)
}

func TestDesign_12_HeldForTheApp(t *testing.T) {
	row(t, "design §12", "Nobody takes a finished file", "it is held for the app: a delegate that connects later is offered it, and may acknowledge it")
	a := newApp(t, shared(t))
	a.script.Minimal = true
	a.launched(a.put("x", 1000, true))
	path := a.untilState("x", asset.StateFinished).FilePath
	a.fileHolds(path, "x", 1000)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ev, err := range a.manager().Events(ctx) {
		if err != nil || ev.Type != asset.EventFinished || ev.FilePath != path {
			t.Errorf("event %s, %v", pretty(ev), err)
		}
		break // not done with it
	}
	st := find(a.status(), "x")
	if err := localapi.NewAppClient(a.w.dirs.AppSocket(a.id)).Acknowledge(t.Context(), st.UniqueIdentifier); err != nil {
		t.Error(err)
	}
	if !missing(path) || find(a.status(), "x").FilePath != "" {
		t.Error("it is still offered")
	}
}

func TestDesign_12_UpdatesAlwaysAsk(t *testing.T) {
	row(t, "design §12", "The extension is asked at an update only if the app was not force-quit", "no counterpart: updates always ask, also when the app was never launched or was killed")
	a := newApp(t, shared(t))
	a.installed()
	kill := a.starts("schedule", a.put("x", 10, false))
	kill()
	a.untilTaken("x")
	a.update()
	a.open()
	if c := a.calls("downloads"); len(c) != 2 || c[1].Request != asset.RequestUpdate {
		t.Errorf("asked: %s", pretty(c))
	}
}

func TestDesign_12_EachRequestHasTheDeadline(t *testing.T) {
	row(t, "design §12", "Deadline of an extension", "60 s (2 s in this test) for one request, not for a session: two slow answers in one session are fine")
	a := newApp(t, newWorld(t, func(c *service.Config) { c.Deadline = 2 * time.Second }))
	a.script.On = map[string][]step{"finished": {{Do: "take"}, {Do: "sleep", Arg: "1.2s"}}}
	a.installed(a.put("x", 10, true), a.put("y", 10, true))
	a.untilTaken("x", "y")
	if c := a.calls("finished"); len(c) != 2 || c[0].Process != c[1].Process {
		t.Errorf("told: %s", pretty(c))
	}
}

func TestDesign_12_AppsSeeThemselvesAlone(t *testing.T) {
	row(t, "design §12", "Who is the caller?", "the socket is the identity: on an app's own socket another app's state, downloads and lock are out of reach")
	a, b := newAppNamed(t, shared(t), "a"), newAppNamed(t, shared(t), "b")
	b.w = a.w
	for _, x := range []*app{a, b} {
		x.bare = true
		x.launched()
	}
	a.schedule(a.manager(), a.file("x", fault.File{Content: content("x", 64<<20), Rate: 1 << 20}, false))
	list, err := b.manager().CurrentDownloads(t.Context())
	if err != nil || len(list) != 0 {
		t.Errorf("b sees %s, %v", pretty(list), err)
	}
	err = a.manager().WithExclusiveControl(t.Context(), func(ctx context.Context) error {
		return b.manager().WithExclusiveControlBefore(ctx, time.Now(), func(context.Context) error { return nil })
	})
	if err != nil {
		t.Errorf("their locks are one: %v", err)
	}
}

func TestDesign_12_FailurePolicyOfABundle(t *testing.T) {
	row(t, "design §12", "An essential download failed and the bundle says LarderEssentialFailurePolicy", "open (as Apple) opens the gate; ask holds it closed with the reason, until the person cancels or launches anyway")
	a := newApp(t, shared(t))
	a.keys["LarderEssentialFailurePolicy"] = "ask"
	a.install(a.file("x", fault.File{Content: content("x", 10), Script: "status=404:*"}, true))
	st := a.until("it is held", func(st asset.AppStatus) bool {
		return st.Gate.Reason != nil && st.Gate.Reason.Code == asset.WhyEssential
	})
	if st.Gate.Open {
		t.Errorf("the gate is %s", pretty(st.Gate))
	}
	if _, err := a.w.owner.Control(t.Context(), a.id, localapi.ActionCancel); err != nil {
		t.Error(err)
	}
	if !a.status().Gate.Open {
		t.Error("it is closed after cancel")
	}
}
