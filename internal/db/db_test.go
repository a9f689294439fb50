package db

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestPragmasHoldOnEveryConnection(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "a ?#%.db"))
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		for _, do := range []func(context.Context, func(*Tx) error) error{d.Write, d.Read} {
			var got string
			err := do(t.Context(), func(tx *Tx) error { return tx.QueryRow("PRAGMA " + name).Scan(&got) })
			if err != nil || got != want {
				t.Errorf("%s = %s, %v; want %s", name, got, err, want)
			}
		}
	}
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "l.db"))
	boom := errors.New("boom")
	err := d.Write(t.Context(), func(tx *Tx) error {
		tx.Exec("INSERT INTO settings VALUES ('a', 'b')")
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	var n int
	d.Read(t.Context(), func(tx *Tx) error { return tx.QueryRow("SELECT count(*) FROM settings").Scan(&n) })
	if n != 0 {
		t.Errorf("%d rows survived a rolled back transaction", n)
	}
}

func TestACallerThatGoesIsToldThatItWent(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "l.db"))
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Read(ctx, func(tx *Tx) error {
		cancel()
		for {
			if _, err := tx.Exec("SELECT 1"); err != nil {
				return err
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled transaction ended with %v", err)
	}
}

func TestReopenKeepsRowsAndNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	d := open1(t, path)
	d.Write(t.Context(), func(tx *Tx) error { _, err := tx.Exec("INSERT INTO settings VALUES ('a', 'b')"); return err })
	d.Close()
	d = open1(t, path)
	var v string
	d.Write(t.Context(), func(tx *Tx) error {
		if err := tx.QueryRow("SELECT value FROM settings").Scan(&v); err != nil {
			return err
		}
		_, err := tx.Exec("PRAGMA user_version = 99")
		return err
	})
	d.Close()
	if v != "b" {
		t.Errorf("value after reopening = %q", v)
	}
	if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "newer larder") {
		t.Errorf("opening a newer schema: %v", err)
	}
}

// Also a query that is prepared already, inside and outside of a transaction that
// fails, and after memory was given back.
func TestStatementsServeManyTransactions(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "l.db"))
	put := func(tx *Tx, name string) error {
		_, err := tx.Exec("INSERT INTO settings VALUES (?, 'v')", name)
		return err
	}
	for n := range maxPrepared + 20 {
		name := fmt.Sprint(n)
		if err := d.Write(t.Context(), func(tx *Tx) error { return put(tx, name) }); err != nil {
			t.Fatal(err)
		}
		err := d.Write(t.Context(), func(tx *Tx) error { return errors.Join(put(tx, "other"), put(tx, name)) })
		if err == nil || !strings.Contains(err.Error(), "UNIQUE") {
			t.Fatalf("the same name twice: %v", err)
		}
		var count int
		err = d.Read(t.Context(), func(tx *Tx) error {
			return tx.QueryRow(fmt.Sprintf("SELECT count(*) FROM settings WHERE value = 'v' AND %d = %d", n, n)).Scan(&count)
		})
		if err != nil || count != n+1 {
			t.Fatalf("%d rows after %d, %v", count, n+1, err)
		}
		if n%100 == 99 {
			if err := d.Rest(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Read(t.Context(), func(tx *Tx) error { _, err := tx.Query("SELECT a FROM nowhere"); return err }); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a wrong query: %v", err)
	}
	if err := d.Read(t.Context(), func(tx *Tx) error { return tx.QueryRow("SELECT a FROM nowhere").Scan() }); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a wrong query for a row: %v", err)
	}
}

func TestAPanicLeavesNoTransaction(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "l.db"))
	func() {
		defer func() { _ = recover() }()
		_ = d.Write(t.Context(), func(tx *Tx) error {
			_, _ = tx.Exec("INSERT INTO settings VALUES ('a', 'b')")
			panic("no")
		})
	}()
	var n int
	err := d.Write(t.Context(), func(tx *Tx) error { return tx.QueryRow("SELECT count(*) FROM settings").Scan(&n) })
	if err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestNothingIsDoneAfterTheEndOfATransaction(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "l.db"))
	var kept *Tx
	if err := d.Write(t.Context(), func(tx *Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	var n int
	_, exec := kept.Exec("INSERT INTO settings VALUES ('a', 'b')")
	_, query := kept.Query("SELECT * FROM settings")
	for what, err := range map[string]error{"exec": exec, "query": query, "row": kept.QueryRow("SELECT 1").Scan(&n), "rollback": kept.Rollback(), "commit": d.Commit(kept)} {
		if err == nil {
			t.Errorf("%s goes on after the end", what)
		}
	}
	if err := d.Read(t.Context(), func(tx *Tx) error { return tx.QueryRow("SELECT count(*) FROM settings").Scan(&n) }); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestAClosedDatabaseRefuses(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "l.db"))
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), func(*Tx) error { return nil }); err == nil {
		t.Error("a closed database takes a transaction")
	}
}

func open1(t *testing.T, path string) *DB {
	t.Helper()
	d, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}
