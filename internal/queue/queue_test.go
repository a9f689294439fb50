package queue

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/db"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var now = time.UnixMilli(1_795_000_000_000).UTC()

func openDB(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), filepath.Join(t.TempDir(), "q.db"), db.Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	write(t, d, func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO apps (id, bundle, context, life, waits) VALUES ('a', '{}', '', '{}', 0), ('b', '{}', '', '{}', 0)")
		return err
	})
	return d
}

func write(t testing.TB, d *db.DB, f func(*db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func file(id string, essential bool, p asset.Priority) Entry {
	return Entry{App: "a", Kind: File, Download: asset.Download{Identifier: id, URL: "https://H.example/" + id, FileSize: 10, Essential: essential, Priority: p,
		Headers: map[string]string{"X": "1"}, Group: "group.a"}}
}

func add(t testing.TB, d *db.DB, e Entry) Entry {
	t.Helper()
	write(t, d, func(tx *db.Tx) (err error) { e, err = Add(tx, e, now); return err })
	return e
}

func get(t testing.TB, d *db.DB, id string) Entry {
	t.Helper()
	var e Entry
	write(t, d, func(tx *db.Tx) (err error) { e, err = Get(tx, id); return err })
	return e
}

func TestWhatGoesInComesOut(t *testing.T) {
	d := openDB(t)
	e := add(t, d, file("x", true, 7))
	if diff := cmp.Diff(e, get(t, d, e.UniqueIdentifier)); diff != "" {
		t.Error(diff)
	}
	if e.Host != "h.example" || e.State != asset.StateWaiting {
		t.Errorf("host %q, state %s", e.Host, e.State)
	}
}

func TestOrderIsEssentialThenPriorityThenAge(t *testing.T) {
	d := openDB(t)
	for _, e := range []Entry{file("old", false, 0), file("young", false, 0), file("high", false, 9), file("essential", true, -9)} {
		add(t, d, e)
	}
	var got []string
	write(t, d, func(tx *db.Tx) error {
		es, err := Next(tx, "a", now, nil, 10)
		for _, e := range es {
			got = append(got, e.Identifier)
		}
		return err
	})
	if diff := cmp.Diff([]string{"essential", "high", "old", "young"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEachUnsettledVisitsAllInOrderThoughTheyChange(t *testing.T) {
	d := openDB(t)
	write(t, d, func(tx *db.Tx) error {
		for n := range 700 {
			if _, err := Add(tx, file(fmt.Sprint(n), n%3 == 0, asset.Priority(n%5)), now); err != nil {
				return err
			}
		}
		var last *Entry
		seen := map[string]bool{}
		err := EachUnsettled(tx, "a", func(e *Entry) error {
			if last != nil && (e.Essential && !last.Essential || e.Essential == last.Essential && (e.Priority > last.Priority || e.Priority == last.Priority && e.Seq < last.Seq)) {
				t.Errorf("%s comes after %s", e.Identifier, last.Identifier)
			}
			last, seen[e.Identifier] = e, true
			if e.Seq%2 == 0 {
				return Fail(tx, e.UniqueIdentifier, &asset.Error{Code: 1001, Op: "o"}, false, now)
			}
			return nil
		})
		if len(seen) != 700 {
			t.Errorf("visited %d of 700", len(seen))
		}
		return err
	})
}

func TestOneScheduledDownloadPerIdentifier(t *testing.T) {
	d := openDB(t)
	first := add(t, d, file("x", false, 0))
	err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := Add(tx, file("x", false, 0), now); return err })
	if asset.CodeOf(err) != asset.CodeAlreadyScheduled {
		t.Errorf("second x: %v, want code 100", err)
	}
	write(t, d, func(tx *db.Tx) error {
		return Fail(tx, first.UniqueIdentifier, &asset.Error{Code: 1001, Op: "fetch"}, true, now)
	})
	second := add(t, d, file("x", false, 0)) // a retry after the failure
	if got := get(t, d, first.UniqueIdentifier); got.Delivery != Due {
		t.Errorf("the undelivered failure is gone: %+v", got)
	}
	if second.UniqueIdentifier == first.UniqueIdentifier {
		t.Error("a new download has the old unique identifier")
	}
}

func TestEndedDownloadsStayEnded(t *testing.T) {
	d := openDB(t)
	e := add(t, d, file("x", false, 0))
	id := e.UniqueIdentifier
	write(t, d, func(tx *db.Tx) error { return Finish(tx, id, "/p", 10, true, now) })
	for name, change := range map[string]func(*db.Tx) error{
		"start":  func(tx *db.Tx) error { return Start(tx, id, "b") },
		"fail":   func(tx *db.Tx) error { return Fail(tx, id, &asset.Error{}, true, now) },
		"wait":   func(tx *db.Tx) error { return Wait(tx, id, nil, 0, now) },
		"finish": func(tx *db.Tx) error { return Finish(tx, id, "/q", 10, true, now) },
	} {
		if err := d.Write(t.Context(), change); asset.CodeOf(err) != asset.CodeNotScheduled {
			t.Errorf("%s after the end: %v, want code 101", name, err)
		}
	}
	write(t, d, func(tx *db.Tx) error { return Mark(tx, id, 3, 3, "v", "b", now) })
	if got := get(t, d, id); got.Bytes != 10 || got.Path != "/p" {
		t.Errorf("a late mark changed a finished download: %+v", got)
	}
}

func TestResultIsOfferedFiveTimesThenHeld(t *testing.T) {
	d := openDB(t)
	e := add(t, d, file("x", false, 0))
	write(t, d, func(tx *db.Tx) error { return Finish(tx, e.UniqueIdentifier, "/p", 10, true, now) })
	offers := 0
	for range 9 {
		write(t, d, func(tx *db.Tx) error {
			due, err := Undelivered(tx, "a", []asset.DownloadState{asset.StateFinished}, now, 10)
			if len(due) > 0 {
				offers++
				return NotAcknowledged(tx, e.UniqueIdentifier, now)
			}
			return err
		})
	}
	got := get(t, d, e.UniqueIdentifier)
	if offers != 5 || got.Delivery != HeldBack || got.Status().FilePath != "/p" {
		t.Errorf("offered %d times, then %+v", offers, got.Status())
	}
}

func TestNewRoundDemotesAndForgets(t *testing.T) {
	d := openDB(t)
	running, failed, done := add(t, d, file("running", true, 0)), add(t, d, file("failed", true, 0)), add(t, d, file("done", true, 0))
	write(t, d, func(tx *db.Tx) error {
		if err := Fail(tx, failed.UniqueIdentifier, &asset.Error{Code: 1001, Op: "o"}, true, now); err != nil {
			return err
		}
		if err := Finish(tx, done.UniqueIdentifier, "/p", 10, true, now); err != nil {
			return err
		}
		if err := Acknowledged(tx, done.UniqueIdentifier); err != nil {
			return err
		}
		return NewRound(tx, "a")
	})
	write(t, d, func(tx *db.Tx) error {
		c, err := Essential(tx, "a")
		if err != nil || c != (EssentialCount{}) {
			t.Errorf("essential of the new round: %+v, %v", c, err)
		}
		l, _ := List(tx, "a")
		if len(l) != 2 {
			t.Errorf("%d downloads are left, want running and failed", len(l))
		}
		if err := Adopt(tx, running.UniqueIdentifier, true, 5, now); err != nil {
			return err
		}
		c, err = Essential(tx, "a")
		if c.Count != 1 || c.Pending != 1 || c.Total != 10 {
			t.Errorf("after adoption: %+v", c)
		}
		return err
	})
}

// Whatever is done in whatever order: bytes never go on after the end, a failed
// or finished download has a time, and a waiting one never a delivery.
func TestAnyHistoryKeepsTheRules(t *testing.T) {
	d := openDB(t)
	rapid.Check(t, func(rt *rapid.T) {
		e := add(t, d, file(rapid.StringMatching(`[a-z]{12}`).Draw(rt, "id"), rapid.Bool().Draw(rt, "essential"), 0))
		ended := false
		for range rapid.IntRange(1, 12).Draw(rt, "n") {
			id := e.UniqueIdentifier
			op := rapid.SampledFrom([]string{"start", "wait", "mark", "finish", "fail", "interrupt"}).Draw(rt, "op")
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				switch op {
				case "start":
					return Start(tx, id, "boot")
				case "wait":
					return Wait(tx, id, &asset.Reason{Code: "r"}, 1, now)
				case "mark":
					return Mark(tx, id, int64(rapid.IntRange(0, 10).Draw(rt, "bytes")), 10, "v", "boot", now)
				case "finish":
					return Finish(tx, id, "/p", 10, true, now)
				case "fail":
					return Fail(tx, id, &asset.Error{Code: 1001, Op: "o"}, true, now)
				}
				return Interrupted(tx)
			})
			got := get(t, d, id)
			if ended && err == nil && op != "mark" && op != "interrupt" {
				rt.Fatalf("%s was allowed after the end", op)
			}
			if ended && !got.State.Settled() {
				rt.Fatalf("%s revived an ended download", op)
			}
			ended = got.State.Settled()
			if ended != !got.Ended.IsZero() || !ended && got.Delivery != NotDue {
				rt.Fatalf("after %s: %+v", op, got)
			}
		}
	})
}
