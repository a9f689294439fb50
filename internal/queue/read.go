package queue

import (
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"larder/asset"
	"larder/internal/db"
)

const columns = `seq, id, app, kind, identifier, state, essential, priority, size, grp, host, request, bytes, total, validator, boot,
	attempts, next_try, moved, reason, error, delivery, deliveries, next_delivery, path, ended, wire, pack`

type scanner interface{ Scan(...any) error }

func scan(row scanner) (Entry, error) {
	var e Entry
	var req, reason, fault, pack string
	var nextTry, moved, nextDelivery, ended int64
	err := row.Scan(&e.Seq, &e.UniqueIdentifier, &e.App, &e.Kind, &e.Identifier, &e.State, &e.Essential, &e.Priority, &e.FileSize, &e.Group, &e.Host, &req,
		&e.Bytes, &e.Total, &e.Validator, &e.Boot, &e.Attempts, &nextTry, &moved, &reason, &fault, &e.Delivery, &e.Deliveries, &nextDelivery, &e.Path, &ended, &e.Wire, &pack)
	if err != nil {
		return e, err
	}
	var r request
	if err := json.Unmarshal([]byte(req), &r); err != nil {
		return e, err
	}
	e.URL, e.Method, e.Headers, e.Body, e.Unless, e.MaxBytes, e.Batch, e.Traffic = r.URL, r.Method, r.Headers, r.Body, r.Unless, r.Max, r.Batch, r.Traffic
	e.Manifest = e.Kind == Manifest
	e.Pack = fromJSON[asset.Pack](pack)
	e.Reason, e.Error = fromJSON[asset.Reason](reason), fromJSON[asset.Error](fault)
	e.NextTry, e.Moved, e.NextDelivery, e.Ended = fromMillis(nextTry), fromMillis(moved), fromMillis(nextDelivery), fromMillis(ended)
	return e, nil
}

