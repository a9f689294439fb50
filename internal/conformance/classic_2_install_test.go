package conformance

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
	"larder/internal/service"
)

func TestClassic_2_1_InstallIsRequestOne(t *testing.T) {
	row(t, "classic §2.1", "An app that was installed and not yet launched gets the content request install (1)", "the extension is asked once, with install")
	a := newApp(t, shared(t))
	a.installed()
	if c := a.calls("downloads"); len(c) != 1 || c[0].Request != asset.RequestInstall || c[0].Request.Number() != 1 {
		t.Errorf("asked: %s", pretty(c))
	}
}

func TestClassic_2_1_UpdateIsRequestTwo(t *testing.T) {
	row(t, "classic §2.1", "An app that was updated gets the content request update (2)", "the extension is asked again, with update; the same build again is no update")
	a := newApp(t, shared(t))
	a.installed()
	if _, err := a.w.owner.Update(t.Context(), a.id, localapi.UpdateRequest{}); err != nil {
		t.Fatal(err)
	}
	a.update()
	a.open()
	if c := a.calls("downloads"); len(c) != 2 || c[1].Request != asset.RequestUpdate || c[1].Request.Number() != 2 {
		t.Errorf("asked: %s", pretty(c))
	}
}

func TestClassic_2_2_LaunchIsBlockedWhileInstalling(t *testing.T) {
	row(t, "classic §2.2", "The service blocks the app from launching while it installs", "launch is refused with the reason; launching anyway is the person's choice")
	a := newApp(t, shared(t))
	a.server.SetRate(1 << 20)
	a.install(a.put("big", 16<<20, true))
	a.untilFlowing("big", 1)
	_, err := a.w.owner.Launch(t.Context(), a.id, localapi.LaunchRequest{})
	wantCode(t, "launch", err, asset.CodeState)
	if _, err := a.w.owner.Launch(t.Context(), a.id, localapi.LaunchRequest{Anyway: true}); err != nil {
		t.Error("launch anyway:", err)
	}
}

func TestClassic_2_2_ManifestComesFirst(t *testing.T) {
	row(t, "classic §2.2", "The manifest is fetched before the extension is started, and is the app's own business", "any bytes; the extension gets them as a local file")
	a := newApp(t, shared(t))
	a.serve("/manifest", "\x00 anything at all \xff")
	a.installed()
	c := a.calls("downloads")[0]
	if !strings.Contains(c.Manifest, " anything at all ") || !filepath.IsAbs(c.Path) || len(a.asked("/manifest")) != 1 {
		t.Errorf("the extension saw %q at %s after %d requests", c.Manifest, c.Path, len(a.asked("/manifest")))
	}
}

func TestClassic_2_2_EssentialBeforeAllOthers(t *testing.T) {
	row(t, "classic §2.2", "Essential transfers start at once, before any non-essential one", "non-essential ones wait, with that reason, until the essential set has settled")
	a := newApp(t, shared(t))
	a.server.SetRate(4 << 20)
	a.install(a.put("later", 1000, false), a.put("first", 4<<20, true))
	a.untilFlowing("first", 1)
	if d := find(a.status(), "later"); d.State != asset.StateWaiting || d.Reason == nil || d.Reason.Code != asset.WhyEssentialFirst || len(a.asked("/later")) != 0 {
		t.Errorf("later is %s", pretty(d))
	}
	a.server.SetRate(0)
	a.untilTaken("first", "later")
	if r := a.server.Requests(); r[len(r)-1].Path != "/later" {
		t.Errorf("the last request is %s", r[len(r)-1].Path)
	}
}

func TestClassic_2_2_GateWaitsForEssentialOnly(t *testing.T) {
	row(t, "classic §2.2", "CONFLICT: launch after all downloads (overview), or after the essential ones (WWDC23)", "our call, with WWDC23: the gate opens when the essential set has settled; the others go on")
	a := newApp(t, shared(t))
	p := a.installed(a.put("now", 1000, true), a.file("slow", fault.File{Content: content("slow", 8<<20), Rate: 1 << 20}, false))
	a.wantGate(p.Gate, asset.WhyReady)
	if d := find(a.status(), "slow"); d.State.Settled() {
		t.Errorf("slow is %s", pretty(d))
	}
}

