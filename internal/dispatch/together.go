package dispatch

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/queue"
	"larder/internal/shelf"
)

// together are the packs that are complete and wait for the others of their batch, so that
// an app finds all of an update or nothing of it. It is memory alone: after a restart they
// run again, which fetches nothing.
type together struct {
	mu    sync.Mutex // also held while it is decided whether a pack waits, so that one of a batch is the last
	ready map[string]*guest
	apart map[string]bool // to be shown alone, because they could not be shown with others
}

// guest is a pack that waits.
type guest struct {
	run  *run
	pack shelf.Pack
}

// patience is how long a pack that is complete waits for others of its batch of which no
// byte moves.
const patience = 30 * time.Minute

// others gives the rows of a batch that have not ended, but for one.
func others(tx *db.Tx, e *queue.Entry) (out []queue.Entry, err error) {
	all, err := queue.Packs(tx, e.App)
	for _, o := range all {
		if o.Batch == e.Batch && o.UniqueIdentifier != e.UniqueIdentifier {
			out = append(out, o)
		}
	}
	return out, err
}

// lacking reports whether one of these is worth waiting for: not complete yet, and on its way.
func (t *together) lacking(rows []queue.Entry, now time.Time) bool {
	for _, e := range rows {
		if t.ready[e.UniqueIdentifier] == nil && !t.apart[e.UniqueIdentifier] && now.Sub(e.Moved) < patience {
			return true
		}
	}
	return false
}

// meeting is one pack's question whether it is the last of its batch.
type meeting struct {
	d    *Dispatcher
	r    *run
	with []*guest
}

// hold is asked when the pack is complete, see stock.Job.
func (m *meeting) hold(p shelf.Pack) ([]shelf.Pack, bool) {
	t, id := &m.d.together, m.r.UniqueIdentifier
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.ready, id)
	var rows []queue.Entry
	err := m.d.DB.Read(context.Background(), func(tx *db.Tx) error {
		e, err := queue.Get(tx, id) // its batch may be another since it began
		if err == nil && e.Batch != "" {
			rows, err = others(tx, &e)
		}
		return err
	})
	if err != nil || t.apart[id] {
		return nil, true // what is complete is not lost for that
	}
	if t.lacking(rows, time.Now()) {
		if t.ready == nil {
			t.ready = map[string]*guest{}
		}
		t.ready[id] = &guest{m.r, p}
		return nil, false
	}
	var with []shelf.Pack
	for _, e := range rows {
		if k := t.ready[e.UniqueIdentifier]; k != nil && !t.apart[e.UniqueIdentifier] {
			m.with, with = append(m.with, k), append(with, k.pack)
		}
	}
	return with, true
}

// finished ends the others that were shown with the pack.
func (m *meeting) finished() {
	t := &m.d.together
	for _, k := range m.with {
		t.forget(k.run.UniqueIdentifier)
		m.d.finished(k.run, "", k.run.total.Load())
		if !m.d.busy(k.run) { // else it was asked for meanwhile, and removes what it has when it ends
			_ = m.d.Discard(&k.run.Entry) // what cannot be removed now is swept at the next start
		}
	}
	t.forget(m.r.UniqueIdentifier)
}

// apart has each of several packs that could not be shown together tried alone: one of them may
// be at fault.
func (m *meeting) apart() bool {
	t := &m.d.together
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(m.with) == 0 {
		return false
	}
	if t.apart == nil {
		t.apart = map[string]bool{}
	}
	t.apart[m.r.UniqueIdentifier] = true
	for _, k := range m.with {
		t.apart[k.run.UniqueIdentifier] = true
	}
	return true
}

func (t *together) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.ready, id)
	delete(t.apart, id)
}

// keepBack has the row of a complete pack say so, and tried again when patience ends.
func (d *Dispatcher) keepBack(r *run) {
	now := time.Now()
	err := d.write(func(tx *db.Tx) error {
		return queue.Mark(tx, r.UniqueIdentifier, r.total.Load(), r.total.Load(), "", d.Boot, now)
	})
	if err != nil {
		d.lost(r, err)
		return
	}
	d.wait(r, &asset.Reason{Code: asset.WhyTogether, Message: "it is complete, and comes with the other packs of this update", Unblock: "nothing to do: it waits for them while they come", Since: now},
		0, now.Add(patience))
}

// gather lets a pack that waits run when nothing is left to wait for: another has failed, or was
// removed.
func (d *Dispatcher) gather(ctx context.Context, now time.Time) error {
	t := &d.together
	t.mu.Lock()
	defer t.mu.Unlock()
	var run []string
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		for _, id := range slices.Concat(slices.Collect(maps.Keys(t.ready)), slices.Collect(maps.Keys(t.apart))) {
			e, err := queue.Get(tx, id)
			switch {
			case asset.CodeOf(err) == asset.CodeDownloadDoesNotExist, err == nil && e.State.Settled():
				delete(t.ready, id)
				delete(t.apart, id)
				continue
			case err != nil:
				return err
			}
			rows, err := others(tx, &e)
			if err != nil {
				return err
			}
			if e.State == asset.StateWaiting && e.NextTry.After(now) && t.ready[id] != nil && (t.apart[id] || e.Batch == "" || !t.lacking(rows, now)) {
				run = append(run, id)
			}
		}
		return nil
	})
	if err != nil || len(run) == 0 {
		return err
	}
	return d.write(func(tx *db.Tx) error {
		for _, id := range run {
			if err := queue.TryNow(tx, id, now); err != nil {
				return err
			}
		}
		return nil
	})
}
