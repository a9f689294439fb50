package catalog

import (
	"encoding/json"
	"time"

	"larder/asset"
)

// Channels are the release contexts, as in a site's paths.
const (
	Internal   = "internal"
	External   = "external"
	Production = "production"
)

// States of releases (managed §8.4). Which of them a channel has, and what comes after
// what, is for process.
const (
	ReadyForBetaSubmission    = "READY_FOR_BETA_SUBMISSION"
	PrepareForSubmission      = "PREPARE_FOR_SUBMISSION"
	ReadyForReview            = "READY_FOR_REVIEW"
	WaitingForReview          = "WAITING_FOR_REVIEW"
	InReview                  = "IN_REVIEW"
	Accepted                  = "ACCEPTED"
	Rejected                  = "REJECTED"
	ProcessingForTesting      = "PROCESSING_FOR_TESTING"
	ProcessingForDistribution = "PROCESSING_FOR_DISTRIBUTION"
	ReadyForTesting           = "READY_FOR_TESTING"
	ReadyForDistribution      = "READY_FOR_DISTRIBUTION"
	Superseded                = "SUPERSEDED"
)

// Release is a version in a release context.
type Release struct {
	ID      string
	Version string
	Channel string
	State   string
	Fits    *asset.AppVersions // nil: every version of the app
	Created time.Time
	Live    time.Time // when devices first had it; zero: never
}

const releaseColumns = "SELECT r.id, r.version, r.channel, r.state, r.fits, r.created, r.live FROM releases r"

func scanRelease(s scanner) (r Release, err error) {
	var created, live int64
	var fits []byte
	if err = s.Scan(&r.ID, &r.Version, &r.Channel, &r.State, &fits, &created, &live); err != nil {
		return r, err
	}
	r.Created, r.Live = fromMillis(created), maybe(live)
	if len(fits) > 0 {
		err = json.Unmarshal(fits, &r.Fits)
	}
	return r, err
}

// AddRelease gives a release its ID.
func (t Tx) AddRelease(r Release) (Release, error) {
	r.ID = NewID()
	fits := ""
	if r.Fits != nil {
		fits = text(r.Fits)
	}
	return r, t.exec("INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?, 0)", r.ID, r.Version, r.Channel, r.State, fits, millis(r.Created))
}

// SetRelease writes its state, which versions of the app it fits, and since when it is live; and has
// webhooks told.
func (t Tx) SetRelease(r Release) error {
	if err := t.releaseChanged(r); err != nil {
		return err
	}
	fits := ""
	if r.Fits != nil {
		fits = text(r.Fits)
	}
	return t.change("UPDATE releases SET state = ?, fits = ?, live = ? WHERE id = ?", r.State, fits, maybeMillis(r.Live), r.ID)
}

// Release reads one.
func (t Tx) Release(id string) (Release, error) {
	return one(scanRelease, t.tx.QueryRow(releaseColumns+" WHERE r.id = ?", id))
}

// Releases lists those of a version.
func (t Tx) Releases(version string) ([]Release, error) {
	return all(t, scanRelease, releaseColumns+" WHERE r.version = ? ORDER BY r.rowid", version)
}

// ReleasesOf lists those of a pack in a channel, the oldest version first.
func (t Tx) ReleasesOf(pack, channel string) ([]Release, error) {
	return all(t, scanRelease, releaseColumns+" JOIN versions v ON v.id = r.version WHERE v.pack = ? AND r.channel = ? ORDER BY v.number", pack, channel)
}
