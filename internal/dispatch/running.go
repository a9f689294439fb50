package dispatch

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"larder/asset"
	"larder/internal/policy"
)

// run is one transfer under way.
type run struct {
	started
	order  int64
	begun  time.Time
	cancel context.CancelCauseFunc
	done   chan struct{}

	bytes, total atomic.Int64
	resumable    atomic.Bool                   // stopping costs no byte
	traffic      atomic.Pointer[asset.Traffic] // of packs
	named        string                        // what names the manifest that came; of the run's goroutine

	allowed
}

// running is the set of transfers and what each app was given.
type running struct {
	mu     sync.Mutex
	runs   map[string]*run
	served map[asset.AppID]int64
	order  int64
	closed bool
	front  map[string]bool // in the foreground, running or not
}

func (r *running) promote(id string, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.front == nil {
		r.front = map[string]bool{}
	}
	if r.front[id] = on; !on {
		delete(r.front, id)
	}
}

func (r *running) fronts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.front))
}

func (r *running) inFront(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.front[id]
}

func (r *running) add(x *run) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.runs[x.UniqueIdentifier] != nil {
		return false
	}
	r.order++
	x.order = r.order
	r.runs[x.UniqueIdentifier] = x
	return true
}

func (r *running) remove(x *run) {
	r.mu.Lock()
	delete(r.runs, x.UniqueIdentifier)
	r.mu.Unlock()
	close(x.done)
}

func (r *running) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

func (r *running) serve(app asset.AppID, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.served[app] += n
}

func (r *running) list() []policy.Running {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]policy.Running, 0, len(r.runs))
	for _, x := range r.runs {
		rank := x.rank
		rank.Foreground = r.front[x.UniqueIdentifier]
		out = append(out, policy.Running{Item: rank, Order: x.order, Yields: x.resumable.Load()})
	}
	return out
}

// shares gives the bytes each app was given. An app that had nothing to fetch
// for a while starts level with the one given least, so that it cannot claim
// the time it was away.
func (r *running) shares(ready map[asset.AppID][]policy.Item) map[asset.AppID]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	active := map[asset.AppID]bool{}
	for _, x := range r.runs {
		active[x.App] = true
	}
	least, any := int64(0), false
	for app := range active {
		if n := r.served[app]; !any || n < least {
			least, any = n, true
		}
	}
	out := map[asset.AppID]int64{}
	for app := range r.served {
		if len(ready[app]) == 0 && !active[app] {
			delete(r.served, app)
		}
	}
	for app := range ready {
		if _, known := r.served[app]; !known {
			r.served[app] = least
		}
		out[app] = r.served[app]
	}
	return out
}

func (r *running) stop(id string, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.runs[id]; x != nil {
		x.cancel(cause)
	}
}

func (r *running) stopAll(keep func(asset.AppID, string) bool) []*run {
	r.mu.Lock()
	defer r.mu.Unlock()
	cause := errPaused
	if r.closed {
		cause = errStopping
	}
	var out []*run
	for id, x := range r.runs {
		if !keep(x.App, id) {
			x.cancel(cause)
			out = append(out, x)
		}
	}
	return out
}

// named gives the run of a download, nil when it does not run.
func (r *running) named(id string) *run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[id]
}

func (r *running) live(id string) (int64, int64, *asset.Traffic, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.runs[id]
	if x == nil {
		return 0, 0, nil, false
	}
	return x.bytes.Load(), x.total.Load(), x.traffic.Load(), true
}

// remaining sums up the bytes that running transfers will still write.
func (r *running) remaining() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var n int64
	for _, x := range r.runs {
		n += max(x.total.Load()-x.bytes.Load(), 0)
	}
	return n
}
