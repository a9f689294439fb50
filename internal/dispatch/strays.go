package dispatch

import (
	"context"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/queue"
)

// strays are downloads whose end could not be written: the disk was full, say, and the
// database with it. Their rows say that they run, and nobody runs them.
type strays struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (s *strays) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	s.ids[id] = true
}

// recover puts strays back into the queue, and tells when that is tried again. A run that
// has only begun anew finds what the last one left.
func (d *Dispatcher) recover(ctx context.Context, now time.Time) time.Time {
	s := &d.strays
	s.mu.Lock()
	defer s.mu.Unlock()
	var back []string
	for id := range s.ids {
		if d.running.named(id) == nil {
			back = append(back, id)
		}
	}
	if len(back) == 0 {
		return time.Time{}
	}
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		for _, id := range back {
			e, err := queue.Get(tx, id)
			switch {
			case asset.CodeOf(err) == asset.CodeDownloadDoesNotExist, err == nil && e.State != asset.StateDownloading:
				continue
			case err == nil:
				err = queue.Wait(tx, id, nil, e.Attempts, time.Time{})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return now.Add(strayCheck)
	}
	for _, id := range back {
		delete(s.ids, id)
	}
	return time.Time{}
}

// strayCheck is how often it is tried to put strays back.
const strayCheck = 5 * time.Second
