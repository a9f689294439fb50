package dispatch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/db"
	"larder/internal/queue"
	"larder/internal/transfer"
)

// Patience, design §12: essential downloads wait a few seconds for connectivity
// so that nobody is held up at the gate; all others wait as long as it takes.
const (
	essentialOffline = 5 * time.Second
	essentialServer  = time.Minute // of server errors that name no time
	diskTries        = 3
	// repeats is how often in a row the same bytes may come and break off before an
	// essential download gives up: a server that cuts each answer short and lets none
	// be continued sends them for ever.
	repeats = 8
)

// finished writes the good end of a download.
func (d *Dispatcher) finished(r *run, inbox string, bytes int64) {
	d.hosts.reached(r.Host)
	due := r.Kind == queue.File
	err := d.writeBooked([]*run{r}, false, func(tx *db.Tx, _ []*booking) error {
		if err := queue.Finish(tx, r.UniqueIdentifier, inbox, bytes, due, time.Now()); err != nil || r.Kind != queue.Manifest {
			return err
		}
		return queue.Name(tx, r.UniqueIdentifier, r.named)
	})
	if err != nil {
		d.lost(r, err)
		return
	}
	r.bytes.Store(bytes)
	r.total.Store(bytes)
	d.observe(asset.EventFinished, r, asset.StateFinished, nil)
}

// failed judges an attempt that did not complete the file: try again, and when,
// or give up.
func (d *Dispatcher) failed(ctx context.Context, r *run, held transfer.Held, f *transfer.Failure) {
	now := time.Now()
	if f.Kind == transfer.KindCancelled || ctx.Err() != nil {
		d.wait(r, stopped(context.Cause(ctx), now), r.Attempts, time.Time{})
		return
	}
	attempts, gained := r.Attempts+1, f.Progressed && held.Bytes > r.Bytes
	if gained {
		attempts = 1
	}
	if f.Progressed {
		d.hosts.reached(r.Host)
	}
	if d.elsewhere(r, f) {
		return
	}
	since := d.troubleSince(r, f, now)
	urgent := d.urgent(r)
	if giveUp(f, urgent, attempts, now.Sub(since)) {
		d.giveUp(r, f)
		return
	}
	next := now.Add(pause(r, f, gained, urgent, attempts))
	if f.NotBefore.After(next) {
		next = f.NotBefore
	}
	reason := retryReason(f, since, next)
	if f.Kind == transfer.KindConnectivity && !f.Progressed {
		d.hosts.failed(r.Host, since, now, next, reason)
	}
	d.wait(r, reason, attempts, next)
	if !urgent && d.urgent(r) {
		// It was promoted while this was judged: what it waits for is no longer so.
		if err := d.write(func(tx *db.Tx) error { return queue.TryNow(tx, r.UniqueIdentifier, now) }); err != nil {
			d.lost(r, err)
		}
	}
}

// troubleSince is when the trouble began that this failure is part of.
func (d *Dispatcher) troubleSince(r *run, f *transfer.Failure, now time.Time) time.Time {
	switch {
	case f.Progressed:
		return now
	case f.Kind == transfer.KindConnectivity:
		since := d.hosts.since(r.Host, r.begun)
		if r.Reason != nil && r.Reason.Code == asset.WhyNetwork && r.Reason.Since.Before(since) {
			since = r.Reason.Since
		}
		return since
	case r.Reason != nil && r.Reason.Code == asset.WhyRetry:
		return r.Reason.Since
	}
	return now
}

func giveUp(f *transfer.Failure, urgent bool, attempts int, lasted time.Duration) bool {
	switch f.Kind {
	case transfer.KindPermanent:
		return true
	case transfer.KindDisk:
		return attempts >= diskTries
	case transfer.KindConnectivity:
		if f.Progressed {
			return urgent && attempts > repeats
		}
		return urgent && lasted >= essentialOffline
	case transfer.KindServer:
		return urgent && f.NotBefore.IsZero() && lasted >= essentialServer
	}
	return false
}

// urgent downloads are those somebody waits for: in the foreground, or at the
// gate unless the bundle says that the gate waits however long it takes.
func (d *Dispatcher) urgent(r *run) bool {
	if d.running.inFront(r.UniqueIdentifier) {
		return true
	}
	gated := r.Essential || r.Kind == queue.Manifest && r.app.Life.Request.AllowsEssential()
	return gated && r.app.Bundle.EssentialFailure != bundle.FailureWait
}

