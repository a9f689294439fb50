package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tape is the order in which a journal synced and recorded.
type tape struct {
	mu    sync.Mutex
	lines []string
}

func (p *tape) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
}

func (p *tape) sync() error { p.add("sync"); return nil }

func (p *tape) record(marks []Mark) error {
	slices.SortFunc(marks, func(a, b Mark) int { return int(a.Held.Bytes - b.Held.Bytes) })
	line := "record"
	for _, m := range marks {
		line += fmt.Sprintf(" %s=%d", m.ID, m.Held.Bytes)
	}
	p.add(line)
	return nil
}

func (p *tape) want(t *testing.T, lines ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.lines, lines) {
		t.Errorf("journal did %q; want %q", p.lines, lines)
	}
	p.lines = nil
}

func put(t *testing.T, e *entry, n int64) {
	t.Helper()
	if err := e.reserve(context.Background(), n); err != nil {
		t.Fatal(err)
	}
	e.journal.mu.Lock()
	held := Held{Bytes: e.held.Bytes + n}
	e.journal.mu.Unlock()
	e.wrote(n, n, held)
}

func TestJournalSavesAfterMaxAgeAndThenSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p tape
		j := &Journal{Record: p.record}
		a := j.join("a", Held{}, p.sync)
		time.Sleep(time.Hour)
		synctest.Wait()
		p.want(t)
		put(t, a, 10)
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		p.want(t)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		p.want(t, "sync", "record a=10")
		time.Sleep(time.Hour)
		synctest.Wait()
		p.want(t)
		if held := a.leave(); held.Bytes != 10 {
			t.Errorf("held %+v", held)
		}
	})
}

func TestJournalSavesAllFilesTogetherAtTheSoftLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p tape
		j := &Journal{Record: p.record, SoftLimit: 100}
		a, b := j.join("a", Held{}, p.sync), j.join("b", Held{}, p.sync)
		put(t, a, 40)
		put(t, b, 59)
		synctest.Wait()
		p.want(t)
		put(t, a, 1)
		synctest.Wait()
		p.want(t, "sync", "sync", "record a=41 b=59")
		put(t, b, 1)
		if err := a.checkpoint(Held{Bytes: 41}); err != nil {
			t.Error(err)
		}
		p.want(t)
		if err := b.checkpoint(Held{Bytes: 60}); err != nil {
			t.Error(err)
		}
		p.want(t, "sync", "record b=60")
		a.leave()
		b.leave()
	})
}

func TestUnsyncedBytesNeverPassTheHardLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &Journal{SoftLimit: 100, HardLimit: 150}
		a := j.join("a", Held{}, func() error { time.Sleep(time.Minute); return nil })
		b := j.join("b", Held{}, func() error { time.Sleep(time.Minute); return nil })
		start := time.Now()
		put(t, a, 100)
		put(t, b, 50)
		if time.Since(start) != 0 {
			t.Error("a write below the limit waited")
		}
		put(t, b, 1)
		if time.Since(start) != 2*time.Minute {
			t.Errorf("a write above the limit waited for %v", time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.reserve(ctx, 150); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled wait gave %v", err)
		}
		for _, e := range []*entry{a, b} {
			if err := e.checkpoint(Held{Bytes: 51}); err != nil {
				t.Error(err)
			}
			e.leave()
		}
		if j.unsynced != 0 || j.dirty != 0 {
			t.Errorf("left over: %d and %d bytes", j.unsynced, j.dirty)
		}
	})
}

func TestFailedSyncFailsThatFileAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p tape
		j := &Journal{Record: p.record, SoftLimit: 10, HardLimit: 20}
		broken, tries := errors.New("disk"), 0
		a := j.join("a", Held{Bytes: 5}, func() error { tries++; return broken })
		b := j.join("b", Held{}, func() error { return nil })
		put(t, b, 2)
		put(t, a, 8)
		synctest.Wait()
		p.want(t, "record b=2")
		if err := a.reserve(t.Context(), 1); !errors.Is(err, broken) {
			t.Errorf("write after a failed sync: %v", err)
		}
		a.wrote(0, 0, Held{Bytes: 13})
		if err := a.checkpoint(Held{Bytes: 13}); !errors.Is(err, broken) || tries != 1 {
			t.Errorf("checkpoint gave %v after %d syncs", err, tries)
		}
		if held := a.leave(); held.Bytes != 5 {
			t.Errorf("held %+v; want what was recorded", held)
		}
		put(t, b, 20)
		synctest.Wait()
		p.want(t, "record b=22")
		b.leave()
		if j.unsynced != 0 || j.dirty != 0 {
			t.Errorf("left over: %d and %d bytes", j.unsynced, j.dirty)
		}
	})
}

func TestCheckpointAskedForDuringAFailingSyncRecordsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p tape
		broken := errors.New("disk")
		j := &Journal{Record: p.record, SoftLimit: 10}
		a := j.join("a", Held{}, func() error { time.Sleep(time.Minute); return broken })
		put(t, a, 10)
		time.Sleep(time.Second)
		if err := a.checkpoint(Held{Bytes: 10}); !errors.Is(err, broken) {
			t.Errorf("checkpoint gave %v", err)
		}
		p.want(t)
		a.leave()
	})
}

func TestFailedRecordFailsEveryFileInIt(t *testing.T) {
	r := newRig(t)
	r.Put("/a", faultFile)
	broken := errors.New("database")
	r.fetcher.Journal.Record = func([]Mark) error { return broken }
	held, fail := r.fetch(r.job("/a", Held{}))
	wantFailure(t, fail, KindDisk)
	if !errors.Is(fail, broken) || held != (Held{}) {
		t.Errorf("held %+v: %v", held, fail)
	}
}

func TestJournalGoroutineEndsWithTheLastFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &Journal{}
		for range 3 {
			a, b := j.join("a", Held{}, func() error { return nil }), j.join("b", Held{}, func() error { return nil })
			put(t, a, 1)
			if err := a.checkpoint(Held{Bytes: 1}); err != nil {
				t.Error(err)
			}
			a.leave()
			b.leave()
			synctest.Wait()
			if j.running {
				t.Fatal("the goroutine outlived the files")
			}
		}
	})
}
