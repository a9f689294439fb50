package policy

import (
	"cmp"
	"slices"

	"larder/asset"
)

// Limits bound the connections (design §12).
type Limits struct {
	Total   int // default 4
	PerHost int // default 2
}

func (l Limits) withDefaults() Limits {
	if l.Total == 0 {
		l.Total = 4
	}
	if l.PerHost == 0 {
		l.PerHost = 2
	}
	return l
}

// Running is a transfer under way.
type Running struct {
	Item
	Order  int64 // rises with each start: the latest yields first
	Yields bool  // it can be resumed without asking for a byte twice
}

// Plan says which downloads to start, and which running ones to stop for them;
// the stopped ones go back to the queue with their bytes.
type Plan struct {
	Start []string
	Yield []string
}

// Assign deals out connections. ready holds, per app, the downloads that may run,
// best first; served holds the bytes each app was given so far. Foreground
// downloads go before essential ones, and these before all others. Among equals
// the app that was given least comes first (a deficit round robin over
// connections). A running transfer is stopped only for one that goes before it,
// or for an app that holds two connections fewer: stopping one makes them even.
func Assign(l Limits, running []Running, ready map[asset.AppID][]Item, served map[asset.AppID]int64) Plan {
	d := &deal{limits: l.withDefaults(), hosts: map[string]int{}, apps: map[asset.AppID]int{}, served: served, running: slices.Clone(running)}
	for _, r := range running {
		d.take(r.Item, 1)
	}
	queues := make(map[asset.AppID][]Item, len(ready))
	for app, items := range ready {
		queues[app] = slices.Clone(items)
	}
	for {
		it, ok := d.next(queues)
		if !ok {
			return d.plan
		}
		queues[it.App] = slices.DeleteFunc(queues[it.App], func(o Item) bool { return o.ID == it.ID })
		d.take(it, 1)
		d.plan.Start = append(d.plan.Start, it.ID)
	}
}

type deal struct {
	limits  Limits
	hosts   map[string]int
	apps    map[asset.AppID]int
	served  map[asset.AppID]int64
	running []Running
	plan    Plan
	total   int
}

func (d *deal) take(it Item, n int) {
	d.total += n
	d.hosts[it.Host] += n
	d.apps[it.App] += n
}

// next is the best download that can start now, making room if the rules allow it.
func (d *deal) next(queues map[asset.AppID][]Item) (Item, bool) {
	apps := make([]asset.AppID, 0, len(queues))
	for app := range queues {
		apps = append(apps, app)
	}
	slices.SortFunc(apps, func(a, b asset.AppID) int {
		return cmp.Or(cmp.Compare(d.apps[a], d.apps[b]), cmp.Compare(d.served[a], d.served[b]), cmp.Compare(a, b))
	})
	for rank := foremost; rank <= last; rank++ {
		for _, app := range apps {
			for _, it := range queues[app] {
				if rankOf(it) == rank && (d.fits(it) || d.makeRoom(it)) {
					return it, true
				}
			}
		}
	}
	return Item{}, false
}

// The ranks of downloads, first to last.
const (
	foremost = iota // foreground
	second          // essential, and the manifest that names them
	last
)

func rankOf(it Item) int {
	switch {
	case it.Foreground:
		return foremost
	case it.Essential || it.Manifest:
		return second
	}
	return last
}

func (d *deal) fits(it Item) bool {
	return d.total < d.limits.Total && d.hosts[it.Host] < d.limits.PerHost
}

// makeRoom stops the latest running transfer whose place it may take.
func (d *deal) makeRoom(it Item) bool {
	best := -1
	for n, r := range d.running {
		if !r.Yields || !d.mayTake(it, r) || !d.wouldFit(it, r) {
			continue
		}
		if best < 0 || r.Order > d.running[best].Order {
			best = n
		}
	}
	if best < 0 {
		return false
	}
	gone := d.running[best]
	d.running = slices.Delete(d.running, best, best+1)
	d.take(gone.Item, -1)
	d.plan.Yield = append(d.plan.Yield, gone.ID)
	return true
}

func (d *deal) mayTake(it Item, r Running) bool {
	if rankOf(it) < rankOf(r.Item) {
		return true
	}
	return rankOf(it) == rankOf(r.Item) && d.apps[r.App] >= d.apps[it.App]+2
}

func (d *deal) wouldFit(it Item, r Running) bool {
	hosts := d.hosts[it.Host]
	if r.Host == it.Host {
		hosts--
	}
	return d.total-1 < d.limits.Total && hosts < d.limits.PerHost
}