func TestClassic_2_2_FailedEssentialOpensTheGate(t *testing.T) {
	row(t, "classic §2.2", "A failed essential download is skipped and the installation goes on", "the gate opens with the failure as its reason; the failed one stays visible; the rest is there")
	a := newApp(t, shared(t))
	p := a.installed(a.file("gone", fault.File{Content: content("gone", 10), Script: "status=404:*"}, true), a.put("good", 1000, true))
	a.wantGate(p.Gate, asset.WhyEssential)
	a.wantFailed(a.status(), "gone", asset.CodeServer)
	a.untilTaken("good")
	a.holds("good", 1000)
}

func TestClassic_2_2_EssentialResultsComeAsABatch(t *testing.T) {
	row(t, "classic §2.2", "Results of essential transfers, good and bad, are delivered when all have ended", "nothing is handed over while the gate is closed; then all of them, in one session")
	a := newApp(t, shared(t))
	a.install(a.put("quick", 1000, true), a.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, true),
		a.file("slow", fault.File{Content: content("slow", 3<<20), Rate: 2 << 20}, true))
	a.untilState("quick", asset.StateFinished)
	a.untilFlowing("slow", 1<<20)
	if n := len(a.calls("finished")) + len(a.calls("failed")); n != 0 {
		t.Errorf("%d results were handed over before all had ended", n)
	}
	a.untilTaken("quick", "slow")
	bad := a.untilCalled("failed", 1)
	for _, h := range a.calls("finished") {
		if h.Process != bad.Process {
			t.Error("the results came in several sessions")
		}
	}
}

func TestClassic_2_2_ResultsGoToTheAppThatWasLaunched(t *testing.T) {
	row(t, "classic §2.2", "Results go to the app if it was launched straight away and has a delegate", "a connected delegate gets the essential results; the extension is not started for them")
	a := newApp(t, shared(t))
	a.server.SetRate(2 << 20)
	a.install(a.put("x", 2<<20, true))
	a.untilFlowing("x", 1)
	for ev, err := range a.manager().Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Type == asset.EventFinished {
			a.fileHolds(ev.FilePath, "x", 2<<20)
			if !a.status().Gate.Open {
				t.Error("it came while the gate was closed")
			}
			break
		}
	}
	if n := len(a.calls("finished")); n != 0 {
		t.Errorf("the extension was told %d times", n)
	}
}

func TestClassic_2_2_ExtensionCrashOpensTheGate(t *testing.T) {
	row(t, "classic §2.2", "When the extension crashes during an install or update request, the app can be launched at once", "the gate opens, with the crash as its reason")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"downloads": {{Do: "crash"}}}
	p := a.installed(a.put("x", 10, true))
	a.wantGate(p.Gate, asset.WhyExtension)
	a.launch()
}

func TestClassic_2_2_CancelOpensTheGate(t *testing.T) {
	row(t, "classic §2.2", "The person may cancel the installation of essential assets", "the gate opens; what was still to fetch has failed as cancelled")
	a := newApp(t, shared(t))
	a.server.SetRate(1 << 20)
	a.install(a.put("big", 16<<20, true), a.put("later", 10, false))
	a.untilFlowing("big", 1)
	st, err := a.w.owner.Control(t.Context(), a.id, localapi.ActionCancel)
	if err != nil {
		t.Fatal(err)
	}
	a.wantGate(st.Gate, asset.WhyCancelled)
	a.wantFailed(st, "big", asset.CodeCancelled)
	a.wantFailed(st, "later", asset.CodeCancelled)
}

func TestClassic_2_2_PauseOpensTheGateAndResumeKeepsBytes(t *testing.T) {
	row(t, "classic §2.2", "The person may pause the installation; servers should support ranges", "the gate opens while paused; resuming closes it and goes on from the bytes held")
	a := newApp(t, shared(t))
	a.server.SetRate(2 << 20)
	a.install(a.put("big", 6<<20, true))
	a.untilFlowing("big", 2<<20)
	st, err := a.w.owner.Control(t.Context(), a.id, localapi.ActionPause)
	if err != nil {
		t.Fatal(err)
	}
	a.wantGate(st.Gate, asset.WhyPaused)
	if d := find(st, "big"); d.State != asset.StateWaiting || d.Reason == nil || d.Reason.Code != asset.WhyPaused {
		t.Errorf("paused: %s", pretty(d))
	}
	if st, err = a.w.owner.Control(t.Context(), a.id, localapi.ActionResume); err != nil || st.Gate.Open {
		t.Fatalf("resumed: %v, %s", err, pretty(st.Gate))
	}
	a.server.SetRate(0)
	a.open()
	a.untilTaken("big")
	a.holds("big", 6<<20)
	if r := a.asked("/big"); len(r) != 2 || r[1].Start < 2<<20 {
		t.Errorf("asked for: %s", pretty(r))
	}
}

