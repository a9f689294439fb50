package transfer

import (
	"context"
	"sync"
	"time"
)

// Mark is one line of a checkpoint: what is now durably held for a job.
type Mark struct {
	ID   string
	Held Held
}

// Journal makes the progress of all running transfers durable in groups: sync
// every file with new bytes, then record all of them at once. Its goroutine
// lives only while a transfer has something to record, and wakes only when there
// is work. A Journal is shared by all transfers of a process and must not be
// copied; its fields are set before first use.
type Journal struct {
	// Record stores marks in one transaction. It is never called twice at once,
	// and marks of one job come in order. Nil records nothing.
	Record func([]Mark) error
	// SoftLimit of unsynced bytes over all files starts a checkpoint; 0 means 2 MiB.
	SoftLimit int64
	// HardLimit of unsynced bytes over all files makes writers wait: a power cut
	// never costs more. 0 means 4 MiB.
	HardLimit int64
	// MaxAge of unsynced bytes starts a checkpoint; 0 means 1 s.
	MaxAge time.Duration

	mu       sync.Mutex
	entries  map[*entry]bool
	unsynced int64         // bytes written, and bytes about to be
	dirty    int64         // bytes written
	since    time.Time     // when dirty became more than 0
	pressed  bool          // a writer waits for room
	running  bool          // the goroutine lives
	kick     chan struct{} // one slot: look again
	room     chan struct{} // closed when unsynced falls
}

// entry is one file in the journal. Its fields are guarded by the journal's mutex.
type entry struct {
	journal *Journal
	id      string
	sync    func() error
	held    Held // as written
	safe    Held // as recorded
	known   bool // safe was recorded by this entry
	stale   bool // the file may hold unsynced bytes
	dirty   int64
	err     error
	asked   chan struct{} // closed after the checkpoint that was asked for
}

func (j *Journal) withDefaults() {
	if j.SoftLimit <= 0 {
		j.SoftLimit = 2 << 20
	}
	if j.HardLimit <= 0 {
		j.HardLimit = 2 * j.SoftLimit
	}
	if j.MaxAge <= 0 {
		j.MaxAge = time.Second
	}
}

// join adds a file. Bytes it held before may be unsynced, after kill -9.
func (j *Journal) join(id string, held Held, sync func() error) *entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.entries == nil {
		j.withDefaults()
		j.entries = map[*entry]bool{}
		j.kick, j.room = make(chan struct{}, 1), make(chan struct{})
	}
	e := &entry{journal: j, id: id, sync: sync, held: held, safe: held, stale: held.Bytes > 0}
	j.entries[e] = true
	if !j.running {
		j.running = true
		go j.run()
	}
	return e
}

// leave takes the file out and returns what is recorded of it.
func (e *entry) leave() Held {
	j := e.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.entries, e)
	j.wake()
	return e.safe
}

// checkpoint syncs and records the file as held, and waits for it.
func (e *entry) checkpoint(held Held) error {
	j := e.journal
	done := make(chan struct{})
	j.mu.Lock()
	if e.err != nil {
		defer j.mu.Unlock()
		return e.err
	}
	e.held, e.asked = held, done
	j.wake()
	j.mu.Unlock()
	<-done
	j.mu.Lock()
	defer j.mu.Unlock()
	return e.err
}

// reserve waits until n more bytes may be written.
func (e *entry) reserve(ctx context.Context, n int64) error {
	j := e.journal
	for {
		j.mu.Lock()
		if e.err != nil {
			defer j.mu.Unlock()
			return e.err
		}
		if j.unsynced == 0 || j.unsynced+n <= j.HardLimit {
			j.unsynced += n
			j.mu.Unlock()
			return nil
		}
		j.pressed = true
		room := j.room
		j.wake()
		j.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wrote tells that n of the reserved bytes were written, and what that makes.
func (e *entry) wrote(reserved, n int64, held Held) {
	j := e.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.err != nil {
		n = 0
	}
	if n < reserved {
		j.free(reserved - n)
	}
	if n == 0 {
		return
	}
	e.held, e.stale = held, true
	e.dirty += n
	first := j.dirty == 0
	j.dirty += n
	if first {
		j.since = time.Now()
	}
	if first || j.pressed || j.dirty >= j.SoftLimit {
		j.wake()
	}
}

func (j *Journal) free(n int64) {
	j.unsynced -= n
	close(j.room)
	j.room = make(chan struct{})
}

func (j *Journal) wake() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

func (j *Journal) run() {
	timer := time.NewTimer(j.MaxAge)
	defer timer.Stop()
	for {
		batch, wait, idle := j.next()
		switch {
		case idle:
			return
		case len(batch) > 0:
			j.save(batch)
			continue
		case wait > 0:
			timer.Reset(wait)
		default:
			timer.Stop()
		}
		select {
		case <-j.kick:
		case <-timer.C:
		}
	}
}

// saving is a file on its way through a checkpoint, as it was at the start.
type saving struct {
	*entry
	held  Held
	dirty int64
	stale bool
	asked chan struct{}
	err   error
}

// next picks the files to save now: those that wait for it, and all with new
// bytes when a limit is reached. With none, wait is the time until one is due,
// or 0; idle means that the goroutine is no longer needed.
func (j *Journal) next() (batch []*saving, wait time.Duration, idle bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) == 0 {
		j.running = false
		return nil, 0, true
	}
	if j.dirty > 0 {
		wait = j.MaxAge - time.Since(j.since)
	}
	due := j.dirty > 0 && (j.pressed || j.dirty >= j.SoftLimit || wait <= 0)
	for e := range j.entries {
		if e.err != nil && e.asked != nil {
			close(e.asked)
			e.asked = nil
		}
		if e.asked != nil || due && e.dirty > 0 {
			batch = append(batch, &saving{entry: e, held: e.held, dirty: e.dirty, stale: e.stale, asked: e.asked})
			e.asked, e.stale = nil, false
		}
	}
	if due {
		j.pressed = false
	}
	return batch, wait, false
}

// save runs one checkpoint: bytes first, then the record.
func (j *Journal) save(batch []*saving) {
	var marks []Mark
	for _, s := range batch {
		if s.stale {
			s.err = s.sync()
		}
		if s.err == nil && !(s.known && s.safe == s.held) {
			marks = append(marks, Mark{s.id, s.held})
		}
	}
	var err error
	if len(marks) > 0 && j.Record != nil {
		err = j.Record(marks)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range batch {
		if s.err == nil {
			s.err = err
		}
		j.saved(s)
	}
	j.since = time.Now()
}

// saved takes a file's result over, and wakes whoever waits for it. A file whose
// sync failed is never tried again: the system may have dropped its bytes.
func (j *Journal) saved(s *saving) {
	e := s.entry
	gone := s.dirty
	if s.err != nil {
		e.err, gone = s.err, e.dirty
	} else {
		e.safe, e.known = s.held, true
	}
	e.dirty -= gone
	j.dirty -= gone
	if gone > 0 {
		j.free(gone)
	}
	if s.asked != nil {
		close(s.asked)
	}
}
