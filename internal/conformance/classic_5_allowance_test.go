package conformance

import (
	"net/http"
	"strconv"
	"testing"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
)

// stream serves bytes without saying how many, until release is called or n came.
func (a *app) stream(name string, n int64, whole bool) asset.Download {
	a.server.Put("/"+name, fault.File{Content: content(name, n), Chunked: !whole})
	return asset.Download{Identifier: name, URL: a.server.URL + "/" + name}
}

// left is what the API says is left of the allowances; -1 is unrestricted.
func left(st asset.AppStatus) (others, essential int64) {
	others, essential = -1, -1
	if n := st.RestrictedDownloadSizeRemaining; n != nil {
		others = *n
	}
	if n := st.RestrictedEssentialDownloadSizeRemaining; n != nil {
		essential = *n
	}
	return others, essential
}

func (a *app) wantLeft(what string, others, essential int64) {
	a.Helper()
	if o, e := left(a.status()); o != others || e != essential {
		a.Errorf("%s: %d and, of essential ones, %d bytes are left; want %d and %d", what, o, e, others, essential)
	}
}

func (a *app) control(action localapi.Action) {
	a.Helper()
	if _, err := a.w.owner.Control(a.Context(), a.id, action); err != nil {
		a.Fatal(err)
	}
}

// manifest is the size of the app's manifest.
func (a *app) manifest() int64 { return int64(len("what " + string(a.id) + " has")) }

func TestClassic_5_Code203_ManifestOverTheAllowance(t *testing.T) {
	row(t, "classic §5", "203 sessionDownloadDisallowedByAllowance: refused, the allowance would run out (seen for the manifest)", "the manifest counts against BAEssentialDownloadAllowance; what does not fit fails with 203, the gate opens, the extension hears of it")
	a := newApp(t, shared(t))
	a.restrict(1000, a.manifest()-1)
	a.wantGate(a.installed(a.put("x", 10, false)).Gate, asset.WhyManifest)
	if h := a.untilCalled("failed", 1); !h.Download.Manifest || h.Cause.Code != asset.CodeDisallowedByAllowance || h.Cause.Domain != asset.DomainBA {
		t.Errorf("told: %s", pretty(h))
	}
	if len(a.calls("downloads")) != 0 {
		t.Error("the extension was asked")
	}
	a.wantLeft("nothing of it was taken", 1000, a.manifest()-1)
}

func TestClassic_5_Code203_ManifestOfUnknownLength(t *testing.T) {
	row(t, "classic §5", "203, when the server does not say how long the manifest is", "it is stopped where the allowance ends; the next one, with nothing left, is not even asked for")
	a := newApp(t, shared(t))
	a.server.Put("/manifest", fault.File{Content: content("manifest", 4<<20), Chunked: true})
	a.restrict(1000, 3<<20)
	a.wantGate(a.installed().Gate, asset.WhyManifest)
	if h := a.untilCalled("failed", 1); h.Cause.Code != asset.CodeDisallowedByAllowance {
		t.Errorf("told: %s", pretty(h.Cause))
	}
	a.wantLeft("all of it came", 1000, 0)
	a.update()
	a.wantGate(a.open().Gate, asset.WhyManifest)
	if h := a.untilCalled("failed", 2); h.Cause.Code != asset.CodeDisallowedByAllowance || len(a.asked("/manifest")) != 1 {
		t.Errorf("the second: %s, asked %d times", pretty(h.Cause), len(a.asked("/manifest")))
	}
	a.launch()
	a.serve("/manifest", "small")
	a.update()
	a.wantGate(a.open().Gate, asset.WhyReady)
}

func TestClassic_1_UnusedAllowance(t *testing.T) {
	row(t, "classic §1", "BAEssentialDownloadAllowance includes the manifest (WWDC23); 0 is acceptable for an allowance that is not used", "our call: where it is 0, the manifest counts against BADownloadAllowance")
	a := newApp(t, shared(t))
	a.restrict(1000, 0)
	a.wantGate(a.installed().Gate, asset.WhyReady)
	a.wantLeft("after the manifest", 1000-a.manifest(), 0)
}

