// Package db opens a SQLite file, the service's or a host's, migrates it, and hands out
// transactions. Parts own their tables; a Tx is passed between them so that what
// belongs together is committed together. It is the only importer of SQLite.
package db

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"

	_ "modernc.org/sqlite" // the driver named "sqlite"

	"larder/asset"
)

// DB is an open database. One transaction writes at a time; readers do not wait for it.
type DB struct {
	write  *handle
	read   *handle
	commit func() error
	lent   bool
}

// Options tune an opened database; the zero value is what the service uses.
type Options struct {
	// Schema has the files of another schema than the service's, to be applied in the order of
	// their names.
	Schema fs.FS
	// Unsafe gives up durability (synchronous=OFF), for simulations only.
	Unsafe bool
	// Commit, if set, is asked before each commit of a write; its error rolls
	// back. Tests let a service die there.
	Commit func() error
	// Opened, if set, is taken in place of opening the file, and stays open after
	// Close. Simulations that start thousands of services lend it to one at a time.
	Opened *DB
}

// Open opens or makes the file and brings its schema up to date. Every commit
// is synced to disk (WAL, synchronous=FULL): a lost row is a lost download.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if o.Opened != nil {
		return &DB{write: o.Opened.write, read: o.Opened.read, commit: o.Commit, lent: true}, nil
	}
	sync := "FULL"
	if o.Unsafe {
		sync = "OFF"
	}
	write, err := open(path, sync, "BEGIN IMMEDIATE", 1)
	if err != nil {
		return nil, fault("open", path, err)
	}
	schema := o.Schema
	if schema == nil {
		schema = migrations
	}
	if err := migrate(ctx, write, schema); err != nil {
		_ = write.close() // the first error is the one that tells
		return nil, fault("migrate", path, err)
	}
	read, err := open(path, sync, "BEGIN", 2)
	if err != nil {
		_ = write.close()
		return nil, fault("open", path, err)
	}
	return &DB{write: write, read: read, commit: o.Commit}, nil
}

func open(path, sync, begin string, conns int) (*handle, error) {
	q := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(" + sync + ")", "foreign_keys(ON)", "busy_timeout(5000)",
		"cache_size(-1024)", "wal_autocheckpoint(256)", "journal_size_limit(1048576)",
	}}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	d, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	h := &handle{db: d, begin: begin, free: make(chan *conn, conns)}
	for range conns {
		h.free <- &conn{prepared: map[string]*sql.Stmt{}}
	}
	return h, nil
}

// Write runs f in the one writing transaction and commits it durably, or rolls
// everything back when f fails.
func (d *DB) Write(ctx context.Context, f func(*Tx) error) error {
	return run(ctx, d.write, f, d.Commit)
}

// Commit ends a transaction of Begin durably.
func (d *DB) Commit(tx *Tx) error {
	if d.commit != nil {
		if err := d.commit(); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.commit()
}

// Begin starts the one writing transaction for a caller whose work comes to it
// piece by piece. It must be ended by Commit or Rollback soon: all writers wait.
func (d *DB) Begin(ctx context.Context) (*Tx, error) { return d.write.transaction(ctx) }

// Read runs f over one consistent view.
func (d *DB) Read(ctx context.Context, f func(*Tx) error) error {
	return run(ctx, d.read, f, (*Tx).commit)
}

func run(ctx context.Context, h *handle, f, commit func(*Tx) error) error {
	tx, err := h.transaction(ctx)
	if err != nil {
		return err
	}
	whole := false
	defer func() {
		if !whole { // also when f panics
			_ = tx.Rollback() // the first error is the one that tells
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	whole = true
	return commit(tx)
}

// Rest gives the memory of the page caches and of prepared statements back, when
// there is no work.
func (d *DB) Rest(ctx context.Context) error {
	if d.lent {
		return nil
	}
	return errors.Join(d.write.rest(ctx), d.read.rest(ctx))
}

// Snapshot writes the whole database, as it is at one moment, to a file that is not there yet.
// Others go on meanwhile.
func (d *DB) Snapshot(ctx context.Context, file string) error {
	_, err := d.read.db.ExecContext(ctx, "VACUUM INTO ?", file)
	return err
}

// Close ends both handles; a running transaction ends first.
func (d *DB) Close() error {
	if d.lent {
		return nil
	}
	return errors.Join(d.read.close(), d.write.close())
}

func fault(op, path string, err error) error {
	return &asset.Error{Code: asset.CodeInternal, Op: op + " database", Subject: path, Message: "SQLite says", Err: err,
		Help: "check that the folder is writable and has free space; a damaged file can be moved away, the apps must then be installed again"}
}
