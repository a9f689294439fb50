package conformance

import (
	"context"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

func TestClassic_6_SimulateInstall(t *testing.T) {
	row(t, "classic §6", "The debug tool delivers install, named by the app's identifier and not the extension's", "the real service goes the whole way again, gate and progress included")
	a := newApp(t, shared(t))
	a.launched()
	a.script.Answer = []asset.Download{a.put("x", 1000, true)}
	a.tell()
	if st, err := a.w.owner.Simulate(t.Context(), a.id, localapi.SimulateInstall); err != nil || st.Gate.Open && st.State == asset.AppInstalled {
		t.Fatalf("simulate: %v, %s", err, pretty(st))
	}
	a.open()
	a.untilTaken("x")
	if c := a.calls("downloads"); len(c) != 2 || c[1].Request != asset.RequestInstall {
		t.Errorf("asked: %s", pretty(c))
	}
	_, err := a.w.owner.Simulate(t.Context(), a.id+".loader", localapi.SimulateInstall)
	wantCode(t, "the extension's identifier", err, asset.CodeNotFound)
}

func TestClassic_6_SimulateUpdate(t *testing.T) {
	row(t, "classic §6", "The debug tool delivers update", "the extension is asked with update, without a new build")
	a := newApp(t, shared(t))
	a.launched()
	if _, err := a.w.owner.Simulate(t.Context(), a.id, localapi.SimulateUpdate); err != nil {
		t.Fatal(err)
	}
	a.open()
	if c := a.calls("downloads"); len(c) != 2 || c[1].Request != asset.RequestUpdate {
		t.Errorf("asked: %s", pretty(c))
	}
}

func TestClassic_6_LogsCanBeRead(t *testing.T) {
	row(t, "classic §6", "What the extension logs can be read while it is developed", "its standard error is in the service's log, with the app's identifier")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"downloads": {{Do: "say", Arg: "words-of-" + string(a.id)}}}
	a.installed()
	a.until("the words are in the log", func(asset.AppStatus) bool { return contains(a.w.log.String(), "words-of-"+string(a.id)) })
}

func TestClassic_7_FileIsHandedOverInTheGroup(t *testing.T) {
	row(t, "classic §7", "A finished file is handed over at a place associated with the app group", "in an inbox on the container's file system, so that a move is a rename")
	a := newApp(t, shared(t))
	a.installed(a.put("x", 1000, true))
	a.untilTaken("x")
	a.holds("x", 1000)
	if h := a.calls("finished")[0]; h.Path == "" || h.Path == a.container("x") {
		t.Errorf("it was handed over at %s", h.Path)
	}
}

func TestClassic_7_FileThatWasNotMovedIsGone(t *testing.T) {
	row(t, "classic §7", "CONFLICT: read it in place (page, WWDC22), or move it in the callback or lose it (header, WWDC23, sample)", "our call, with the latter: after a good return the file that was left is deleted")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "leave"}}}
	a.installed(a.put("x", 1000, true))
	h := a.untilDid("leave", 1)
	a.untilTaken("x")
	path := a.calls("finished")[0].Path
	a.until("it is gone", func(asset.AppStatus) bool { return missing(path) })
	if len(a.calls("finished")) != 1 || h.Download.Identifier != "x" {
		t.Errorf("told: %s", pretty(a.calls("finished")))
	}
}

func TestClassic_7_DelegateMustMoveItToo(t *testing.T) {
	row(t, "classic §7", "This holds for the delegate's callback as well", "the file is deleted when the delegate's function has returned")
	a := alone(t, shared(t))
	m := a.manager()
	a.schedule(m, a.put("x", 1000, false))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var path string
	var after bool
	for ev, err := range m.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if after = path != ""; after {
			break
		}
		if ev.Type == asset.EventFinished {
			path = ev.FilePath
			a.schedule(m, a.put("next", 10, false))
		}
	}
	if !after || !missing(path) {
		t.Errorf("%q is still there", path)
	}
}

func TestClassic_7_PartialBytesAreKept(t *testing.T) {
	row(t, "classic §7", "Partial data is kept across pause and promotion", "and across the end of the service, also by kill -9")
	w := newWorld(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	kill := w.startProcess(t)
	a := newApp(t, w)
	a.bare = true
	a.launched()
	a.server.SetRate(4 << 20)
	a.schedule(a.manager(), a.put("x", 8<<20, false))
	a.untilFlowing("x", 3<<20)
	kill()
	a.server.SetRate(0)
	w.startProcess(t)
	a.fileHolds(a.untilState("x", asset.StateFinished).FilePath, "x", 8<<20)
	if r := a.asked("/x"); len(r) != 2 || r[1].Start < 2<<20 {
		t.Errorf("asked for: %s", pretty(r))
	}
}

func TestClassic_7_MissingFilesAreFetchedAgain(t *testing.T) {
	row(t, "classic §7", "The app must check for missing files and fetch again", "an identifier that was delivered may be scheduled again, and all bytes come again")
	a := newApp(t, shared(t))
	d := a.put("x", 1000, false)
	a.launched(d)
	a.untilTaken("x")
	remove(t, a.container("x"))
	a.schedule(a.manager(), d)
	a.untilCalled("finished", 2)
	a.untilTaken("x")
	a.holds("x", 1000)
}

func TestClassic_7_UninstallLeavesNothing(t *testing.T) {
	row(t, "classic §7", "Cleanup on uninstall and of orphaned partial files: UNCONFIRMED", "our call: container, inbox, partial bytes and socket are gone with the last app of the group")
	a := newApp(t, shared(t))
	a.server.SetRate(2 << 20)
	a.install(a.put("big", 64<<20, true))
	a.untilFlowing("big", 1)
	if err := a.w.owner.Uninstall(t.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	if group := asset.GroupID("group." + a.id); !missing(a.w.dirs.Group(group)) || !missing(a.w.dirs.AppSocket(a.id)) {
		t.Error("something is left")
	}
}

// The delegate that is connected first gets what a kill of the service left.
func TestClassic_7_FinishedFilesSurviveARestart(t *testing.T) {
	row(t, "classic §7", "The place of a finished file is purgeable; how long it is kept is UNCONFIRMED", "our call: until it is taken, over restarts of the service")
	w := newWorld(t)
	a := newApp(t, w)
	a.bare = true
	a.launched()
	a.schedule(a.manager(), a.put("x", 1000, false))
	a.untilState("x", asset.StateFinished)
	w.restart(t)
	seen := a.follow(a.manager(), func(ev client.Event) bool { return ev.Type == asset.EventFinished })
	a.fileHolds(seen[len(seen)-1].FilePath, "x", 1000)
}
