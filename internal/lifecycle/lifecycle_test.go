package lifecycle

import (
	"testing"
	"time"

	"larder/asset"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

var full = Has{Manifest: true, Extension: true}

func run(s State, events ...Event) State {
	for _, e := range events {
		if e.At.IsZero() {
			e.At = t0
		}
		s = Next(s, e)
	}
	return s
}

var install = Event{Kind: Begin, Request: asset.RequestInstall, Has: full}

func TestInstallGoesStepByStep(t *testing.T) {
	s := run(State{}, install)
	steps := []struct {
		work  Work
		event Event
		phase asset.AppState
	}{
		{WorkStep, Event{Kind: Step, Has: full}, asset.AppManifest},
		{WorkManifest, Event{Kind: ManifestFetched, Has: full}, asset.AppExtension},
		{WorkAsk, Event{Kind: Answered}, asset.AppEssential},
		{WorkWait, Event{Kind: EssentialSettled}, asset.AppReady},
	}
	for _, step := range steps {
		if s.Gate.Open || s.Gate.Reason == nil || s.Gate.Reason.Code != asset.WhyInstalling {
			t.Fatalf("at %s the gate is %+v, want closed and installing", s.Phase, s.Gate)
		}
		if s.Work() != step.work {
			t.Fatalf("work at %s is %q, want %q", s.Phase, s.Work(), step.work)
		}
		if s = run(s, step.event); s.Phase != step.phase {
			t.Fatalf("after %s the phase is %s, want %s", step.event.Kind, s.Phase, step.phase)
		}
	}
	if !s.Gate.Open || s.Gate.Reason.Code != asset.WhyReady {
		t.Errorf("the gate ends as %+v", s.Gate)
	}
}

func TestWhatOpensTheGate(t *testing.T) {
	atEssential := run(State{}, install, Event{Kind: Step, Has: full}, Event{Kind: ManifestFetched, Has: full}, Event{Kind: Answered})
	atExtension := run(State{}, install, Event{Kind: Step, Has: full}, Event{Kind: ManifestFetched, Has: full})
	atManifest := run(State{}, install, Event{Kind: Step, Has: full})
	failed := &asset.Reason{Code: asset.WhyEssential, Message: "m", Unblock: "u"}
	for _, c := range []struct {
		name string
		from State
		e    Event
		code string
	}{
		{"essential failed", atEssential, Event{Kind: EssentialSettled, Reason: failed}, asset.WhyEssential},
		{"extension failed", atExtension, Event{Kind: ExtensionFailed}, asset.WhyExtension},
		{"manifest failed", atManifest, Event{Kind: ManifestFailed}, asset.WhyManifest},
		{"cancel", atEssential, Event{Kind: Cancel}, asset.WhyCancelled},
		{"pause", atEssential, Event{Kind: Pause}, asset.WhyPaused},
		{"content off", atEssential, Event{Kind: ContentOff}, asset.WhyContentOff},
		{"no progress", atEssential, Event{Kind: NoProgress}, asset.WhyNoProgress},
		{"content off from the start", State{}, Event{Kind: Begin, Request: asset.RequestInstall, Has: Has{Manifest: true, Extension: true, ContentOff: true}}, asset.WhyContentOff},
	} {
		s := run(c.from, c.e)
		if !s.Gate.Open || s.Gate.Reason == nil || s.Gate.Reason.Code != c.code {
			t.Errorf("%s: gate %+v, want open because of %s", c.name, s.Gate, c.code)
		}
		if s.Work() != WorkNone {
			t.Errorf("%s: work %q goes on", c.name, s.Work())
		}
	}
}

func TestResumeClosesTheGateAgainUnlessTheAppWasLaunched(t *testing.T) {
	paused := run(State{}, install, Event{Kind: Step, Has: full}, Event{Kind: Pause})
	if s := run(paused, Event{Kind: Resume}); s.Gate.Open || s.Work() != WorkManifest {
		t.Errorf("after resume: gate %+v, work %q", s.Gate, s.Work())
	}
	if s := run(paused, Event{Kind: Launch}, Event{Kind: Resume}); !s.Gate.Open || s.Work() != WorkManifest {
		t.Errorf("after launch and resume: gate %+v, work %q", s.Gate, s.Work())
	}
}

func TestContentOffHoldsTheWorkUntilLaunchOrSwitchedOn(t *testing.T) {
	off := run(State{}, install, Event{Kind: ContentOff})
	for _, k := range []Kind{Launch, ContentOn} {
		if s := run(off, Event{Kind: k}); s.Work() != WorkStep {
			t.Errorf("after %s the work is %q, want %q", k, s.Work(), WorkStep)
		}
	}
}

func TestPeriodicNeverClosesTheGate(t *testing.T) {
	s := run(State{}, Event{Kind: Begin, Request: asset.RequestPeriodic, Has: full})
	for _, k := range []Kind{Step, ManifestFetched, Answered, EssentialSettled} {
		if !s.Gate.Open {
			t.Errorf("closed at %s", s.Phase)
		}
		s = run(s, Event{Kind: k, Has: full})
	}
}

func TestUpdateClosesTheGateOfALaunchedApp(t *testing.T) {
	s := run(State{Phase: asset.AppReady, Launched: true}, Event{Kind: Begin, Request: asset.RequestUpdate, Has: full})
	if s.Gate.Open {
		t.Error("the gate stays open during an update")
	}
}

func TestSinceIsWhenTheReasonBegan(t *testing.T) {
	s := run(State{}, install)
	later := run(s, Event{Kind: ContentOn, At: t0.Add(time.Hour)})
	if !later.Gate.Reason.Since.Equal(t0) {
		t.Errorf("since %v, want %v", later.Gate.Reason.Since, t0)
	}
}

// Whatever happens in whatever order: a closed gate has work to wait for, every
// gate that matters has a reason in words, and a settled life has no work.
func TestAnyHistoryKeepsTheRules(t *testing.T) {
	kinds := []Kind{Begin, Step, ManifestFetched, ManifestFailed, Answered, ExtensionFailed, EssentialSettled, NoProgress, Pause, Resume, Cancel, ContentOff, ContentOn, Launch}
	rapid.Check(t, func(t *rapid.T) {
		s := run(State{}, install)
		at := t0
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			at = at.Add(time.Second)
			e := Event{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), At: at, Request: asset.RequestUpdate, Has: Has{
				Manifest: rapid.Bool().Draw(t, "manifest"), Extension: rapid.Bool().Draw(t, "extension"), ContentOff: rapid.Bool().Draw(t, "off")}}
			s = Next(s, e)
			if !s.Gate.Open && s.Work() == WorkNone {
				t.Fatalf("closed with nothing to wait for: %+v", s)
			}
			if !s.Gate.Open && (s.Gate.Reason == nil || s.Gate.Reason.Message == "" || s.Gate.Reason.Unblock == "") {
				t.Fatalf("closed without a reason: %+v", s)
			}
			if s.Phase == asset.AppReady && (s.Work() != WorkNone || !s.Gate.Open) {
				t.Fatalf("ready, yet %+v", s)
			}
			if again := Next(s, e); e.Kind != Begin && e.Kind != Step && e.Kind != ManifestFetched && again.Phase != s.Phase && e.Kind != Answered && e.Kind != EssentialSettled {
				t.Fatalf("%s twice moved %s to %s", e.Kind, s.Phase, again.Phase)
			}
		}
	})
}
