package process

import (
	"errors"
	"fmt"
	"time"

	"larder/asset"
	"larder/internal/host/catalog"
)

// Act is what a person does to a release.
type Act string

// The acts.
const (
	Submit  Act = "submit"  // have it reviewed
	Approve Act = "approve" // after which devices get it
	Reject  Act = "reject"
	Recall  Act = "recall" // take it back from review
)

// Next is the state that a release in a channel comes to by an act, or false if the act does
// not fit its state. It is pure. What a site needs is done after it, by a job.
func Next(channel, state string, act Act) (string, bool) {
	production := channel == catalog.Production
	switch state {
	case catalog.ReadyForBetaSubmission, catalog.PrepareForSubmission, catalog.Rejected:
		if act == Submit {
			return catalog.WaitingForReview, true
		}
	case catalog.WaitingForReview, catalog.InReview:
		switch {
		case act == Approve && production:
			return catalog.Accepted, true // until all that was submitted with it is
		case act == Approve:
			return catalog.ProcessingForTesting, true
		case act == Reject:
			return catalog.Rejected, true
		case act == Recall && production:
			return catalog.PrepareForSubmission, true
		case act == Recall:
			return catalog.ReadyForBetaSubmission, true
		}
	}
	return state, false
}

// ErrUnfit is given when an act does not fit the state of a release.
var ErrUnfit = errors.New("this does not fit the state of the release")

// Apply does an act to a release, in its app.
func Apply(tx catalog.Tx, app catalog.App, r catalog.Release, act Act, now time.Time) (catalog.Release, error) {
	to, ok := Next(r.Channel, r.State, act)
	if !ok {
		return r, fmt.Errorf("%w: it is %s", ErrUnfit, r.State)
	}
	r.State = to
	if err := tx.SetRelease(r); err != nil {
		return r, err
	}
	if r.Channel == catalog.Production && (act == Approve || act == Reject) {
		if err := decided(tx, r, act); err != nil {
			return r, err
		}
		var err error
		if r, err = tx.Release(r.ID); err != nil {
			return r, err
		}
	}
	if act != Approve {
		return r, nil
	}
	return r, Publish(tx, app.ID, r.Channel, now)
}

// decided notes a decision in the submission that the version came with. When nothing in it
// waits any more, all that was accepted goes to the public together.
func decided(tx catalog.Tx, r catalog.Release, act Act) error {
	item, err := tx.ItemOf(r.Version)
	if err != nil {
		return err
	}
	item.State = catalog.Approved
	if act == Reject {
		item.State = catalog.Rejected
	}
	if err := tx.SetItem(item); err != nil {
		return err
	}
	s, err := tx.Submission(item.Submission)
	if err != nil {
		return err
	}
	items, err := tx.Items(s.ID)
	if err != nil {
		return err
	}
	s.State = catalog.Complete
	for _, i := range items {
		switch i.State {
		case catalog.ReadyForReview:
			s.State = catalog.InReview
		case catalog.Rejected:
			if s.State == catalog.Complete {
				s.State = catalog.UnresolvedIssues
			}
		}
	}
	if err := tx.SetSubmission(s); err != nil || s.State == catalog.InReview {
		return err
	}
	for _, i := range items {
		if i.State != catalog.Approved {
			continue
		}
		release, err := ReleaseIn(tx, i.Version, catalog.Production)
		if err != nil || release.State != catalog.Accepted {
			return err
		}
		release.State = catalog.ProcessingForDistribution
		if err := tx.SetRelease(release); err != nil {
			return err
		}
	}
	return nil
}

// ReleaseIn is the release of a version in a channel.
func ReleaseIn(tx catalog.Tx, version, channel string) (catalog.Release, error) {
	all, err := tx.Releases(version)
	for _, r := range all {
		if r.Channel == channel {
			return r, err
		}
	}
	return catalog.Release{}, errors.Join(err, catalog.ErrNone)
}

// Rollback has the version brought back that devices had before the present one, for the same
// versions of the app, under the next number: devices take only what rises. It was reviewed before.
func Rollback(tx catalog.Tx, p catalog.Pack, channel string, fits *asset.AppVersions, now time.Time) (v catalog.Version, err error) {
	all, err := tx.ReleasesOf(p.ID, channel)
	if err != nil {
		return v, err
	}
	live, before := catalog.Version{}, catalog.Version{}
	for _, r := range all { // the oldest version first
		if !sameRange(r.Fits, fits) || r.Live.IsZero() {
			continue
		}
		at, err := tx.Version(r.Version)
		if err != nil {
			return v, err
		}
		if isLive(r.State) {
			live = at
		} else {
			before = at
		}
	}
	if live.ID == "" || before.ID == "" || before.Blob == live.Blob {
		return v, fmt.Errorf("%w: there is no earlier version to go back to", ErrUnfit)
	}
	if needs, err := tx.Needs(before.Blob); err != nil || !needs {
		return v, errors.Join(err, fmt.Errorf("%w: the version before is not kept any more", ErrUnfit))
	}
	if v, err = tx.AddVersion(p.ID, now); err != nil {
		return v, err
	}
	v.State, v.Platforms, v.Locale, v.Blob, v.Size = catalog.Processing, before.Platforms, before.Locale, before.Blob, before.Size
	offer := *before.Offer
	offer.Version = v.Number
	v.Offer = &offer
	v.Details.Infos = []catalog.Detail{{Code: "ROLLBACK", Description: fmt.Sprintf("this is version %d again, after version %d", before.Number, live.Number)}}
	if err := tx.SetVersion(v); err != nil {
		return v, err
	}
	r, err := tx.AddRelease(catalog.Release{Version: v.ID, Channel: channel, State: catalog.Accepted, Fits: fits, Created: now})
	if err != nil {
		return v, err
	}
	return v, tx.Enqueue(jobRevive, r.ID, now)
}
