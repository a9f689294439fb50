package catalog

import (
	"errors"
	"time"

	"larder/asset"
)

// Kinds of what devices fetch.
const (
	Check        = "CHECK"   // of what there is in a context
	ArchiveBytes = "ARCHIVE" // of a version, whole or in parts
	DeltaBytes   = "DELTA"   // to a version
)

// Stat is how often devices fetched something in a day.
type Stat struct {
	Day      time.Time // its first moment, UTC
	Kind     string
	Context  string // of a check; empty where it is not told
	Version  string // its ID; empty for a check
	Pack     string // the version's pack's identifier
	Number   int64  // the version's number
	Requests int64
	Bytes    int64
}

const day = 24 * time.Hour

func dayOf(t time.Time) int64 { return t.UnixMilli() / day.Milliseconds() }

// AddCheck adds to the checks of an app's context. One of an unknown app is none.
func (t Tx) AddCheck(bundle asset.AppID, context string, requests, bytes int64) error {
	a, err := t.AppOf(bundle)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.addStat(a.ID, Check, context, "", requests, bytes)
}

// AddFetches adds to what was fetched of the version that a blob belongs to. Where several have the same
// bytes it is the one that is live, or else the newest; a blob of none is not counted.
func (t Tx) AddFetches(blob string, requests, bytes int64) error {
	type owner struct {
		app           int64
		kind, version string
	}
	o, err := one(func(r scanner) (o owner, err error) { return o, r.Scan(&o.app, &o.kind, &o.version) },
		t.tx.QueryRow(`SELECT p.app, o.kind, o.version FROM
			(SELECT 'ARCHIVE' AS kind, id AS version FROM versions WHERE blob = ?1 UNION ALL SELECT 'DELTA', version FROM deltas WHERE blob = ?1) o
			JOIN versions v ON v.id = o.version JOIN packs p ON p.id = v.pack
			ORDER BY EXISTS (SELECT 1 FROM releases r WHERE r.version = v.id AND r.state IN ('READY_FOR_TESTING', 'READY_FOR_DISTRIBUTION')) DESC, v.number DESC LIMIT 1`, blob))
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.addStat(o.app, o.kind, "", o.version, requests, bytes)
}

func (t Tx) addStat(app int64, kind, context, version string, requests, bytes int64) error {
	return t.exec(`INSERT INTO stats VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, bytes = bytes + excluded.bytes`, app, dayOf(t.now), kind, context, version, requests, bytes)
}

// Stats lists those of an app from a day to another, the oldest first.
func (t Tx) Stats(app int64, since, until time.Time) ([]Stat, error) {
	return all(t, func(r scanner) (s Stat, err error) {
		var n int64
		err = r.Scan(&n, &s.Kind, &s.Context, &s.Version, &s.Pack, &s.Number, &s.Requests, &s.Bytes)
		s.Day = fromMillis(n * day.Milliseconds())
		return s, err
	}, `SELECT s.day, s.kind, s.context, s.version, coalesce(p.identifier, ''), coalesce(v.number, 0), s.requests, s.bytes
		FROM stats s LEFT JOIN versions v ON v.id = s.version LEFT JOIN packs p ON p.id = v.pack
		WHERE s.app = ? AND s.day BETWEEN ? AND ? ORDER BY s.day, s.kind, s.context, p.identifier, v.number`, app, dayOf(since), dayOf(until))
}

// PruneStats forgets all days before a time.
func (t Tx) PruneStats(before time.Time) error {
	return t.exec("DELETE FROM stats WHERE day < ?", dayOf(before))
}
