// Package lifecycle is the pure state machine of one app's installation, update
// or check for content (classic §2.2, design §5). It decides which step comes
// next and whether the launch gate is open; the service stores what Next returns
// in one transaction and then does the step's Work. Work may be done twice (after
// a crash), so each step is idempotent. It reads no clock and does no I/O.
package lifecycle

import (
	"time"

	"larder/asset"
)

// State is all that is remembered of an app's life cycle.
type State struct {
	Phase   asset.AppState       `json:"phase"`
	Request asset.ContentRequest `json:"request"`
	Paused  bool                 `json:"paused,omitempty"`
	// Launched is set when the app is launched; the gate then stays open until
	// the next installation or update begins.
	Launched bool       `json:"launched,omitempty"`
	Gate     asset.Gate `json:"gate"`
	// Outcome is how the last round ended, kept so that resuming finds it again.
	Outcome *asset.Reason `json:"outcome,omitempty"`
}

// Kind names what happened.
type Kind string

// What can happen to an app.
const (
	Begin            Kind = "begin"            // installed, updated or due; Event.Request, Event.Has
	Step             Kind = "step"             // the service takes up an app that stands at installed
	ManifestFetched  Kind = "manifestFetched"  // Event.Has.Extension
	ManifestFailed   Kind = "manifestFailed"   // Event.Reason
	Answered         Kind = "answered"         // the extension named its downloads
	ExtensionFailed  Kind = "extensionFailed"  // Event.Reason: crash, overrun, budget
	EssentialSettled Kind = "essentialSettled" // all ended; Event.Reason when one failed
	EssentialHeld    Kind = "essentialHeld"    // one failed, and the bundle's failure policy keeps the gate closed; Event.Reason
	NoProgress       Kind = "noProgress"       // no byte moved for too long; Event.Reason
	Pause            Kind = "pause"
	Resume           Kind = "resume"
	Cancel           Kind = "cancel"
	ContentOff       Kind = "contentOff" // in-app content was switched off before the first launch
	ContentOn        Kind = "contentOn"
	Launch           Kind = "launch"
)

// Has says what the bundle brings and what the person allows.
type Has struct {
	Manifest   bool
	Extension  bool
	ContentOff bool // in-app content is off and the app was never launched
}

// Event is one thing that happened at a time.
type Event struct {
	Kind    Kind
	At      time.Time
	Request asset.ContentRequest // Begin
	Has     Has                  // Begin, Step, ManifestFetched
	Reason  *asset.Reason        // the failures; its Since may be zero
}

// Work is what the service has to do while an app stands at a phase.
type Work string

// The work of each phase.
const (
	WorkNone     Work = ""
	WorkStep     Work = "step"     // send Step
	WorkManifest Work = "manifest" // fetch the manifest
	WorkAsk      Work = "ask"      // run the extension
	WorkWait     Work = "wait"     // for the essential downloads
)

// Work is the step to do now; nothing while paused or held back by a setting.
func (s State) Work() Work {
	if s.Paused || s.Gate.Reason != nil && s.Gate.Reason.Code == asset.WhyContentOff {
		return WorkNone
	}
	switch s.Phase {
	case asset.AppInstalled:
		return WorkStep
	case asset.AppManifest:
		return WorkManifest
	case asset.AppExtension:
		return WorkAsk
	case asset.AppEssential:
		return WorkWait
	}
	return WorkNone
}

// Next is the one transition function. It is total: an event that does not
// concern the present phase changes nothing.
func Next(s State, e Event) State {
	was := s
	switch e.Kind {
	case Begin:
		s = State{Phase: asset.AppInstalled, Request: e.Request}
		if e.Has.ContentOff {
			s.Outcome = reason(e, asset.WhyContentOff)
		}
	case Step:
		if s.Phase == asset.AppInstalled {
			s.Phase = first(e.Has)
		}
	case ManifestFetched:
		if s.Phase == asset.AppManifest {
			s.Phase = first(Has{Extension: e.Has.Extension})
		}
	case Answered:
		if s.Phase == asset.AppExtension {
			s.Phase = asset.AppEssential
		}
	case ManifestFailed:
		if s.Phase == asset.AppManifest {
			s = end(s, e, asset.WhyManifest)
		}
	case ExtensionFailed:
		if s.Phase == asset.AppExtension {
			s = end(s, e, asset.WhyExtension)
		}
	case EssentialSettled:
		if s.Phase == asset.AppEssential {
			s = end(s, e, asset.WhyReady)
		}
	case EssentialHeld:
		if s.Phase == asset.AppEssential {
			s.Outcome = reason(e, asset.WhyEssential)
		}
	case NoProgress:
		if s.underWay() {
			s = end(s, e, asset.WhyNoProgress)
		}
	case Cancel:
		if s.underWay() {
			s = end(s, e, asset.WhyCancelled)
			s.Paused = false
		}
	case Pause:
		s.Paused = s.underWay()
	case Resume:
		s.Paused = false
	case ContentOff:
		if s.underWay() {
			s.Outcome = reason(e, asset.WhyContentOff)
		}
	case ContentOn:
		if s.Outcome != nil && s.Outcome.Code == asset.WhyContentOff {
			s.Outcome = nil
		}
	case Launch:
		s.Launched = true
		if s.Outcome != nil && s.Outcome.Code == asset.WhyContentOff {
			s.Outcome = nil // the launch lifts what held back the content before it
		}
	}
	s.Gate = gate(s, was, e.At)
	return s
}

func (s State) underWay() bool { return s.Phase != asset.AppReady }

func first(h Has) asset.AppState {
	switch {
	case h.Manifest:
		return asset.AppManifest
	case h.Extension:
		return asset.AppExtension
	}
	return asset.AppReady
}

func end(s State, e Event, code string) State {
	s.Phase = asset.AppReady
	s.Outcome = reason(e, code)
	return s
}

// gate computes the launch gate from the facts, so that nothing can set it to a
// lie. It is closed only by an installation or update that is under way.
func gate(s, was State, at time.Time) asset.Gate {
	off := s.Outcome != nil && s.Outcome.Code == asset.WhyContentOff
	g := asset.Gate{Open: !s.underWay() || s.Paused || s.Launched || off || !s.Request.AllowsEssential()}
	switch {
	case !s.underWay() || off:
		g.Reason = s.Outcome
	case s.Paused:
		g.Reason = reason(Event{At: at}, asset.WhyPaused)
	case !g.Open && s.Outcome != nil:
		g.Reason = s.Outcome
	case !g.Open:
		g.Reason = installing(s, at)
	}
	// Since tells when the gate came to stand so, not when the last event came.
	if old := was.Gate.Reason; old != nil && g.Reason != nil && old.Code == g.Reason.Code && old.Message == g.Reason.Message {
		g.Reason = old
	}
	return g
}