func TestClassic_5_Code204_InFlight(t *testing.T) {
	row(t, "classic §5", "204 sessionDownloadAllowanceExceeded: stopped, the allowance was passed", "when the real bytes of a file of unknown size come to what is left, also beside another that has its size reserved; not one byte more is stored")
	a := newApp(t, shared(t))
	a.restrict(3<<20, 1000)
	sized, release := a.trickle("sized", 1<<20, false)
	fits, over := a.stream("fits", 1<<20, false), a.stream("over", 4<<20, false)
	a.installed(sized, fits)
	a.untilState("fits", asset.StateFinished)
	a.wantLeft("one is reserved, one came", 1<<20, 1000-a.manifest())
	a.update(sized, over)
	a.untilState("over", asset.StateFailed)
	a.wantFailed(a.status(), "over", asset.CodeAllowanceExceeded)
	a.wantLeft("with the third", 0, 1000-2*a.manifest())
	release()
	a.untilTaken("sized")
	a.wantLeft("at the end", 0, 1000-2*a.manifest())
	a.holds("sized", 1<<20)
}

func TestClassic_5_Code204_AnnouncedTooLong(t *testing.T) {
	row(t, "classic §5", "204, when the server announces more than is left", "it is stopped before its first byte, and nothing is taken of the allowance; after the launch it goes")
	a := newApp(t, shared(t))
	a.restrict(1000, 1000)
	d := a.stream("x", 1001, true)
	a.installed(d)
	a.untilState("x", asset.StateFailed)
	a.wantFailed(a.status(), "x", asset.CodeAllowanceExceeded)
	a.wantLeft("nothing came", 1000, 1000-a.manifest())
	if h := a.untilCalled("failed", 1); h.Cause.Code != asset.CodeAllowanceExceeded || h.Cause.Help == "" {
		t.Errorf("told: %s", pretty(h.Cause))
	}
	a.launch()
	a.schedule(a.manager(), d)
	a.untilTaken("x")
	a.wantLeft("after the launch", -1, -1)
}

func TestClassic_5_Code206_BeforeTheFirstLaunch(t *testing.T) {
	row(t, "classic §5", "206 sessionDownloadNotPermittedBeforeAppLaunch: may not be scheduled before the first launch", "our call: what a process of the app itself asks for before larder launch, in the foreground too; afterwards it goes")
	a := newApp(t, shared(t))
	a.installed()
	m := a.active()
	d := a.put("x", 1000, false)
	_, err := m.Schedule(t.Context(), d)
	wantCode(t, "schedule", err, asset.CodeNotPermittedBeforeAppLaunch)
	_, err = m.StartForeground(t.Context(), d)
	wantCode(t, "foreground", err, asset.CodeNotPermittedBeforeAppLaunch)
	if len(a.status().Downloads) != 0 {
		t.Error("it was scheduled")
	}
	a.launch()
	a.schedule(m, d)
	a.untilTaken("x")
}

func TestClassic_5_Code206_ContentOff(t *testing.T) {
	row(t, "classic §5", "206, with In-App Content off", "an extension that runs while the person switches it off, before the first launch, may schedule nothing")
	w := newWorld(t)
	a := newApp(t, w)
	d := a.put("copy", 10, false)
	a.script.On = map[string][]step{"failed": {{Do: "await", Arg: "go"}, {Do: "schedule", Download: &d}}}
	a.installed(a.file("x", fault.File{Content: content("x", 10), Script: "status=404:*"}, false))
	a.untilCalled("failed", 1)
	if _, err := w.owner.SetSettings(t.Context(), localapi.SettingsChange{InAppContent: new(bool)}); err != nil {
		t.Fatal(err)
	}
	a.mark("go")
	if h := a.untilDid("schedule", 1); h.Err == nil || h.Err.Code != asset.CodeNotPermittedBeforeAppLaunch {
		t.Errorf("scheduled: %s", pretty(h))
	}
	if find(a.status(), "copy").Identifier != "" {
		t.Error("it was enqueued")
	}
}

