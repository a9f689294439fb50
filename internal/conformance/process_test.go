package conformance

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"larder/asset"
)

// spendBudget books a day's budget of an app's extension: a restart of the
// service stands between two days of waiting.
func spendBudget(t *testing.T, w *world, id asset.AppID) {
	t.Helper()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	d, err := sql.Open("sqlite", w.dirs.Database())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	_, err = d.ExecContext(t.Context(), "UPDATE apps SET budget_used = 600000, budget_day = ? WHERE id = ?", now.Unix()/86400, id)
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	w.restart(t)
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }

// port is ":1234" of the app's server.
func port(a *app) string { return a.server.URL[strings.LastIndexByte(a.server.URL, ':'):] }
