package conformance

import (
	"net/http"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
)

func TestDesign_12_EssentialInAPeriodicAnswer(t *testing.T) {
	row(t, "design §12", "An essential download in a periodic answer", "that one is refused (109), the rest goes on")
	a := newApp(t, shared(t))
	a.launched()
	a.script.Answer = []asset.Download{a.put("must", 1000, true), a.put("may", 1000, false)}
	a.tell()
	a.simulate(localapi.SimulatePeriodic)
	a.untilTaken("may")
	a.wantFailed(a.status(), "must", asset.CodeEssentialNotPermitted)
}

func TestDesign_12_LowPowerAtAnInstallation(t *testing.T) {
	row(t, "design §12", "Low power or background refresh off at an installation: UNCONFIRMED", "the extension is still asked once, and essential downloads run and are handed over; all others wait with that reason")
	w := newWorld(t)
	a := newApp(t, w)
	w.simulateDevice(t, asset.FactLowPower, asset.Yes)
	a.wantGate(a.installed(a.put("must", 1000, true), a.put("may", 1000, false)).Gate, asset.WhyReady)
	a.untilTaken("must")
	if d := find(a.status(), "may"); d.State != asset.StateWaiting || d.Reason == nil || d.Reason.Code != asset.WhyLowPower || len(a.asked("/may")) != 0 {
		t.Errorf("the other one is %s", pretty(d))
	}
	w.simulateDevice(t, asset.FactLowPower, asset.No)
	a.untilTaken("may")
	if n := len(a.calls("downloads")); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestDesign_12_MeteredNetwork(t *testing.T) {
	row(t, "design §12", "A metered network", "files wait within two seconds, with their bytes and that reason, also essential ones; manifests go; the setting meteredRule allows all")
	w := newWorld(t)
	a := newApp(t, w)
	d, release := a.trickle("x", 1<<20, true)
	a.install(d)
	a.untilFlowing("x", 4<<10)
	begun := time.Now()
	w.simulateDevice(t, asset.FactMetered, asset.Yes)
	st := a.untilState("x", asset.StateWaiting)
	if took := time.Since(begun); took > crowd*2*time.Second || st.Reason == nil || st.Reason.Code != asset.WhyMetered || st.Bytes < 4<<10 {
		t.Errorf("after %v it is %s", took, pretty(st))
	}
	for p, err := range w.owner.Progress(t.Context(), a.id) {
		if err != nil || p.Reason == nil || p.Reason.Code != asset.WhyMetered {
			t.Errorf("progress: %v, %s", err, pretty(p))
		}
		break
	}
	asked := len(a.asked("/x"))
	a.update(d)
	a.untilCalled("downloads", 2)
	rule := "allow"
	release()
	if n := len(a.asked("/x")); n != asked {
		t.Errorf("%d requests for a file on a metered network", n-asked)
	}
	if _, err := w.owner.SetSettings(t.Context(), localapi.SettingsChange{MeteredRule: &rule}); err != nil {
		t.Fatal(err)
	}
	a.untilTaken("x")
}

func TestDesign_12_UnknownMetered(t *testing.T) {
	row(t, "design §12", "A network of which nobody knows whether it is metered", "counts as unmetered, and status says that it is unknown")
	w := newWorld(t)
	a := newApp(t, w)
	w.simulateDevice(t, asset.FactMetered, asset.Unknown)
	a.launched(a.put("x", 1000, false))
	a.untilTaken("x")
	if st, err := w.owner.Status(t.Context(), ""); err != nil || st.Device.Metered != asset.Unknown {
		t.Errorf("status: %v, %s", err, pretty(st.Device))
	}
}

func TestDesign_12_NotBeforeHoldsAcrossChecks(t *testing.T) {
	row(t, "design §12", "A server asks not to be bothered before a time", "also a good answer to a manifest request may; the next periodic check obeys, for a day at most")
	a := newApp(t, shared(t))
	a.server.Handle("/manifest", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "864000")
		_, _ = w.Write([]byte("{}"))
	}))
	a.installed()
	for range 200 { // by its use alone, the next check would come within hours
		a.launch()
	}
	c := a.status().Check
	if c == nil || c.Next == nil {
		t.Fatalf("the check: %s", pretty(c))
	}
	if wait := time.Until(*c.Next); wait < 23*time.Hour || wait > 24*time.Hour {
		t.Errorf("the next check is in %v", wait)
	}
}

func TestClassic_4_2_ForegroundOnAMeteredNetwork(t *testing.T) {
	row(t, "classic §4.2", "startForegroundDownload starts now, regardless of battery or network state", "in low power and on a metered network, while the same in the background waits; our call: only the person's own rule, meteredRule never, holds it, at once and with its bytes")
	w := newWorld(t)
	a := newApp(t, w)
	a.bare = true
	a.launched()
	m := a.active()
	d := a.file("x", fault.File{Content: content("x", 1<<30), Rate: 1 << 20}, false)
	a.schedule(m, d)
	a.schedule(m, a.put("other", 10, false))
	a.untilState("other", asset.StateFinished)
	w.simulateDevice(t, asset.FactMetered, asset.Yes)
	a.untilWaits("x", asset.WhyMetered)
	w.simulateDevice(t, asset.FactLowPower, asset.Yes)
	if _, err := m.StartForeground(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	st := a.untilState("x", asset.StateDownloading)
	rule := func(word string) {
		if _, err := w.owner.SetSettings(t.Context(), localapi.SettingsChange{MeteredRule: &word}); err != nil {
			t.Fatal(err)
		}
	}
	rule("never")
	a.untilWaits("x", asset.WhyMetered)
	rule("wait")
	if after := a.untilState("x", asset.StateDownloading); after.Bytes < st.Bytes {
		t.Errorf("%d bytes before and %d after", st.Bytes, after.Bytes)
	}
	if err := m.Cancel(t.Context(), find(a.status(), "x").UniqueIdentifier); err != nil {
		t.Fatal(err)
	}
}