func pause(r *run, f *transfer.Failure, gained, urgent bool, attempts int) time.Duration {
	switch {
	case f.Kind == transfer.KindSpace:
		return spaceCheck
	case f.Kind == transfer.KindConnectivity && gained:
		return 200 * time.Millisecond // the connection broke in the middle: take up at once
	case urgent: // somebody waits, and for a few seconds only
		most := min(250*time.Millisecond<<min(attempts, 6), time.Second)
		return most/2 + rand.N(most/2)
	case r.Essential:
		return min(transfer.Backoff(attempts, rand.Float64), 10*time.Second)
	}
	return transfer.Backoff(attempts, rand.Float64)
}

func retryReason(f *transfer.Failure, since, next time.Time) *asset.Reason {
	r := &asset.Reason{Code: asset.WhyRetry, Message: f.Err.Error(), Since: since,
		Unblock: fmt.Sprintf("nothing to do: it is tried again at %s", next.Local().Format("15:04:05"))}
	switch f.Kind {
	case transfer.KindConnectivity:
		r.Code = asset.WhyNetwork
	case transfer.KindSpace:
		r.Code, r.Unblock = asset.WhyNoSpace, "free some space"
	}
	return r
}

func stopped(cause error, now time.Time) *asset.Reason {
	if cause == errYield {
		return &asset.Reason{Code: asset.WhyQueued, Message: cause.Error(), Unblock: "nothing to do: it goes on when one is free", Since: now}
	}
	if h, ok := cause.(held); ok {
		return h.reason
	}
	return nil // the person's pause and the like are told by the app's own state
}

func (d *Dispatcher) wait(r *run, reason *asset.Reason, attempts int, next time.Time) {
	err := d.writeBooked([]*run{r}, false, func(tx *db.Tx, _ []*booking) error { return queue.Wait(tx, r.UniqueIdentifier, reason, attempts, next) })
	if err != nil {
		d.lost(r, err)
		return
	}
	d.observe(asset.EventPaused, r, asset.StateWaiting, reason)
}

// giveUp ends the download. When its server cannot be reached, the other
// essential downloads from there end with it: each would only wait as long again.
func (d *Dispatcher) giveUp(r *run, f *transfer.Failure) {
	cause, now := asset.AsError(f.Err), time.Now()
	gone := []started{r.started}
	err := d.writeBooked([]*run{r}, false, func(tx *db.Tx, _ []*booking) error {
		if err := queue.Fail(tx, r.UniqueIdentifier, cause, r.Kind != queue.Pack, now); err != nil {
			return err
		}
		if f.Kind != transfer.KindConnectivity || !r.Essential {
			return nil
		}
		others, err := queue.Waiting(tx, r.App)
		if err != nil {
			return err
		}
		for _, o := range others {
			if o.Essential && o.Host == r.Host {
				if err := queue.Fail(tx, o.UniqueIdentifier, cause, o.Kind != queue.Pack, now); err != nil {
					return err
				}
				gone = append(gone, started{Entry: o})
			}
		}
		return nil
	})
	if err != nil {
		d.lost(r, err)
		return
	}
	for _, g := range gone {
		_ = d.Discard(&g.Entry) // of no use to anyone; what cannot be removed now is swept at the next start
		failed := &run{started: g}
		failed.bytes.Store(g.Bytes)
		failed.total.Store(g.Expected())
		d.observe(asset.EventFailed, failed, asset.StateFailed, &asset.Reason{Code: cause.Code.String(), Message: cause.Error(), Unblock: cause.Help, Since: now})
	}
}

// nothing is for writeBooked when there is only that.
func nothing(*db.Tx, []*booking) error { return nil }

func (d *Dispatcher) write(f func(*db.Tx) error) error { return d.DB.Write(context.Background(), f) }

// lost handles a row that would not take the outcome: it was cancelled or its app
// removed meanwhile, so the bytes belong to nobody. One that could not be written at all is
// put back, see strays.
func (d *Dispatcher) lost(r *run, err error) {
	if asset.CodeOf(err) == asset.CodeInternal {
		d.strays.add(r.UniqueIdentifier)
		return
	}
	// What was received counts all the same.
	_ = d.writeBooked([]*run{r}, false, nothing)
	d.Discard(&r.Entry) // what cannot be removed now is swept at the next start
}
