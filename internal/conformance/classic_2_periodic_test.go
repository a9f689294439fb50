package conformance

import (
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

func (a *app) simulate(event localapi.Simulation) {
	a.Helper()
	if _, err := a.w.owner.Simulate(a.Context(), a.id, event); err != nil {
		a.Fatal(err)
	}
}

func (w *world) simulateDevice(t *testing.T, fact asset.Fact, answer asset.Answer) {
	t.Helper()
	if _, err := w.owner.SimulateDevice(t.Context(), fact, answer); err != nil {
		t.Fatal(err)
	}
}

func TestClassic_2_1_PeriodicIsRequestThree(t *testing.T) {
	row(t, "classic §2.1", "When the system decides that it is time to check for new content, periodic (3)", "the extension is asked with periodic")
	a := newApp(t, shared(t))
	a.launched()
	a.simulate(localapi.SimulatePeriodic)
	if h := a.untilCalled("downloads", 2); h.Request != asset.RequestPeriodic || h.Request.Number() != 3 {
		t.Errorf("asked: %s", pretty(h))
	}
}

func TestClassic_2_1_LanguageChangeIsRequestFour(t *testing.T) {
	row(t, "classic §2.1", "The person changed the app's language: languageChange (4); UNCONFIRMED whether an unmanaged extension gets it", "our call: it does, with the language; once for each change")
	a := newApp(t, shared(t))
	a.installed()
	language := "pt-BR"
	for range 2 {
		if _, err := a.w.owner.SetAppSettings(t.Context(), a.id, localapi.AppSettingsChange{Language: &language}); err != nil {
			t.Fatal(err)
		}
		if h := a.untilCalled("downloads", 2); h.Request != asset.RequestLanguageChange || h.Request.Number() != 4 || h.Info.Language != language {
			t.Errorf("asked: %s", pretty(h))
		}
		a.until("the round has ended", func(st asset.AppStatus) bool { return st.State == asset.AppReady })
	}
	if n := len(a.calls("downloads")); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestClassic_2_4_PeriodicBlocksNothing(t *testing.T) {
	row(t, "classic §2.4", "The manifest comes first, then the call; the app's launch is not blocked (implied)", "the same flow; the gate stays open all the time")
	a := newApp(t, shared(t))
	a.launched()
	d, release := a.trickle("x", 1<<20, false)
	a.script.Answer = []asset.Download{d}
	a.tell()
	manifests := len(a.asked("/manifest"))
	a.simulate(localapi.SimulatePeriodic)
	a.untilFlowing("x", 1)
	if n := len(a.asked("/manifest")); n != manifests+1 {
		t.Errorf("the manifest was asked for %d times", n-manifests)
	}
	if st := a.status(); !st.Gate.Open {
		t.Errorf("the gate is %s", pretty(st.Gate))
	}
	a.launch()
	release()
	a.untilTaken("x")
}

func TestClassic_2_4_PeriodicFollowsUse(t *testing.T) {
	row(t, "classic §2.4", "At a moment the device picks, by use of the app; unused apps fade out. No interval is documented", "our call: never before the first launch; then a status tells when, between ten minutes and a week after")
	a := newApp(t, shared(t))
	a.installed()
	if c := a.status().Check; c == nil || c.Next != nil || c.Reason == nil || c.Reason.Code != asset.WhyNotLaunched {
		t.Errorf("before the first launch: %s", pretty(c))
	}
	a.launch()
	c := a.status().Check
	if c == nil || c.Next == nil || c.Last == nil {
		t.Fatalf("after it: %s", pretty(c))
	}
	if wait := time.Until(*c.Next); wait < 9*time.Minute || wait > 9*24*time.Hour {
		t.Errorf("the next check is in %v", wait)
	}
}

func TestClassic_2_9_LowPowerStopsTheBackground(t *testing.T) {
	row(t, "classic §2.9", "In Low Power Mode the extension never runs", "no check and no call of it; a download that nobody waits for stops with its bytes, with that reason, and goes on afterwards")
	w := newWorld(t)
	a := newApp(t, w)
	d, release := a.trickle("x", 1<<20, false)
	a.launched(d)
	a.untilFlowing("x", 4<<10)
	w.simulateDevice(t, asset.FactLowPower, asset.Yes)
	st := a.untilState("x", asset.StateWaiting)
	if st.Reason == nil || st.Reason.Code != asset.WhyLowPower || st.Reason.Unblock == "" || st.Bytes == 0 {
		t.Errorf("in low power it is %s", pretty(st))
	}
	a.simulate(localapi.SimulatePeriodic)
	if c := a.status().Check; c == nil || c.Reason == nil || c.Reason.Code != asset.WhyLowPower {
		t.Errorf("the check: %s", pretty(c))
	}
	release()
	w.simulateDevice(t, asset.FactLowPower, asset.No)
	a.untilCalled("downloads", 2)
	a.untilTaken("x")
	if first := a.calls("downloads")[1]; first.Request != asset.RequestPeriodic {
		t.Errorf("asked: %s", pretty(first))
	}
}

func TestClassic_2_9_RefreshOffStopsTheBackground(t *testing.T) {
	row(t, "classic §2.9", "With Background App Refresh off, globally or for the app, the extension never runs", "as in low power, by settings that apply at once")
	w := newWorld(t)
	a := newApp(t, w)
	a.launched()
	off, on := false, true
	a.script.Answer = []asset.Download{a.put("x", 1000, false)}
	a.tell()
	for n, set := range []func(*bool) error{
		func(v *bool) error {
			_, err := w.owner.SetSettings(t.Context(), localapi.SettingsChange{BackgroundRefresh: v})
			return err
		},
		func(v *bool) error {
			_, err := w.owner.SetAppSettings(t.Context(), a.id, localapi.AppSettingsChange{BackgroundRefresh: v})
			return err
		},
	} {
		if err := set(&off); err != nil {
			t.Fatal(err)
		}
		a.simulate(localapi.SimulatePeriodic)
		if c := a.status().Check; c == nil || c.Reason == nil || c.Reason.Code != asset.WhyRefreshOff || len(a.calls("downloads")) != n+1 {
			t.Errorf("with it off: %s", pretty(c))
		}
		if err := set(&on); err != nil {
			t.Fatal(err)
		}
		a.untilCalled("downloads", n+2)
		a.until("the round has ended", func(st asset.AppStatus) bool { return st.State == asset.AppReady })
	}
	a.untilTaken("x")
}

func TestClassic_5_111_BackgroundActivityProhibited(t *testing.T) {
	row(t, "classic §5", "111 downloadBackgroundActivityProhibited: background activity is not allowed", "scheduling in low power or with background refresh off, by app and extension; nothing is enqueued; foreground downloads go")
	w := newWorld(t)
	a := newApp(t, w)
	d := a.put("x", 1000, false)
	a.script.On = map[string][]step{"failed": {{Do: "requeue"}}}
	w.simulateDevice(t, asset.FactRefresh, asset.No)
	gone := a.put("gone", 1000, true)
	gone.URL += "-away"
	a.launched(gone)
	if h := a.untilDid("requeue", 1); h.Err == nil || h.Err.Code != asset.CodeBackgroundActivityProhibited {
		t.Errorf("by the extension: %s", pretty(h))
	}
	m := a.active()
	_, err := m.Schedule(t.Context(), d)
	wantCode(t, "schedule", err, asset.CodeBackgroundActivityProhibited)
	if find(a.status(), "x").Identifier != "" {
		t.Error("it was enqueued")
	}
	if _, err := m.StartForeground(t.Context(), d); err != nil {
		t.Error("in the foreground:", err)
	}
	a.untilState("x", asset.StateFinished)
}

func TestClassic_6_SimulateDrivesTheRealService(t *testing.T) {
	row(t, "classic §6", "A tool delivers the content requests install, update and periodic, and resets the budget", "larder simulate, with languageChange, first-launch state and what the device is like beside them; status shows what is simulated")
	w := newWorld(t)
	a := newApp(t, w)
	a.restrict(1000, 1000)
	a.launched()
	for n, event := range []localapi.Simulation{localapi.SimulateInstall, localapi.SimulateUpdate, localapi.SimulatePeriodic, localapi.SimulateLanguageChange} {
		a.simulate(event)
		if h := a.untilCalled("downloads", n+2); string(h.Request) != string(event) || h.Info.RestrictedDownloadSizeRemaining != nil {
			t.Errorf("%s asked: %s", event, pretty(h))
		}
		a.until("the round has ended", func(st asset.AppStatus) bool { return st.State == asset.AppReady })
	}
	a.simulate(localapi.SimulateFirstLaunchState)
	a.simulate(localapi.SimulateInstall)
	if h := a.untilCalled("downloads", 6); h.Info.RestrictedDownloadSizeRemaining == nil || *h.Info.RestrictedDownloadSizeRemaining != 1000 {
		t.Errorf("as before the first launch: %s", pretty(h.Info))
	}
	for _, fact := range []asset.Fact{asset.FactLowPower, asset.FactMetered, asset.FactOffline, asset.FactLowDisk} {
		w.simulateDevice(t, fact, asset.Yes)
	}
	st, err := w.owner.Status(t.Context(), "")
	if err != nil || len(st.Device.Simulated) != 4 || st.Device.LowPower != asset.Yes || st.Device.Metered != asset.Yes || st.Device.Online != asset.No {
		t.Errorf("status: %v, %s", err, pretty(st.Device))
	}
	if f, err := w.owner.ResetDevice(t.Context()); err != nil || f.Simulated != nil {
		t.Errorf("reset: %v, %s", err, pretty(f))
	}
}
