package db

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
)

// Tx is a transaction: of Write, or a consistent view of Read. It is used by one
// goroutine at a time; after its end everything fails. Rows must be closed before the same
// query is made again and before the transaction ends, as a row's Scan does.
type Tx struct {
	ctx  context.Context
	from *handle
	conn *conn
	over atomic.Bool
}

// usable is nil while statements belong to this transaction.
func (t *Tx) usable() error {
	if t.over.Load() {
		return sql.ErrTxDone
	}
	return t.ctx.Err()
}

// conn is one connection, with the statements that were prepared on it: SQLite takes
// longer to compile most of ours than to run them.
type conn struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
}

// maxPrepared bounds the statements of a connection; all that Larder has are fewer,
// but for those that name a list of hosts.
const maxPrepared = 128

// statement gives query prepared, or nil when it is to be run as it is.
func (c *conn) statement(query string) *sql.Stmt {
	if s := c.prepared[query]; s != nil {
		return s
	}
	if len(c.prepared) >= maxPrepared {
		return nil
	}
	s, err := c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil // to be told when it is run
	}
	c.prepared[query] = s
	return s
}

// forget gives back what was prepared.
func (c *conn) forget() {
	for _, s := range c.prepared {
		_ = s.Close() // only memory is given back
	}
	clear(c.prepared)
}

func (c *conn) exec(query string, args ...any) (sql.Result, error) {
	if s := c.statement(query); s != nil {
		return s.ExecContext(context.Background(), args...)
	}
	return c.ExecContext(context.Background(), query, args...)
}

// Exec runs a statement that gives no rows.
func (t *Tx) Exec(query string, args ...any) (sql.Result, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	return t.conn.exec(query, args...)
}

// Query runs one that gives rows.
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if s := t.conn.statement(query); s != nil {
		return s.QueryContext(context.Background(), args...)
	}
	return t.conn.QueryContext(context.Background(), query, args...)
}

// QueryRow runs one that gives a row.
func (t *Tx) QueryRow(query string, args ...any) *sql.Row {
	if t.usable() != nil {
		return t.from.db.QueryRowContext(gone, query) // only this makes a row that is an error
	}
	if s := t.conn.statement(query); s != nil {
		return s.QueryRowContext(context.Background(), args...)
	}
	return t.conn.QueryRowContext(context.Background(), query, args...)
}

// gone is the context of whoever has gone.
var gone = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Rollback undoes all of it.
func (t *Tx) Rollback() error {
	if t.over.Swap(true) {
		return sql.ErrTxDone
	}
	return t.undo()
}

func (t *Tx) undo() error {
	_, err := t.conn.exec("ROLLBACK")
	if err != nil { // the connection is of no use any more
		t.conn.forget()
		err = errors.Join(err, t.conn.Close())
		t.conn.Conn = nil
	}
	t.from.free <- t.conn
	return err
}

// commit makes it last. A caller that has gone wants none of it.
func (t *Tx) commit() error {
	if t.over.Swap(true) {
		return sql.ErrTxDone
	}
	err := t.ctx.Err()
	if err == nil {
		_, err = t.conn.exec("COMMIT")
	}
	if err != nil {
		_ = t.undo() // the first error is the one that tells
		return err
	}
	t.from.free <- t.conn
	return nil
}

// handle is some connections to the file, of one kind.
type handle struct {
	db    *sql.DB
	begin string
	free  chan *conn // those in nobody's hands, open or not
}

// transaction starts one on the next connection that is free.
func (h *handle) transaction(ctx context.Context) (*Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var c *conn
	select {
	case c = <-h.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err := h.open(ctx, c)
	if err == nil {
		_, err = c.exec(h.begin)
	}
	if err != nil {
		h.free <- c
		return nil, err
	}
	return &Tx{ctx: ctx, from: h, conn: c}, nil
}

func (h *handle) open(ctx context.Context, c *conn) (err error) {
	if c.Conn == nil {
		c.Conn, err = h.db.Conn(ctx)
	}
	return err
}

// rest gives the memory of the page caches back, and of what is prepared.
func (h *handle) rest(ctx context.Context) error {
	for range cap(h.free) {
		var c *conn
		select {
		case c = <-h.free:
		default:
			return nil // they work
		}
		var err error
		if c.Conn != nil {
			c.forget()
			_, err = c.ExecContext(ctx, "PRAGMA shrink_memory")
		}
		h.free <- c
		if err != nil {
			return err
		}
	}
	return nil
}

// close ends it; a running transaction ends first, and any later one fails.
func (h *handle) close() error {
	var errs []error
	var all []*conn
	for range cap(h.free) {
		c := <-h.free
		if c.Conn != nil {
			c.forget()
			errs = append(errs, c.Close())
			c.Conn = nil
		}
		all = append(all, c)
	}
	errs = append(errs, h.db.Close())
	for _, c := range all {
		h.free <- c
	}
	return errors.Join(errs...)
}
