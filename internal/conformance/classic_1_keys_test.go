package conformance

import (
	"testing"

	"larder/asset"
	"larder/internal/localapi"
)

func TestClassic_1_SizesAreForDisplay(t *testing.T) {
	row(t, "classic §1", "Whether BAMaxInstallSize and BAEssentialMaxInstallSize are enforced on the device: UNCONFIRMED (numbers for the store)", "our call: they are not; more is fetched, before the first launch too")
	a := newApp(t, shared(t))
	a.keys["BAMaxInstallSize"], a.keys["BAEssentialMaxInstallSize"] = 1, 1
	a.wantGate(a.installed(a.put("must", 5000, true), a.put("may", 5000, false)).Gate, asset.WhyReady)
	a.untilTaken("must", "may")
}

func TestClassic_1_ManifestHostIsOnTheList(t *testing.T) {
	row(t, "classic §1", "The manifest is fetched under the restrictions too (a developer: its host must be on the list)", "a bundle whose list does not have it is refused at the installation, with the key and the mend")
	a := newApp(t, shared(t))
	a.restrict(1000, 1000, "cdn.example.org")
	_, err := a.w.owner.Install(t.Context(), localapi.InstallRequest{Bundle: a.bundle()})
	wantCode(t, "install", err, asset.CodeConfiguration)
	if !contains(err.Error(), "BADownloadDomainAllowList") {
		t.Errorf("it says %v", err)
	}
}

func TestClassic_1_AllowancesAreTwoBudgets(t *testing.T) {
	row(t, "classic §1", "BADownloadAllowance and BAEssentialDownloadAllowance are separate budgets", "what is too much for one is not taken from the other, however much that has")
	a := newApp(t, shared(t))
	a.restrict(1<<30, 1000)
	a.installed(a.put("must", 2000, true), a.put("may", 2000, false))
	a.wantFailed(a.status(), "must", asset.CodeWouldExceedAllowance)
	a.untilTaken("may")
	a.wantLeft("at the end", 1<<30-2000, 1000-a.manifest())
}

func TestClassic_2_7_WillTerminateIsAdvisory(t *testing.T) {
	row(t, "classic §2.7", "extensionWillTerminate: advisory, often not called, deprecated", "told when a session ends in peace, and not when the process dies before")
	a := newApp(t, shared(t))
	a.installed()
	told := a.untilCalled("terminate", 1)
	if h := a.calls("downloads"); len(h) != 1 || h[0].Process != told.Process {
		t.Errorf("it noted %s", pretty(a.heard()))
	}
	a.script.On = map[string][]step{"downloads": {{Do: "kill"}}}
	a.update()
	a.wantGate(a.open().Gate, asset.WhyExtension)
	if n := len(a.calls("terminate")); n != 1 {
		t.Errorf("a dead process was told: %d", n)
	}
}

func TestClassic_2_9_NoExtensionForAChallenge(t *testing.T) {
	row(t, "classic §2.9", "In Low Power Mode, or with background refresh off, the extension never runs: not for a challenge either", "a foreground download that meets one goes the default way (1011); a live delegate is asked as ever")
	w := newWorld(t)
	a := newApp(t, w)
	a.script.On = map[string][]step{"challenge": {login("ext", "ension")}}
	a.launched()
	w.simulateDevice(t, asset.FactLowPower, asset.Yes)
	m := a.active()
	if _, err := m.StartForeground(t.Context(), a.guarded("x", basic("ext", "ension"), `Basic realm="r"`)); err != nil {
		t.Fatal(err)
	}
	a.untilState("x", asset.StateFailed)
	a.wantFailed(a.status(), "x", asset.CodeServer)
	if n := len(a.calls("challenge")); n != 0 {
		t.Errorf("it was started %d times", n)
	}
	w.simulateDevice(t, asset.FactLowPower, asset.No)
	a.schedule(m, a.guarded("y", basic("ext", "ension"), `Basic realm="r"`))
	a.untilTaken("y")
}
