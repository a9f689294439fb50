package queue

import (
	"database/sql"
	"errors"

	"larder/asset"
	"larder/internal/db"
)

// Grant is how many bytes a running transfer may have received beyond what is on
// record of it: it is written before they come. One that is still there when a
// service starts belongs to a transfer of which nobody knows how far it got.
type Grant struct {
	ID        string // unique identifier of the download, whose row may be gone
	App       asset.AppID
	Essential bool  // which allowance it draws from
	Bytes     int64 // 0 is no grant
	Base      int64 // of the partial file, when the grant was written: it had no fewer
}

// SetGrant puts g in place of the grant of that download. Nothing is kept of an
// app that is not installed any more.
func SetGrant(tx *db.Tx, g Grant) error {
	if g.Bytes <= 0 {
		_, err := tx.Exec("DELETE FROM grants WHERE id = ?", g.ID)
		return err
	}
	_, err := tx.Exec(`INSERT INTO grants (id, app, essential, bytes, base) SELECT ?, id, ?, ?, ? FROM apps WHERE id = ?
		ON CONFLICT (id) DO UPDATE SET app = excluded.app, essential = excluded.essential, bytes = excluded.bytes, base = excluded.base`,
		g.ID, g.Essential, g.Bytes, g.Base, g.App)
	return err
}

// Grants gives all grants, or with an id the one of that download.
func Grants(tx *db.Tx, id string) ([]Grant, error) {
	rows, err := tx.Query("SELECT id, app, essential, bytes, base FROM grants WHERE ? IN ('', id)", id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Grant
	for rows.Next() {
		var g Grant
		if err := rows.Scan(&g.ID, &g.App, &g.Essential, &g.Bytes, &g.Base); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// Received records n body bytes more that a download has received.
func Received(tx *db.Tx, id string, n int64) error {
	_, err := tx.Exec("UPDATE downloads SET wire = wire + ? WHERE id = ?", n, id)
	return err
}

// Unreceived is what a scheduled or running download may still bring by the size
// it was declared with, and which allowance it draws from by now: an update makes
// non-essential what it does not name again. Without a row, found is false.
func Unreceived(tx *db.Tx, id string) (rest int64, essential, found bool, err error) {
	err = tx.QueryRow("SELECT CASE WHEN kind <> 'manifest' AND state NOT IN ('finished', 'failed') THEN max(size - wire, 0) ELSE 0 END, essential FROM downloads WHERE id = ?", id).
		Scan(&rest, &essential)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, false, nil
	}
	return rest, essential, err == nil, err
}

// Reserved sums up what is spoken for of an app's allowances, in bytes: what its
// scheduled and running downloads may still bring by the sizes they were declared
// with, and what was granted beyond that. First of others, then of essential ones.
func Reserved(tx *db.Tx, app asset.AppID) (others, essential int64, err error) {
	err = tx.QueryRow(`WITH open AS (SELECT id, essential, max(size - wire, 0) AS rest FROM downloads
			WHERE app = ?1 AND kind <> 'manifest' AND state NOT IN ('finished', 'failed')),
		spoken AS (SELECT essential, rest AS n FROM open
			UNION ALL SELECT g.essential, max(g.bytes - coalesce(open.rest, 0), 0) FROM grants g LEFT JOIN open USING (id) WHERE g.app = ?1)
		SELECT coalesce(sum(n) FILTER (WHERE NOT essential), 0), coalesce(sum(n) FILTER (WHERE essential), 0) FROM spoken`, app).Scan(&others, &essential)
	return others, essential, err
}
