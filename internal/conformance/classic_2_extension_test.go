package conformance

import (
	"os"
	"slices"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
)

func TestClassic_2_5_NothingIsScheduledWhileAnswering(t *testing.T) {
	row(t, "classic §2.5", "While the extension answers, the manager refuses its scheduling: everything is in the answer", "error 1015; the answer counts")
	a := newApp(t, shared(t))
	d := a.put("x", 1000, false)
	a.script.On = map[string][]step{"downloads": {{Do: "schedule", Download: &d}}}
	a.installed(a.put("y", 1000, false))
	if h := a.untilDid("schedule", 1); h.Err == nil || h.Err.Code != asset.CodeState {
		t.Errorf("scheduling: %s", pretty(h))
	}
	a.untilTaken("y")
	if find(a.status(), "x").Identifier != "" {
		t.Error("x was scheduled")
	}
}

func TestClassic_2_5_ManifestIsRemovedAfterTheCall(t *testing.T) {
	row(t, "classic §2.5", "The manifest is a local file that is deleted when the call returns", "so it is")
	a := newApp(t, shared(t))
	a.installed()
	c := a.calls("downloads")[0]
	a.until("the manifest is gone", func(asset.AppStatus) bool {
		_, err := os.Stat(c.Path)
		return os.IsNotExist(err)
	})
}

func TestClassic_2_5_ElementsAreUnique(t *testing.T) {
	row(t, "classic §2.5", "Elements of the answer must be unique", "the second of one identifier is refused (100); the others go on")
	a := newApp(t, shared(t))
	x := a.put("x", 1000, true)
	p := a.installed(x, a.put("y", 1000, true), x)
	a.wantGate(p.Gate, asset.WhyEssential)
	h := a.untilCalled("failed", 1)
	if h.Cause.Code != asset.CodeAlreadyScheduled || h.Download.Identifier != "x" {
		t.Errorf("told: %s", pretty(h))
	}
	a.look("finished", func() []heard { return a.calls("finished") }, 2)
	a.holds("y", 1000)
}

func TestClassic_2_5_EmptyAnswerIsLegal(t *testing.T) {
	row(t, "classic §2.5", "Returning an empty set is legal", "the gate opens; nothing is fetched")
	a := newApp(t, shared(t))
	a.wantGate(a.installed().Gate, asset.WhyReady)
	if st := a.status(); len(st.Downloads) != 0 || len(a.server.Requests()) != 1 {
		t.Errorf("downloads %s after %d requests", pretty(st.Downloads), len(a.server.Requests()))
	}
}

func TestClassic_2_5_EntryPointsHaveDefaults(t *testing.T) {
	row(t, "classic §2.5", "All entry points of the extension have default implementations", "one that only answers downloads works; a file it does not take waits for the app")
	a := newApp(t, shared(t))
	a.script.Minimal = true
	a.launched(a.put("x", 1000, true), a.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, false))
	d := a.untilState("x", asset.StateFinished)
	a.untilState("bad", asset.StateFailed)
	if d.FilePath == "" {
		d = find(a.status(), "x")
	}
	a.fileHolds(d.FilePath, "x", 1000)
}

func TestClassic_2_6_RemainingBeforeTheFirstLaunch(t *testing.T) {
	row(t, "classic §2.6", "The extension learns what is left of both allowances", "both in bytes at install; what the answer took is gone at the next request before a launch")
	a := newApp(t, shared(t))
	a.restrict(10000, 20000)
	a.installed(a.put("x", 1000, true), a.put("y", 400, false))
	a.untilTaken("x", "y")
	a.update()
	a.open()
	c := a.calls("downloads")
	one, two := c[0].Info, c[1].Info
	if one.RestrictedDownloadSizeRemaining == nil || *one.RestrictedDownloadSizeRemaining != 10000 || two.RestrictedDownloadSizeRemaining == nil || *two.RestrictedDownloadSizeRemaining != 9600 {
		t.Errorf("non-essential: %s, then %s", pretty(one), pretty(two))
	}
	if one.RestrictedEssentialDownloadSizeRemaining == nil || two.RestrictedEssentialDownloadSizeRemaining == nil {
		t.Fatalf("essential: %s, then %s", pretty(one), pretty(two))
	}
	manifest := int64(len("what " + a.id + " has"))
	first, second := *one.RestrictedEssentialDownloadSizeRemaining, *two.RestrictedEssentialDownloadSizeRemaining
	if first > 20000 || first < 20000-manifest || first-second < 1000 || first-second > 1000+manifest {
		t.Errorf("essential: %d, then %d", first, second)
	}
}

func TestClassic_2_6_NothingIsRestrictedAfterTheFirstLaunch(t *testing.T) {
	row(t, "classic §2.6", "Both figures are nil when the app is unrestricted: after its first launch, for good", "so they are at the next update, and more than the allowance is fetched")
	a := newApp(t, shared(t))
	a.restrict(0, 10000)
	a.launched()
	a.update(a.put("x", 50000, true))
	a.wantGate(a.open().Gate, asset.WhyReady)
	if i := a.calls("downloads")[1].Info; i.RestrictedDownloadSizeRemaining != nil || i.RestrictedEssentialDownloadSizeRemaining != nil {
		t.Errorf("after the launch: %s", pretty(i))
	}
}

