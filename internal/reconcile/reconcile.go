// Package reconcile is the pure judgement over an app's asset packs: manifest ×
// shelf × policy × event × language × app version × platform → what to download,
// update, remove and keep (managed §5.2, §11). It is total: whatever manifest and
// shelf say, Reconcile answers. It reads no clock and does no I/O; the service
// asks the extension, keeps the allowances and does the work.
package reconcile

import (
	"cmp"
	"slices"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/language"
)

// Check is the event of an app that looks for updates itself (managed §1.6): as
// RequestPeriodic, but nothing is fetched that is not installed.
const Check asset.ContentRequest = "check"

// Installed is a pack on the shelf.
type Installed struct {
	ID       asset.PackID
	Version  int64
	Language language.Tag // zero: not localized
	// Explicit tells that the app asked for it, so that a change of language does
	// not remove it (managed §1.8).
	Explicit bool
}

// Device is what of a device decides which packs are for it.
type Device struct {
	Platform asset.Platform
	App      bundle.Version
	// Language is the one whose packs are kept installed; see Resolve.
	Language language.Tag
}

// Action is what is to be done about one pack.
type Action string

// The actions.
const (
	Download Action = "download" // it is not installed
	Update   Action = "update"   // another version is
	Remove   Action = "remove"
	Keep     Action = "keep"
)

// Why says why a pack is removed, or kept although it is not as the manifest has it.
type Why string

// The reasons.
const (
	WhyObsolete Why = "obsolete" // the manifest has it no more for this platform
	WhyLanguage Why = "language" // it is localized for a language that is not wanted
	WhyNoFit    Why = "noFit"    // no version offered fits this version of the app
	WhyOlder    Why = "older"    // the version offered is lower than the installed one
	WhyAwaiting Why = "awaiting" // it goes when the packs of the new language are here
)

// Step is one pack and what to do about it.
type Step struct {
	ID     asset.PackID
	Action Action
	// Pack is the version to have; zero for Remove and for Keep without an offer.
	Pack asset.Pack
	// Essential is set for downloads and updates that the launch gate waits for.
	Essential bool
	Why       Why
}

// Reconcile gives the steps: what to fetch first, essential before all else and each
// group in the order of the manifest; then what to remove; then what to keep, these
// two by identifier. Each pack that the manifest names for the device or the shelf
// holds has at most one step; one that is neither installed nor to be fetched has none.
//
// An installed pack is kept current whatever its policy. A version never falls,
// unless the installed one is offered and does not fit the app. A version that is
// republished in another language is fetched again. Without a manifest
// there is nothing to do: nothing is known to be obsolete.
func Reconcile(m *asset.DownloadManifest, installed []Installed, event asset.ContentRequest, d Device) []Step {
	if m == nil {
		return nil
	}
	offers := Offers(m, d)
	have := map[asset.PackID]Installed{}
	for _, p := range installed {
		have[p.ID] = p
	}
	var fetch, rest []Step
	localized := false // a pack of the wanted language is still to come
	for _, o := range offers {
		p, ok := have[o.ID]
		switch {
		case !ok && o.Fit != nil && fetches(o.Fit, event, d.Language):
			fetch = append(fetch, Step{ID: o.ID, Action: Download, Pack: *o.Fit, Essential: blocks(o.Fit, event)})
			localized = localized || o.Fit.Language != ""
		case !ok:
		case unwanted(p, o.Fit, event, d.Language):
			rest = append(rest, Step{ID: o.ID, Action: Remove, Why: WhyLanguage})
		case o.Fit == nil:
			rest = append(rest, Step{ID: o.ID, Action: Keep, Why: WhyNoFit})
		case o.Fit.Version > p.Version || o.Fit.Version < p.Version && o.misfit(p.Version) || o.Fit.Version == p.Version && !tagOf(o.Fit).Same(p.Language):
			fetch = append(fetch, Step{ID: o.ID, Action: Update, Pack: *o.Fit, Essential: blocks(o.Fit, event)})
		case o.Fit.Version < p.Version:
			rest = append(rest, Step{ID: o.ID, Action: Keep, Pack: *o.Fit, Why: WhyOlder})
		default:
			rest = append(rest, Step{ID: o.ID, Action: Keep, Pack: *o.Fit})
		}
		delete(have, o.ID)
	}
	for id := range have {
		rest = append(rest, Step{ID: id, Action: Remove, Why: WhyObsolete})
	}
	for n, s := range rest {
		if s.Why == WhyLanguage && localized {
			rest[n].Action, rest[n].Why = Keep, WhyAwaiting
		}
	}
	slices.SortStableFunc(fetch, func(a, b Step) int { return -compareBool(a.Essential, b.Essential) })
	slices.SortFunc(rest, func(a, b Step) int {
		return cmp.Or(-compareBool(a.Action == Remove, b.Action == Remove), cmp.Compare(a.ID, b.ID))
	})
	return append(fetch, rest...)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// moment is the installation event that a content request stands for; none for the
// others. A periodic check does for a pack what an update would have done, so that
// a pack published between two versions of the app arrives (managed §11).
func moment(event asset.ContentRequest) asset.InstallationEvent {
	switch event {
	case asset.RequestInstall:
		return asset.EventFirstInstallation
	case asset.RequestUpdate, asset.RequestPeriodic:
		return asset.EventSubsequentUpdate
	}
	return ""
}

// fetches reports whether a pack that is not installed is fetched at the event.
func fetches(p *asset.Pack, event asset.ContentRequest, want language.Tag) bool {
	if p.Language != "" && !speaks(p, want) {
		return false
	}
	if event == asset.RequestLanguageChange {
		return p.Language != "" && p.DownloadPolicy.Kind != asset.PolicyOnDemand
	}
	return p.DownloadPolicy.Fetches(moment(event))
}

func blocks(p *asset.Pack, event asset.ContentRequest) bool {
	return event.AllowsEssential() && p.DownloadPolicy.Blocks(moment(event))
}

// unwanted tells of a pack in a language that is not the wanted one, as it is
// offered or, with no offer, as it is installed, unless the app asked for it. An
// app that only checks for updates loses none.
func unwanted(p Installed, fit *asset.Pack, event asset.ContentRequest, want language.Tag) bool {
	is := p.Language
	if fit != nil {
		is = tagOf(fit)
	}
	return event != Check && !is.IsZero() && !p.Explicit && !want.IsZero() && !is.Same(want)
}

func speaks(p *asset.Pack, want language.Tag) bool {
	is := tagOf(p)
	return !is.IsZero() && is.Same(want)
}

// tagOf is the language of a pack; zero when it is not localized.
func tagOf(p *asset.Pack) language.Tag {
	tag, err := language.Parse(p.Language)
	if err != nil {
		return language.Tag{}
	}
	return tag
}