func list(tx *db.Tx, where string, args ...any) ([]Entry, error) {
	rows, err := tx.Query("SELECT "+columns+" FROM downloads WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// Get finds a download by its unique identifier; code 113 when there is none.
func Get(tx *db.Tx, id string) (Entry, error) {
	e, err := scan(tx.QueryRow("SELECT "+columns+" FROM downloads WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return e, &asset.Error{Code: asset.CodeDownloadDoesNotExist, Op: "find download", Subject: id, Message: "there is no such download",
			Help: "list the downloads to see which there are"}
	}
	return e, err
}

// Scheduled finds the scheduled download of that identifier; code 101 when none is.
func Scheduled(tx *db.Tx, app asset.AppID, identifier string) (Entry, error) {
	found, err := list(tx, "app = ? AND kind = 'file' AND identifier = ? AND state NOT IN ('finished', 'failed')", app, identifier)
	if err != nil {
		return Entry{}, err
	}
	if len(found) == 0 {
		return Entry{}, &asset.Error{Code: asset.CodeNotScheduled, Op: "find download", Subject: identifier, Message: "it is not scheduled, or has ended already"}
	}
	return found[0], nil
}

// InHand finds what there is of an identifier: the scheduled download of it, or
// a finished one whose file still waits in the inbox.
func InHand(tx *db.Tx, app asset.AppID, identifier string) (Entry, bool, error) {
	found, err := list(tx, `app = ? AND kind = 'file' AND identifier = ? AND (state NOT IN ('finished', 'failed') OR state = 'finished' AND delivery IN ('due', 'held'))
		ORDER BY state = 'finished', seq DESC LIMIT 1`, app, identifier)
	if err != nil || len(found) == 0 {
		return Entry{}, false, err
	}
	return found[0], true, nil
}

// List gives all downloads of an app that its owner may see, oldest first. The
// manifest is among them only when it failed (classic §2.2).
func List(tx *db.Tx, app asset.AppID) ([]Entry, error) {
	return list(tx, "app = ? AND (kind <> 'manifest' OR state = 'failed') ORDER BY seq", app)
}

// PackOf finds the download of a pack that is scheduled or runs.
func PackOf(tx *db.Tx, app asset.AppID, id asset.PackID) (Entry, bool, error) {
	found, err := list(tx, "app = ? AND kind = 'pack' AND identifier = ? AND state NOT IN ('finished', 'failed')", app, id)
	if err != nil || len(found) == 0 {
		return Entry{}, false, err
	}
	return found[0], true, nil
}

// Packs gives the scheduled and running downloads of packs, in order.
func Packs(tx *db.Tx, app asset.AppID) ([]Entry, error) {
	return list(tx, "app = ? AND kind = 'pack' AND state NOT IN ('finished', 'failed')"+inOrder, app)
}

// ManifestOf is the manifest download of the present round, if there is one.
func ManifestOf(tx *db.Tx, app asset.AppID) (Entry, bool, error) {
	found, err := list(tx, "app = ? AND kind = 'manifest' ORDER BY seq DESC LIMIT 1", app)
	if err != nil || len(found) == 0 {
		return Entry{}, false, err
	}
	return found[0], true, nil
}

// inOrder is the order in which downloads of one app run: essential first, then
// priority, then age (classic §3.2, design §12).
const inOrder = " ORDER BY essential DESC, priority DESC, seq"

// Waiting gives all scheduled downloads of an app that do not run, in order.
func Waiting(tx *db.Tx, app asset.AppID) ([]Entry, error) {
	return list(tx, "app = ? AND state = 'waiting'"+inOrder, app)
}

// Unsettled gives the scheduled and running downloads of an app, in order.
func Unsettled(tx *db.Tx, app asset.AppID) ([]Entry, error) {
	return list(tx, "app = ? AND kind <> 'manifest' AND state NOT IN ('finished', 'failed')"+inOrder, app)
}

// FailedEssential gives the essential downloads of the present round that failed.
func FailedEssential(tx *db.Tx, app asset.AppID) ([]Entry, error) {
	return list(tx, "app = ? AND kind <> 'manifest' AND essential AND state = 'failed' ORDER BY seq", app)
}

// EachUnsettled calls f for each scheduled or running download of an app, in
// order, a few at a time: there may be more than fit into memory. f may change them.
func EachUnsettled(tx *db.Tx, app asset.AppID, f func(*Entry) error) error {
	essential, priority, seq := true, asset.PriorityMax+1, int64(0)
	for {
		page, err := list(tx, `app = ? AND kind = 'file' AND state NOT IN ('finished', 'failed') AND (-essential, -priority, seq) > (-?, -?, ?)`+inOrder+" LIMIT 256",
			app, essential, priority, seq)
		if err != nil || len(page) == 0 {
			return err
		}
		for n := range page {
			if err := f(&page[n]); err != nil {
				return err
			}
		}
		last := &page[len(page)-1]
		essential, priority, seq = last.Essential, last.Priority, last.Seq
	}
}

// EssentialSample gives up to n essential downloads of the present round: those
// that run first, then failed, waiting and finished ones.
func EssentialSample(tx *db.Tx, app asset.AppID, n int) ([]Entry, error) {
	return list(tx, `app = ? AND kind <> 'manifest' AND essential
		ORDER BY CASE state WHEN 'downloading' THEN 0 WHEN 'failed' THEN 1 WHEN 'waiting' THEN 2 ELSE 3 END, priority DESC, seq LIMIT ?`, app, n)
}

// Next gives up to n downloads of an app that may be tried at now, in order,
// leaving out those on the hosts named.
func Next(tx *db.Tx, app asset.AppID, now time.Time, without []string, n int) ([]Entry, error) {
	hosts, args := among(without)
	args = append(append([]any{app, millis(now)}, args...), n)
	return list(tx, "app = ? AND state = 'waiting' AND next_try <= ? AND host NOT IN "+hosts+inOrder+" LIMIT ?", args...)
}

// NextAtGate gives up to n of those on the hosts named that a gate waits for, the manifest
// among them or not.
func NextAtGate(tx *db.Tx, app asset.AppID, now time.Time, on []string, manifest bool, n int) ([]Entry, error) {
	hosts, args := among(on)
	args = append(append([]any{app, millis(now)}, args...), manifest, n)
	return list(tx, "app = ? AND state = 'waiting' AND next_try <= ? AND host IN "+hosts+" AND (essential OR kind = 'manifest' AND ?)"+inOrder+" LIMIT ?", args...)
}

// NextTry is when the next download that waits for a time may be tried; zero when none does.
func NextTry(tx *db.Tx, now time.Time) (time.Time, error) {
	var n sql.NullInt64
	err := tx.QueryRow("SELECT min(next_try) FROM downloads WHERE state = 'waiting' AND next_try > ?", millis(now)).Scan(&n)
	return fromMillis(n.Int64), err
}

// Apps names the apps that have a download waiting.
func Apps(tx *db.Tx) ([]asset.AppID, error) {
	return appsOf(tx, "SELECT DISTINCT app FROM downloads WHERE state = 'waiting'")
}

// AppsDue names the apps that have results to be delivered, now or later.
func AppsDue(tx *db.Tx) ([]asset.AppID, error) {
	return appsOf(tx, "SELECT DISTINCT app FROM downloads WHERE delivery = 'due' ORDER BY app")
}

// Needed names the downloads of an app whose bytes are still needed, in parts or
// in the inbox. What there is of a pack is needed as long as it has a row.
func Needed(tx *db.Tx, app asset.AppID) (map[string]bool, error) {
	rows, err := tx.Query(`SELECT id FROM downloads WHERE app = ? AND (kind = 'pack' OR state NOT IN ('finished', 'failed')
		OR state = 'finished' AND (kind = 'manifest' OR delivery IN ('due', 'held')))`, app)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out[id] = true
	}
	return out, rows.Err()
}

func appsOf(tx *db.Tx, query string) ([]asset.AppID, error) {
	rows, err := tx.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []asset.AppID
	for rows.Next() {
		var id asset.AppID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// Undelivered gives up to n results of an app, of the states given, whose turn it
// is, oldest first.
func Undelivered(tx *db.Tx, app asset.AppID, states []asset.DownloadState, now time.Time, n int) ([]Entry, error) {
	in, args := among(states)
	args = append(append([]any{app, millis(now)}, args...), n)
	return list(tx, "app = ? AND delivery = 'due' AND next_delivery <= ? AND state IN "+in+" ORDER BY seq LIMIT ?", args...)
}

// Takeable gives up to n results of an app, of the states given, that nobody has
// taken, oldest first: what a delegate of the app is told, also when the
// extension was given up on or its next turn is still to come.
func Takeable(tx *db.Tx, app asset.AppID, states []asset.DownloadState, n int) ([]Entry, error) {
	in, args := among(states)
	args = append(append([]any{app}, args...), n)
	return list(tx, "app = ? AND delivery IN ('due', 'held') AND state IN "+in+" ORDER BY seq LIMIT ?", args...)
}

// NextDelivery is when the next undelivered result of app is due.
func NextDelivery(tx *db.Tx, app asset.AppID, states []asset.DownloadState) (due bool, at time.Time, err error) {
	in, args := among(states)
	var n sql.NullInt64
	err = tx.QueryRow("SELECT min(next_delivery) FROM downloads WHERE app = ? AND delivery = 'due' AND state IN "+in, append([]any{app}, args...)...).Scan(&n)
	return n.Valid, fromMillis(n.Int64), err
}

func among[T ~string](words []T) (marks string, args []any) {
	for _, w := range words {
		args = append(args, string(w))
	}
	return "(" + strings.TrimSuffix(strings.Repeat("?, ", len(words)), ", ") + ")", args
}

// EssentialCount sums up the essential downloads of an app's present round.
type EssentialCount struct {
	Count, Pending, Failed, Undelivered int
	Bytes, Total                        int64
	Moved                               time.Time // when a byte of any last moved
}

// Essential counts the essential downloads that the last answer of the extension named.
func Essential(tx *db.Tx, app asset.AppID) (EssentialCount, error) {
	var c EssentialCount
	var moved int64
	err := tx.QueryRow(`SELECT count(*),
		coalesce(sum(state NOT IN ('finished', 'failed')), 0), coalesce(sum(state = 'failed'), 0),
		coalesce(sum(delivery = 'due' AND deliveries = 0), 0),
		coalesce(sum(bytes), 0), coalesce(sum(CASE WHEN kind = 'pack' AND total > 0 THEN total ELSE size END), 0), coalesce(max(moved), 0)
		FROM downloads WHERE app = ? AND essential AND kind <> 'manifest'`, app).
		Scan(&c.Count, &c.Pending, &c.Failed, &c.Undelivered, &c.Bytes, &c.Total, &moved)
	c.Moved = fromMillis(moved)
	return c, err
}
