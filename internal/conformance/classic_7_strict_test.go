package conformance

import (
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

// strict is an app whose bundle says that it moves a finished file now or loses it.
func strict(t *testing.T, w *world) *app {
	t.Helper()
	a := newApp(t, w)
	a.keys["LarderFinishedFilePolicy"] = "strict"
	return a
}

// untilLost waits until the first file of an entry point is gone and its result
// is offered to nobody any more.
func (a *app) untilLost(identifier, path string) {
	a.Helper()
	a.untilTaken(identifier)
	a.until("its file is gone", func(asset.AppStatus) bool { return missing(path) })
}

func TestClassic_7_StrictFileIsLostWithAnError(t *testing.T) {
	row(t, "classic §7", "A finished file is moved inside the callback, or it is deleted when the callback returns", "with LarderFinishedFilePolicy strict an error is a return too: the file is gone and not offered again")
	a := strict(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "fail"}}}
	a.installed(a.put("x", 1000, true))
	h := a.untilCalled("finished", 1)
	a.untilLost("x", h.Path)
	a.script.On = nil
	a.tell()
	a.again()
	if n := a.offers("x"); n != 1 || a.exists("x") {
		t.Errorf("it was offered %d times", n)
	}
}

func TestClassic_7_StrictFileIsLostWithACrash(t *testing.T) {
	row(t, "classic §7", "What becomes of the file when the extension dies in the callback: UNCONFIRMED", "our call: with LarderFinishedFilePolicy strict it is gone; without, it is kept and offered again")
	a := strict(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "kill"}}}
	a.installed(a.put("x", 1000, true))
	h := a.untilCalled("finished", 1)
	a.untilLost("x", h.Path)
	a.again()
	if n := a.offers("x"); n != 1 {
		t.Errorf("it was offered %d times", n)
	}
}

func TestClassic_7_StrictFileThatWasMovedIsKept(t *testing.T) {
	row(t, "classic §7", "A file that was moved in the callback is the app's, however the callback ends", "with LarderFinishedFilePolicy strict, after an error as well")
	a := strict(t, shared(t))
	a.script.On = map[string][]step{"finished": {{Do: "take"}, {Do: "fail"}}}
	a.installed(a.put("x", 1000, true))
	a.untilTaken("x")
	a.again()
	if a.holds("x", 1000); a.offers("x") != 1 {
		t.Errorf("told: %s", pretty(a.calls("finished")))
	}
}

func TestClassic_7_StrictDelegateThatGoesLosesIt(t *testing.T) {
	row(t, "classic §7", "The same for a delegate: nothing waits for one that comes later", "with LarderFinishedFilePolicy strict a process that leaves in its callback loses the file, and nobody else is offered it")
	a := strict(t, shared(t))
	a.launched()
	m := a.manager()
	a.schedule(m, a.put("x", 1000, false))
	seen := a.follow(m, func(ev client.Event) bool { return ev.Type == asset.EventFinished })
	a.untilLost("x", seen[len(seen)-1].FilePath)
	if n := a.offers("x"); n != 0 {
		t.Errorf("the extension was told %d times", n)
	}
}

func TestClassic_7_StrictFileSurvivesTheServiceAlone(t *testing.T) {
	row(t, "classic §7", "A callback that never returned, as the system went away itself: UNCONFIRMED", "our call: also a strict app's file waits then, and is offered again by the next service")
	w := newWorld(t)
	a := strict(t, w)
	a.launched()
	m := a.manager()
	a.schedule(m, a.put("x", 1000, false))
	finished := func(ev client.Event) bool { return ev.Type == asset.EventFinished }
	a.follow(m, func(ev client.Event) bool {
		if finished(ev) {
			w.restart(t)
		}
		return finished(ev)
	})
	seen := a.follow(m, finished)
	a.fileHolds(seen[len(seen)-1].FilePath, "x", 1000)
}

// again lets the extension be asked once more, and all that follows happen.
func (a *app) again() {
	a.Helper()
	n := len(a.calls("downloads"))
	a.script.Answer = []asset.Download{a.put("afterwards", 10, true)}
	a.script.On = nil
	a.tell()
	if _, err := a.w.owner.Simulate(a.Context(), a.id, localapi.SimulateUpdate); err != nil {
		a.Fatal(err)
	}
	a.untilCalled("downloads", n+1)
	a.open()
	a.untilTaken("afterwards")
}

// offers counts how often the extension was handed a file.
func (a *app) offers(identifier string) (n int) {
	for _, h := range a.calls("finished") {
		if h.Download.Identifier == identifier {
			n++
		}
	}
	return n
}
