package dispatch

import (
	"slices"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/queue"
	"larder/internal/site"
	"larder/internal/transfer"
	"larder/internal/trust"
)

// leastPack is how many bytes a second a host has to bring of a pack, as long as there is another to try.
const leastPack = 64 << 10

// floor is how fast the server of a run has to be. What an app names itself may take its time: also its
// own manifest, unless it is to be signed: a server that hides what is new must not do so for ever. Of a
// pack, a host that crawls is left for the next, twice each; after that it is the network that is slow.
func (r *run) floor() *transfer.Floor {
	switch hosts := r.app.Hosts(); {
	case r.Kind == queue.Manifest && (len(hosts) > 0 || r.app.Bundle.TrustedRoot != nil):
		return &transfer.Floor{Least: transfer.LeastDocument}
	case r.Kind == queue.Pack && len(hosts) > 1 && r.Attempts < 2*len(hosts):
		return &transfer.Floor{Least: leastPack}
	}
	return nil
}

// crawling is the failure of a document's server that was too slow: no progress, else it would crawl
// for ever, a little further each time. Of what must be signed, it is that nothing is proved; a check
// ends with that, and the next one tries again.
func (r *run) crawling(f *transfer.Failure) *transfer.Failure {
	slow := *f
	slow.Progressed = false
	if r.app.Bundle.TrustedRoot != nil {
		slow.Err = trust.Crawling(f.Err.Subject)
		if !r.app.Life.Request.AllowsEssential() {
			slow.Kind = transfer.KindPermanent
		}
	}
	return &slow
}

// elsewhere has a manifest or pack that failed come from the next host that delivers the app's
// site. It reports whether that is to be tried at once: after the last host the first one's turn comes again, and the
// failure is judged as any other.
func (d *Dispatcher) elsewhere(r *run, f *transfer.Failure) bool {
	if r.Kind == queue.File || f.Kind == transfer.KindSpace || f.Kind == transfer.KindDisk && f.Err.Code != asset.CodeHashMismatch {
		return false
	}
	hosts := r.app.Hosts()
	next, again := site.Elsewhere(hosts, r.URL)
	if next == "" {
		return false
	}
	p := r.Pack
	if p != nil {
		moved := *p
		moved.URL, moved.Deltas = site.Beside(hosts, p.URL, next), slices.Clone(p.Deltas)
		for i := range moved.Deltas {
			moved.Deltas[i].URL = site.Beside(hosts, moved.Deltas[i].URL, next)
		}
		p = &moved
	}
	now := time.Now()
	reason := &asset.Reason{Code: asset.WhyRetry, Message: f.Err.Error(), Since: now, Unblock: "nothing to do: the next of the app's hosts is asked"}
	err := d.writeBooked([]*run{r}, false, func(tx *db.Tx, _ []*booking) error {
		if err := queue.Move(tx, r.UniqueIdentifier, next, p); err != nil || again {
			return err
		}
		return queue.Wait(tx, r.UniqueIdentifier, reason, r.Attempts+1, now)
	})
	if err != nil {
		d.lost(r, err)
		return true
	}
	if !again {
		d.observe(asset.EventPaused, r, asset.StateWaiting, reason)
	}
	return !again
}
