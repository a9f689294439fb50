// Package catalog is the books of a host: apps, keys, packs, versions, files on their
// way, releases and jobs, in one SQLite file. What belongs together is changed in one
// transaction; a row says only what is true after a power cut.
//
// It promises that identifiers never come twice, that version numbers rise by one, and
// that a job has one holder: who lost it to another can change nothing any more. It
// does not decide what follows from what (process does), and knows no HTTP.
//
// process and api call it.
package catalog

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"larder/internal/db"
)

//go:embed migrations/*.sql
var schema embed.FS

// ErrNone is what is given for a row that is not there.
var ErrNone = errors.New("there is no such row")

// Catalog is an open catalog. Now may be replaced before it is used.
type Catalog struct {
	Now func() time.Time
	db  *db.DB
}

// Open opens or makes the file. commit, if not nil, is asked before each commit.
func Open(ctx context.Context, file string, commit func() error) (*Catalog, error) {
	d, err := db.Open(ctx, file, db.Options{Schema: schema, Commit: commit})
	if err != nil {
		return nil, err
	}
	return &Catalog{time.Now, d}, nil
}

// Close closes it.
func (c *Catalog) Close() error { return c.db.Close() }

// Snapshot writes the catalog, as it is at one moment, to a file that is not there yet.
func (c *Catalog) Snapshot(ctx context.Context, file string) error { return c.db.Snapshot(ctx, file) }

// Tx is a transaction, at one time.
type Tx struct {
	tx  *db.Tx
	now time.Time
}

// Write runs f in the one writing transaction, and commits it durably unless f fails.
func (c *Catalog) Write(ctx context.Context, f func(Tx) error) error {
	return c.db.Write(ctx, func(tx *db.Tx) error { return f(Tx{tx, c.Now()}) })
}

// Read runs f over one consistent view.
func (c *Catalog) Read(ctx context.Context, f func(Tx) error) error {
	return c.db.Read(ctx, func(tx *db.Tx) error { return f(Tx{tx, c.Now()}) })
}

// Fact gives what is written under a name, or what make gives, which is then written.
func (t Tx) Fact(name string, make func() string) (value string, err error) {
	err = t.tx.QueryRow("SELECT value FROM facts WHERE name = ?", name).Scan(&value)
	if !errors.Is(err, sql.ErrNoRows) {
		return value, err
	}
	value = make()
	return value, t.exec("INSERT INTO facts VALUES (?, ?)", name, value)
}

// Floor is the version above which the site's signed metadata have to be; 0 unless the host was restored.
func (t Tx) Floor() (floor int64, err error) {
	err = t.tx.QueryRow("SELECT value FROM facts WHERE name = 'floor'").Scan(&floor)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return floor, err
}

// gap is more than anybody makes of versions between two backups.
const gap = 1000

// Restored notes that devices may have seen more than the catalog knows. Versions of packs go on after a gap. Those
// of signed metadata go on with the seconds since 1970: a host signs less often than each second, so
// it never came so far, nor after an earlier restoration.
func (t Tx) Restored() error {
	return errors.Join(t.exec("UPDATE packs SET last = last + ? WHERE archived = 0", gap),
		t.exec("INSERT INTO facts VALUES ('floor', ?) ON CONFLICT DO UPDATE SET value = excluded.value", t.now.Unix()))
}

// NewID gives a random identifier in the form of Apple's: a UUID of version 4.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func (t Tx) exec(q string, args ...any) error {
	_, err := t.tx.Exec(q, args...)
	return err
}

// change is exec of a statement that must find one row.
func (t Tx) change(q string, args ...any) error {
	r, err := t.tx.Exec(q, args...)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, ErrNone)
	}
	return nil
}

type scanner interface{ Scan(...any) error }

// one reads one row.
func one[T any](scan func(scanner) (T, error), row *sql.Row) (T, error) {
	out, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNone
	}
	return out, err
}

// all reads all rows of a query.
func all[T any](t Tx, scan func(scanner) (T, error), q string, args ...any) (list []T, err error) {
	rows, err := t.tx.Query(q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own structs
	}
	return string(b)
}

func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(n int64) time.Time { return time.UnixMilli(n).UTC() }

// maybeMillis and maybe are millis and fromMillis of a time that may be zero.
func maybeMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return millis(t)
}

func maybe(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return fromMillis(n)
}