func TestClassic_5_Code112_WhenTheExtensionSchedules(t *testing.T) {
	row(t, "classic §5", "112 and 202 hold for what the extension schedules by itself before the first launch", "112 with the bytes that are left, 202 with the host; what fits and is listed goes")
	a := newApp(t, shared(t))
	a.restrict(1000, 1000)
	over, fits, away := a.put("over", 1001, false), a.put("fits", 1000, false), a.put("away", 1, false)
	away.URL = elsewhere(a, "/away")
	a.script.On = map[string][]step{"failed": {{Do: "schedule", Download: &over}, {Do: "schedule", Download: &away}, {Do: "schedule", Download: &fits}}}
	a.installed(a.file("x", fault.File{Content: content("x", 10), Script: "status=404:*"}, true))
	for n, code := range []asset.Code{asset.CodeWouldExceedAllowance, asset.CodeDisallowedByDomain} {
		if h := a.untilDid("schedule", n+1); h.Err == nil || h.Err.Code != code {
			t.Errorf("scheduled: %s; want %d", pretty(h), code)
		}
	}
	a.untilTaken("fits")
	a.wantLeft("of the two", 0, 1000-a.manifest())
}

func TestClassic_2_6_FailuresGiveBackWhatDidNotCome(t *testing.T) {
	row(t, "classic §2.6", "What is left counts the bytes on the wire", "a download that fails gives back all but the bytes that came; what was never scheduled takes nothing")
	a := newApp(t, shared(t))
	a.restrict(4<<20, 4<<20)
	a.server.Handle("/half", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(a.asked("/half")) > 1 {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"half"`)
		w.Header().Set("Content-Length", strconv.Itoa(2<<20))
		_, _ = w.Write(make([]byte, 1<<20))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	half := asset.Download{Identifier: "half", URL: a.server.URL + "/half", FileSize: 2 << 20}
	a.installed(half, a.file("none", fault.File{Content: content("none", 1<<20), Script: "status=404:*"}, false), a.put("never", 5<<20, false))
	for _, name := range []string{"half", "none", "never"} {
		a.untilState(name, asset.StateFailed)
	}
	a.wantLeft("half of one came", 3<<20, 4<<20-a.manifest())
	a.update()
	a.open()
	if i := a.calls("downloads")[1].Info; *i.RestrictedDownloadSizeRemaining != 3<<20 || *i.RestrictedEssentialDownloadSizeRemaining != 4<<20-2*a.manifest() {
		t.Errorf("the extension is told %s", pretty(i))
	}
}

func TestClassic_2_6_ResumingCountsNoByteTwice(t *testing.T) {
	row(t, "classic §2.6", "What is left during a transfer, and after a pause and a restart of the service", "the declared size is reserved as a whole; bytes that are resumed count once, bytes that have to come again count again")
	a := newApp(t, newWorld(t))
	a.restrict(10<<20, 10<<20)
	d := a.file("x", fault.File{Content: content("x", 4<<20), Rate: 2 << 20}, true)
	again := a.file("again", fault.File{Content: content("again", 1<<20), ETag: "none", Script: "drop@524288:1"}, false)
	a.install(d, again)
	a.untilFlowing("x", 1<<20)
	others, essential := int64(9<<20), int64(6<<20)-a.manifest()
	a.wantLeft("while it runs", others, essential)
	a.control(localapi.ActionPause)
	a.wantLeft("while it is paused", others, essential)
	a.w.restart(t)
	a.wantLeft("after a restart", others, essential)
	a.control(localapi.ActionResume)
	a.open()
	a.untilTaken("x")
	a.untilTaken("again")
	if o, e := left(a.status()); o != others-1<<19 || e != essential {
		t.Errorf("half of the second came twice: %d and %d are left; want %d and %d", o, e, others-1<<19, essential)
	}
}

func TestDesign_12_AdoptedDownloadsCountOnce(t *testing.T) {
	row(t, "design §12", "An answer names again what is in hand, before the first launch", "its size stays reserved once; a longer one takes the difference, and what was dropped gives back what did not come")
	a := newApp(t, shared(t))
	a.restrict(10<<20, 10<<20)
	slow, _ := a.trickle("slow", 6<<20, false)
	a.installed(slow)
	a.wantLeft("once", 4<<20, 10<<20-a.manifest())
	a.update(slow, a.put("more", 4<<20, false))
	a.open()
	if d := find(a.status(), "more"); d.State == asset.StateFailed {
		t.Errorf("what fits beside it is refused: %s", pretty(d))
	}
	a.wantLeft("twice named", 0, 10<<20-2*a.manifest())
}
