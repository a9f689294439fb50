package dispatch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/bundle"
	"larder/internal/db"
	"larder/internal/dirs"
	"larder/internal/fsx"
	"larder/internal/queue"
)

const shop, given = asset.AppID("org.example.shop"), 100 << 20

// ledgerOf is a dispatcher that is told what comes, over a database of one app.
type ledgerOf struct {
	*testing.T
	*Dispatcher
	commits int
}

func newLedger(t *testing.T) *ledgerOf {
	t.Helper()
	l := &ledgerOf{T: t}
	where, err := dirs.Find(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), filepath.Join(t.TempDir(), "l.db"), db.Options{Unsafe: true, Commit: func() error { l.commits++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	l.Dispatcher = &Dispatcher{DB: d, Dirs: where, FS: fsx.OS(), Boot: "one", Changed: func() {}}
	l.init()
	l.do(func(tx *db.Tx) error {
		return apps.Add(tx, apps.App{Bundle: bundle.Bundle{ID: shop, Group: "group." + asset.GroupID(shop),
			Restrictions: &bundle.Restrictions{DownloadAllowance: given, EssentialDownloadAllowance: given}}})
	})
	return l
}

func (l *ledgerOf) do(f func(*db.Tx) error) {
	l.Helper()
	if err := l.DB.Write(l.Context(), f); err != nil {
		l.Fatal(err)
	}
}

// begins gives the allowance of a download that begins to run.
func (l *ledgerOf) begins(size int64) meter {
	l.Helper()
	r := &run{allowed: allowed{bound: true}}
	granted := func() {}
	l.do(func(tx *db.Tx) (err error) {
		e := queue.Entry{App: shop, Kind: queue.File, Download: asset.Download{Identifier: "f", URL: "https://x.example/f", FileSize: size, Group: "group." + asset.GroupID(shop)}}
		if e, err = queue.Add(tx, e, time.Now()); err != nil {
			return err
		}
		if err := queue.Start(tx, e.UniqueIdentifier, l.Boot); err != nil {
			return err
		}
		r.Entry = e
		if r.app, err = apps.Get(tx, shop); err == nil {
			granted, err = l.begin(tx, r)
		}
		return err
	})
	granted()
	return meter{l.Dispatcher, r}
}

// brings lets n bytes come and, if kept, be written to the partial file.
func (l *ledgerOf) brings(m meter, n int64, kept bool) {
	l.Helper()
	for n > 0 {
		may, over := m.Draw(int(min(n, 128<<10)))
		if over != nil {
			l.Fatal(over)
		}
		m.Received(may)
		n -= int64(may)
		if !kept {
			continue
		}
		m.r.bytes.Add(int64(may))
		path := l.partial(&m.r.Entry)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			l.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err == nil {
			_, err = f.Write(make([]byte, may))
			f.Close()
		}
		if err != nil {
			l.Fatal(err)
		}
	}
}

// marks records what came, as a checkpoint does.
func (l *ledgerOf) marks(m meter) {
	l.Helper()
	err := l.writeBooked([]*run{m.r}, true, func(tx *db.Tx, _ []*booking) error {
		return queue.Mark(tx, m.r.UniqueIdentifier, m.r.bytes.Load(), m.r.FileSize, `"v"`, l.Boot, time.Now())
	})
	if err != nil {
		l.Fatal(err)
	}
}

// afterKill gives what the app has left after a kill and a start in boot.
func (l *ledgerOf) afterKill(boot string) (left int64) {
	l.Helper()
	l.Dispatcher = &Dispatcher{DB: l.DB, Dirs: l.Dirs, FS: l.FS, Boot: boot, Changed: func() {}}
	l.do(l.Settle)
	l.do(func(tx *db.Tx) error {
		app, err := apps.Get(tx, shop)
		if err != nil {
			return err
		}
		a, err := l.Allowances(tx, &app)
		left = a.Others
		return err
	})
	return left
}

func TestAKillTakesOfTheAllowanceWhatMayHaveCome(t *testing.T) {
	const size = 50 << 20
	for _, c := range []struct {
		name string
		size int64
		boot string
		come func(l *ledgerOf, m meter) (received int64)
		wire int64 // is counted
	}{
		{"before a byte of a small file", 1000, "one", func(*ledgerOf, meter) int64 { return 0 }, 1000},
		{"after half of a small file", 1000, "one", func(l *ledgerOf, m meter) int64 { l.brings(m, 500, true); return 500 }, 1000},
		{"before a byte of a large file", size, "one", func(*ledgerOf, meter) int64 { return 0 }, ahead},
		{"after its mark", size, "one", func(l *ledgerOf, m meter) int64 { l.brings(m, 1, true); l.marks(m); return 1 }, 1 + sip},
		{"while bytes came that are there", size, "one", func(l *ledgerOf, m meter) int64 {
			l.marks(m)
			l.brings(m, 3<<20, true)
			return 3 << 20
		}, 3<<20 + sip},
		{"while bytes came that were not written", size, "one", func(l *ledgerOf, m meter) int64 {
			l.marks(m)
			l.brings(m, 3<<20, true)
			l.brings(m, sip, false)
			return 3<<20 + sip
		}, 3<<20 + sip},
		{"after many marks", size, "one", func(l *ledgerOf, m meter) int64 {
			for range 10 {
				l.brings(m, 3<<20, true)
				l.marks(m)
			}
			return 30 << 20
		}, 30<<20 + sip},
		{"and the power went", size, "two", func(l *ledgerOf, m meter) int64 {
			l.brings(m, 3<<20, true)
			l.marks(m)
			l.brings(m, 2<<20, true)
			return 5 << 20
		}, 3<<20 + ahead},
		{"and its row was dropped", size, "one", func(l *ledgerOf, m meter) int64 {
			l.marks(m)
			l.brings(m, 3<<20, true)
			l.do(func(tx *db.Tx) error { return queue.Drop(tx, m.r.UniqueIdentifier) })
			return 3 << 20
		}, ahead},
		{"of a file whose size nobody said", 0, "one", func(l *ledgerOf, m meter) int64 {
			if over := m.Announce(-1); over != nil {
				l.Fatal(over)
			}
			l.brings(m, 100<<10, true)
			return 100 << 10
		}, 2 * blind},
		{"after its end", 1000, "one", func(l *ledgerOf, m meter) int64 {
			l.brings(m, 1000, true)
			l.finished(m.r, "/inbox", 1000)
			return 1000
		}, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			m := l.begins(c.size)
			received := c.come(l, m)
			left := l.afterKill(c.boot)
			spoken := c.wire
			l.do(func(tx *db.Tx) error {
				rest, _, found, err := queue.Unreceived(tx, m.r.UniqueIdentifier)
				spoken += rest
				if e, err := queue.Get(tx, m.r.UniqueIdentifier); found && err == nil && e.Wire != c.wire {
					t.Errorf("%d bytes count as received, want %d", e.Wire, c.wire)
				}
				return err
			})
			if given-left != spoken {
				t.Errorf("%d bytes are spoken for, want %d", given-left, spoken)
			}
			if received > c.wire {
				t.Errorf("%d bytes came and %d count", received, c.wire)
			}
		})
	}
}

// As a file of the size it was declared with always is.
func TestASmallFileCostsNoCommitForTheAllowance(t *testing.T) {
	l := newLedger(t)
	before := l.commits
	m := l.begins(100_000)
	if over := m.Announce(100_000); over != nil {
		t.Fatal(over)
	}
	l.brings(m, 100_000, true)
	if may, _ := m.Draw(1); may != 0 {
		t.Error("more may come than was announced")
	}
	l.finished(m.r, "/inbox", 100_000)
	if n := l.commits - before; n != 2 {
		t.Errorf("%d commits from its start to its end, want these two", n)
	}
}

func TestNoMoreComesThanTheAllowanceHas(t *testing.T) {
	l := newLedger(t)
	l.do(func(tx *db.Tx) error { return apps.Spend(tx, shop, false, given-300<<10) })
	m := l.begins(0)
	if over := m.Announce(300<<10 + 1); over == nil || over.Code != asset.CodeAllowanceExceeded {
		t.Errorf("a body that is longer: %v", over)
	}
	if over := m.Announce(-1); over != nil {
		t.Fatal(over)
	}
	l.brings(m, 300<<10, true)
	if may, over := m.Draw(1); may != 0 || over == nil || over.Code != asset.CodeAllowanceExceeded {
		t.Errorf("after the end %d may come, %v", may, over)
	}
	l.do(func(tx *db.Tx) error { return apps.Launch(tx, shop, time.Now()) })
	if may, over := m.Draw(1000); may != 1000 || over != nil {
		t.Errorf("after the launch %d may come, %v", may, over)
	}
}