func TestClassic_2_7_FailedMayRequeueACopy(t *testing.T) {
	row(t, "classic §2.7", "Told of a failure, the extension may schedule a non-essential copy", "so it may; the copy is another download and succeeds on its own")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"failed": {{Do: "requeue"}}}
	p := a.installed(a.file("x", fault.File{Content: content("x", 1000), Script: "status=404:1"}, true))
	a.wantGate(p.Gate, asset.WhyEssential)
	a.untilTaken("x")
	a.holds("x", 1000)
	if h := a.untilDid("requeue", 1); h.Err != nil || h.Download.UniqueIdentifier == find(a.status(), "x").UniqueIdentifier {
		t.Errorf("requeued: %s", pretty(h))
	}
}

func TestClassic_2_7_ResultsOfTheAppsDownloadsComeToo(t *testing.T) {
	row(t, "classic §2.7", "The extension may hear of downloads that the app scheduled", "it takes them like its own")
	a := newApp(t, shared(t))
	a.launched()
	a.schedule(a.manager(), a.put("x", 1000, false))
	a.untilTaken("x")
	if h := a.calls("finished"); len(h) != 1 || h[0].Download.Identifier != "x" {
		t.Errorf("told: %s", pretty(h))
	}
}

func TestClassic_2_7_AppAndExtensionRunAtOnce(t *testing.T) {
	row(t, "classic §2.7", "App and extension may run at the same time", "the app schedules and lists while the extension is inside a call")
	a := newApp(t, shared(t))
	a.launched()
	a.script.On = map[string][]step{"finished": {{Do: "take"}, {Do: "await", Arg: "go"}}}
	a.tell()
	m := a.manager()
	a.schedule(m, a.put("x", 1000, false))
	a.untilDid("take", 1)
	st := a.schedule(m, a.put("y", 1000, false))
	if list, err := m.CurrentDownloads(t.Context()); err != nil || !slices.ContainsFunc(list, func(d asset.DownloadStatus) bool { return d.UniqueIdentifier == st.UniqueIdentifier }) && find(a.status(), "y").State != asset.StateFinished {
		t.Errorf("listed: %v, %s", err, pretty(list))
	}
	a.mark("go")
	a.untilTaken("x", "y")
}

func TestClassic_2_8_TimeIsCountedPerDay(t *testing.T) {
	row(t, "classic §2.8", "CONFLICT: ten minutes a day, or a few; further launches are refused; a simulated event resets it", "our call: ten minutes inside calls per day (UTC); then the gate opens with that reason; simulate resets it")
	w := newWorld(t)
	a := newApp(t, w)
	a.installed()
	spendBudget(t, w, a.id)
	a.update(a.put("x", 1000, true))
	p := a.open()
	a.wantGate(p.Gate, asset.WhyExtension)
	if len(a.calls("downloads")) != 1 || !strings.Contains(p.Gate.Reason.Message, "10 minutes") {
		t.Errorf("%d calls, %s", len(a.calls("downloads")), pretty(p.Gate))
	}
	if _, err := w.owner.Simulate(t.Context(), a.id, localapi.SimulateInstall); err != nil {
		t.Fatal(err)
	}
	a.wantGate(a.open().Gate, asset.WhyReady)
}

func TestClassic_2_8_MemoryIsLimited(t *testing.T) {
	row(t, "classic §2.8", "An extension that uses too much memory is killed", "our call: above 256 MiB; the gate opens with that reason")
	a := newApp(t, shared(t))
	a.script.On = map[string][]step{"downloads": {{Do: "grow"}}}
	p := a.installed()
	a.wantGate(p.Gate, asset.WhyExtension)
	if !strings.Contains(p.Gate.Reason.Message, "of memory; 256 MiB are allowed") {
		t.Error(p.Gate.Reason.Message)
	}
}

func TestClassic_2_8_ItDoesNotLiveDuringTransfers(t *testing.T) {
	row(t, "classic §2.8", "The extension need not live during transfers, and what it kept in memory is lost", "its process ends after the answer; results come to a new one")
	a := newApp(t, shared(t))
	a.install(a.file("x", fault.File{Content: content("x", 2<<20), Rate: 1 << 20}, true))
	a.untilFlowing("x", 1)
	asked := a.calls("downloads")[0]
	a.untilEnded(asked)
	if a.status().Gate.Open {
		t.Error("the transfer had ended already")
	}
	a.untilTaken("x")
	if h := a.calls("finished")[0]; h.Process == asked.Process {
		t.Error("the same process was asked again")
	}
}

func TestClassic_2_9_ContentOffHoldsBackAllBeforeTheFirstLaunch(t *testing.T) {
	row(t, "classic §2.9", "In-app content off: no essential downloads and no extension before the first launch; the rest works", "the gate is open with that reason, nothing is asked or fetched; the launch lifts it")
	a := newApp(t, newWorld(t))
	off := false
	if _, err := a.w.owner.SetSettings(t.Context(), localapi.SettingsChange{InAppContent: &off}); err != nil {
		t.Fatal(err)
	}
	p := a.installed(a.put("x", 1000, true))
	a.wantGate(p.Gate, asset.WhyContentOff)
	if len(a.server.Requests()) != 0 || len(a.calls("downloads")) != 0 {
		t.Error("something was asked for")
	}
	a.launch()
	a.untilTaken("x")
}

func TestClassic_2_9_EssentialGuaranteesNothing(t *testing.T) {
	row(t, "classic §2.9", "Essential never guarantees presence: the app must cope with a missing asset", "the app starts all the same, sees that it is missing, and may fetch it itself")
	a := newApp(t, shared(t))
	a.launched(a.file("x", fault.File{Content: content("x", 1000), Script: "status=404:1"}, true))
	a.untilCalled("failed", 1)
	if a.exists("x") {
		t.Fatal("it is there")
	}
	a.schedule(a.manager(), a.put("x", 1000, false))
	a.untilTaken("x")
}