func TestClassic_2_2_OverrunEndsTheExtensionAndOpensTheGate(t *testing.T) {
	row(t, "classic §2.2", "An extension that overruns its time is terminated; UNCONFIRMED that the app can be launched then", "our call: it is killed at its deadline and the gate opens, with that reason")
	a := newApp(t, newWorld(t, func(c *service.Config) { c.Deadline = 2 * time.Second }))
	a.script.On = map[string][]step{"downloads": {{Do: "hang"}}}
	p := a.installed()
	a.wantGate(p.Gate, asset.WhyExtension)
	if !strings.Contains(p.Gate.Reason.Message, "2 s") {
		t.Error(p.Gate.Reason.Message)
	}
	a.untilEnded(a.calls("downloads")[0])
}

func TestClassic_2_2_ManifestFailureIsADownloadOfAnotherKind(t *testing.T) {
	row(t, "classic §2.2", "When the manifest fails, the extension is told with a download that is not a URL download", "backgroundDownloadFailed with a download marked manifest; results of others never carry the mark")
	a := newApp(t, shared(t))
	a.server.Handle("/manifest", http.NotFoundHandler())
	p := a.installed()
	a.wantGate(p.Gate, asset.WhyManifest)
	h := a.untilCalled("failed", 1)
	if !h.Download.Manifest || h.Cause == nil || h.Cause.Code != asset.CodeServer {
		t.Errorf("told: %s", pretty(h))
	}
}

func TestClassic_2_2_UpdateClosesTheGateAgain(t *testing.T) {
	row(t, "classic §2.2", "An update goes the same way as an installation", "the gate closes, the essential set of the new build is fetched, the gate opens")
	a := newApp(t, shared(t))
	a.launched(a.put("one", 1000, true))
	a.server.SetRate(1 << 20)
	a.update(a.put("two", 3<<20, true))
	a.untilFlowing("two", 1)
	_, err := a.w.owner.Launch(t.Context(), a.id, localapi.LaunchRequest{})
	wantCode(t, "launch during the update", err, asset.CodeState)
	a.server.SetRate(0)
	a.wantGate(a.open().Gate, asset.WhyReady)
	a.untilTaken("two")
}

func TestClassic_2_3_ProgressIsEstimatedFromTheAllowance(t *testing.T) {
	row(t, "classic §2.3", "Before the extension has answered, the essential share is estimated from BAEssentialDownloadAllowance", "one stream of progress per installation; its total is the allowance and marked as estimated")
	a := newApp(t, shared(t))
	a.restrict(10, 123456)
	a.script.On = map[string][]step{"downloads": {{Do: "await", Arg: "go"}}}
	a.install(a.put("x", 1000, true))
	a.untilCalled("downloads", 1)
	for p, err := range a.w.owner.Progress(t.Context(), a.id) {
		if err != nil || !p.Estimated || p.TotalBytes != 123456 || p.Done {
			t.Errorf("progress: %v, %s", err, pretty(p))
		}
		break
	}
	a.mark("go")
	a.open()
}

func TestClassic_2_3_ProgressIsTheSumOfFileSizes(t *testing.T) {
	row(t, "classic §2.3", "Afterwards the total is the sum of the declared sizes of the essential downloads", "so it is, not estimated; it ends with all bytes and Done")
	a := newApp(t, shared(t))
	p := a.installed(a.put("x", 1000, true), a.put("y", 500, true), a.put("z", 7000, false))
	if p.Estimated || p.TotalBytes != 1500 || p.Bytes != 1500 || p.Count != 2 || p.Finished != 2 || !p.Done {
		t.Errorf("progress: %s", pretty(p))
	}
}
