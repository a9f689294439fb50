package queue

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"larder/asset"
	"larder/internal/db"
)

// Add schedules a download; it fills in UniqueIdentifier, State and Seq. A
// second scheduled download of one identifier is code 100 (classic §4.1); ended
// ones of that identifier are forgotten once their result was delivered.
func Add(tx *db.Tx, e Entry, now time.Time) (Entry, error) {
	e.UniqueIdentifier, e.State, e.Host, e.Moved = newID(), asset.StateWaiting, hostOf(e.URL), now
	if e.Error != nil {
		e.State, e.Delivery, e.Ended = asset.StateFailed, delivery(e.Kind == File), now
		e.Reason = failure(e.Error, now)
	}
	if _, err := tx.Exec(`DELETE FROM downloads WHERE app = ? AND kind = ? AND identifier = ? AND state IN ('finished', 'failed') AND delivery IN ('', 'done')`,
		e.App, e.Kind, e.Identifier); err != nil {
		return e, err
	}
	r := request{URL: e.URL, Method: e.Method, Headers: e.Headers, Body: e.Body, Unless: e.Unless, Max: e.MaxBytes, Batch: e.Batch}
	res, err := tx.Exec(`INSERT INTO downloads (id, app, kind, identifier, state, essential, priority, size, grp, host, request, moved, reason, error, delivery, ended, pack)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.UniqueIdentifier, e.App, e.Kind, e.Identifier, e.State, e.Essential, e.Priority, e.FileSize, e.Group, e.Host, toJSON(r),
		millis(now), toJSON(e.Reason), toJSON(e.Error), e.Delivery, millis(e.Ended), toJSON(e.Pack))
	if err != nil {
		if strings.Contains(err.Error(), "UNIQUE constraint failed") {
			return e, &asset.Error{Code: asset.CodeAlreadyScheduled, Op: "schedule download", Subject: e.Identifier,
				Message: "a download with that identifier is scheduled already", Help: "cancel it first, or wait until it has ended"}
		}
		return e, err
	}
	e.Seq, err = res.LastInsertId()
	return e, err
}

// newID is a random UUID, version 4.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// transitions holds every change of state there is; move refuses all others.
var transitions = map[asset.DownloadState][]asset.DownloadState{
	asset.StateWaiting:     {asset.StateDownloading, asset.StateFinished, asset.StateFailed, asset.StateWaiting},
	asset.StateDownloading: {asset.StateWaiting, asset.StateFinished, asset.StateFailed},
}

// move is the one door through which a download changes its state.
func move(tx *db.Tx, id string, to asset.DownloadState, set string, args ...any) error {
	var from []string
	for was, next := range transitions {
		for _, n := range next {
			if n == to {
				from = append(from, "'"+string(was)+"'")
			}
		}
	}
	q := fmt.Sprintf("UPDATE downloads SET state = ?, %s WHERE id = ? AND state IN (%s)", set, strings.Join(from, ", "))
	res, err := tx.Exec(q, append(append([]any{to}, args...), id)...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	e, err := Get(tx, id)
	if err != nil {
		return err
	}
	code := asset.CodeNotScheduled
	if e.State == asset.StateFailed {
		code = asset.CodeAlreadyFailed
	}
	return &asset.Error{Code: code, Op: "change download", Subject: e.Identifier, Message: fmt.Sprintf("it is %s and cannot become %s", e.State, to)}
}

// Start marks a download as running.
func Start(tx *db.Tx, id, boot string) error {
	return move(tx, id, asset.StateDownloading, "reason = '', boot = CASE WHEN bytes = 0 AND validator = '' THEN ? ELSE boot END", boot)
}

// Wait puts a download back, to be tried again at next (zero: any time).
func Wait(tx *db.Tx, id string, reason *asset.Reason, attempts int, next time.Time) error {
	return move(tx, id, asset.StateWaiting, "reason = ?, attempts = ?, next_try = ?", toJSON(reason), attempts, millis(next))
}

// Move has a download that runs come from another server: what is on record of the one before is
// forgotten, but for what is proved of a pack.
func Move(tx *db.Tx, id, url string, p *asset.Pack) error {
	_, err := tx.Exec("UPDATE downloads SET request = json_remove(json_set(request, '$.url', ?), '$.unless'), host = ?, pack = ?, bytes = 0, total = 0, validator = '' WHERE id = ? AND kind <> 'file' AND state NOT IN ('finished', 'failed')",
		url, hostOf(url), toJSON(p), id)
	return err
}

// Finish records that all bytes are durable at path, and that the result is due.
// What the request carried is forgotten, as it may hold secrets.
func Finish(tx *db.Tx, id, path string, bytes int64, due bool, now time.Time) error {
	return move(tx, id, asset.StateFinished, "reason = '', error = '', request = json_remove(request, '$.headers', '$.body'), path = ?, bytes = ?, total = ?, delivery = ?, ended = ?, moved = ?",
		path, bytes, bytes, delivery(due), millis(now), millis(now))
}

// Name records what names the bytes of a finished download, for a condition later.
func Name(tx *db.Tx, id, validator string) error {
	_, err := tx.Exec("UPDATE downloads SET validator = ? WHERE id = ? AND state = 'finished'", validator, id)
	return err
}

// Fail ends a download with an error.
func Fail(tx *db.Tx, id string, cause *asset.Error, due bool, now time.Time) error {
	return move(tx, id, asset.StateFailed, "reason = ?, error = ?, delivery = ?, ended = ?",
		toJSON(failure(cause, now)), toJSON(cause), delivery(due), millis(now))
}

func failure(e *asset.Error, now time.Time) *asset.Reason {
	unblock := e.Help
	if unblock == "" {
		unblock = "the app or its extension may ask for it again"
	}
	return &asset.Reason{Code: e.Code.String(), Message: e.Error(), Unblock: unblock, Since: now}
}

func delivery(due bool) Delivery {
	if due {
		return Due
	}
	return NotDue
}

// Mark records bytes that are synced to disk, and what they are bytes of. It is
// written after the bytes and before any state that speaks of them.
func Mark(tx *db.Tx, id string, bytes, total int64, validator, boot string, now time.Time) error {
	_, err := tx.Exec("UPDATE downloads SET attempts = CASE WHEN ? > bytes THEN 0 ELSE attempts END, bytes = ?, total = ?, validator = ?, boot = ?, moved = ? WHERE id = ? AND state NOT IN ('finished', 'failed')",
		bytes, bytes, total, validator, boot, millis(now), id)
	return err
}

// Planned records how many bytes a pack takes on the wire. What is on record of it
// never exceeds that.
func Planned(tx *db.Tx, id string, total int64) error {
	_, err := tx.Exec("UPDATE downloads SET total = ?, bytes = min(bytes, ?) WHERE id = ? AND state NOT IN ('finished', 'failed')", total, total, id)
	return err
}

// Spend records what a pack has cost.
func Spend(tx *db.Tx, id string, t *asset.Traffic) error {
	_, err := tx.Exec("UPDATE downloads SET request = json_set(request, '$.traffic', json(?)) WHERE id = ?", toJSON(t), id)
	return err
}

// Interrupted puts back what a service that died had running, and the packs that it had ready
// for their batch.
func Interrupted(tx *db.Tx) error {
	_, err := tx.Exec(`UPDATE downloads SET state = 'waiting', next_try = 0, attempts = 0 WHERE state = 'downloading'
		OR state = 'waiting' AND CASE reason WHEN '' THEN 0 ELSE json_extract(reason, '$.code') = 'together' END`)
	return err
}

// Reconnected lets everything that waits for the network be tried at once.
func Reconnected(tx *db.Tx) error {
	_, err := tx.Exec(`UPDATE downloads SET next_try = 0 WHERE state = 'waiting' AND next_try > 0
		AND CASE reason WHEN '' THEN 0 ELSE json_extract(reason, '$.code') = 'network' END`)
	return err
}

// Acknowledged ends a delivery for good.
func Acknowledged(tx *db.Tx, id string) error {
	_, err := tx.Exec("UPDATE downloads SET delivery = 'done', path = '', request = json_remove(request, '$.headers', '$.body') WHERE id = ?", id)
	return err
}

// maxDeliveries is how often a result is offered to an extension that fails on
// it, before it is held for the app (design §12).
const maxDeliveries = 5

// NotAcknowledged counts a delivery that failed and plans the next one.
func NotAcknowledged(tx *db.Tx, id string, next time.Time) error {
	_, err := tx.Exec(`UPDATE downloads SET deliveries = deliveries + 1, next_delivery = ?,
		delivery = CASE WHEN deliveries + 1 >= ? THEN 'held' ELSE 'due' END WHERE id = ? AND delivery = 'due'`, millis(next), maxDeliveries, id)
	return err
}

// Postpone plans a delivery for later without counting it.
func Postpone(tx *db.Tx, id string, next time.Time) error {
	_, err := tx.Exec("UPDATE downloads SET next_delivery = ? WHERE id = ? AND delivery = 'due'", millis(next), id)
	return err
}

// Hold stops offering a result to the extension; it waits for the app.
func Hold(tx *db.Tx, id string) error {
	_, err := tx.Exec("UPDATE downloads SET delivery = 'held' WHERE id = ? AND delivery = 'due'", id)
	return err
}

// NewRound makes room for a new installation, update or check of an app: what
// was delivered is forgotten, the old manifest too, and unfinished downloads go
// on as non-essential ones until the new answer names them again (Adopt).
func NewRound(tx *db.Tx, app asset.AppID) error {
	if _, err := tx.Exec("DELETE FROM downloads WHERE app = ? AND (kind = 'manifest' OR state IN ('finished', 'failed') AND delivery IN ('', 'done'))", app); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE downloads SET essential = 0 WHERE app = ?", app)
	return err
}

// Adopt takes over what InHand found for a download that an answer names again:
// it keeps its bytes under the new rank, and a file in the inbox is offered anew.
func Adopt(tx *db.Tx, id string, essential bool, p asset.Priority, now time.Time) error {
	_, err := tx.Exec(`UPDATE downloads SET essential = ?, priority = ?, next_try = 0, attempts = 0, moved = ?, deliveries = 0, next_delivery = 0,
		delivery = CASE delivery WHEN 'held' THEN 'due' ELSE delivery END WHERE id = ?`, essential, p, millis(now), id)
	return err
}

// Join has a scheduled pack updated with those of another batch, or alone.
func Join(tx *db.Tx, id, batch string) error {
	_, err := tx.Exec("UPDATE downloads SET request = json_set(request, '$.batch', ?), next_try = 0 WHERE id = ? AND state NOT IN ('finished', 'failed')", batch, id)
	return err
}

// NewBatch names a batch.
func NewBatch() string { return newID() }

// TryNow lets a waiting download run at once, whatever it waited for.
func TryNow(tx *db.Tx, id string, now time.Time) error {
	_, err := tx.Exec("UPDATE downloads SET next_try = 0, attempts = 0, moved = ? WHERE id = ? AND state = 'waiting'", millis(now), id)
	return err
}

// Drop forgets a download altogether.
func Drop(tx *db.Tx, id string) error {
	_, err := tx.Exec("DELETE FROM downloads WHERE id = ?", id)
	return err
}
