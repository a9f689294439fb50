// Package dispatch runs the queue: it deals out connections as policy says, lets
// transfer fetch, and writes what came of it into the rows. One goroutine (the
// service's loop) calls Pass; each running download has a goroutine of its own.
// A download that cannot run always has a reason, see Why.
package dispatch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/dirs"
	"larder/internal/fsx"
	"larder/internal/policy"
	"larder/internal/queue"
	"larder/internal/transfer"
)

// Dispatcher runs downloads. DB, Dirs and FS are required.
type Dispatcher struct {
	DB   *db.DB
	Dirs dirs.Dirs
	FS   fsx.FS
	// Transport, nil for the network; Stall as in transfer.Fetcher.
	Transport http.RoundTripper
	Stall     time.Duration
	Limits    policy.Limits
	// Boot names the machine's present boot, "" when unknown: bytes written in
	// the same boot survive kill -9 unsynced.
	Boot string
	// Free tells the free bytes of a folder's disk; nil asks the disk.
	Free func(dir string) (int64, error)
	// Reserve is left free for the rest of the machine; 0 means 64 MiB.
	Reserve int64
	// Device tells what device and settings forbid; nil forbids nothing.
	Device func(apps.Settings) policy.Device
	// Offline makes every attempt fail as if there were no network; nil never does.
	Offline func() bool
	// Challenge asks an app, or its extension, what to do about a server's demand
	// for authentication during a download of it; nil leaves that to the default.
	Challenge func(ctx context.Context, app *apps.App, d asset.Download, c asset.Challenge) (asset.ChallengeAnswer, error)
	// Shelves is asked for the shelf that a pack goes to; needed only where there are packs.
	Shelves Shelves
	// Aside hears why the delta of a pack is not used, or no more; nil tells nobody.
	Aside func(app asset.AppID, p asset.PackID, why error)
	// Changed is called after anything that may change what runs next.
	Changed func()
	// Observe hears of every change of a download, after it was committed.
	Observe func(asset.EventType, asset.AppID, asset.DownloadStatus)

	once    sync.Once
	fetcher transfer.Fetcher
	running running
	hosts   hosts
	ledger  ledger
	secrets secrets

	foreground, background pacer

	packs struct {
		mu   sync.Mutex
		busy map[string]chan struct{} // packs that a run works on; closed at its end
	}
	together together
	strays   strays
}

// MaxManifest bounds the bytes of a manifest; a larger one is refused (1012).
const MaxManifest = 64 << 20

func (d *Dispatcher) init() {
	d.once.Do(func() {
		if d.Free == nil {
			d.Free = fsx.Free
		}
		if d.Reserve == 0 {
			d.Reserve = 64 << 20
		}
		if d.Device == nil {
			d.Device = func(apps.Settings) policy.Device { return policy.Device{} }
		}
		if d.Offline == nil {
			d.Offline = func() bool { return false }
		}
		if d.Transport == nil {
			d.Transport = transfer.NewTransport(nil)
		}
		d.fetcher = transfer.Fetcher{FS: d.FS, Transport: d.Transport, Stall: d.Stall, Journal: &transfer.Journal{Record: d.record}}
		d.running.runs = map[string]*run{}
		d.running.served = map[asset.AppID]int64{}
		d.hosts.bad = map[string]trouble{}
	})
}

// record stores synced progress: the step between the bytes and the states.
func (d *Dispatcher) record(marks []transfer.Mark) error {
	now := time.Now()
	var runs []*run
	for _, m := range marks {
		if r := d.running.named(m.ID); r != nil {
			runs = append(runs, r)
		}
	}
	return d.writeBooked(runs, true, func(tx *db.Tx, _ []*booking) error {
		for _, m := range marks {
			if err := queue.Mark(tx, m.ID, m.Held.Bytes, m.Held.Total, m.Held.Validator, d.Boot, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Pass starts and stops transfers until connections and rules fit. It returns
// when time alone will change something; zero when only an event will.
func (d *Dispatcher) Pass(ctx context.Context) (time.Time, error) {
	d.init()
	now := time.Now()
	var ready map[asset.AppID][]policy.Item
	var entries map[string]started
	var next time.Time
	if err := d.gather(ctx, now); err != nil { // before the rows are read
		return time.Time{}, err
	}
	again := d.recover(ctx, now)
	fronts := d.running.fronts()
	err := d.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if err := d.stopOrphans(tx); err != nil {
			return err
		}
		if err := d.stopHeld(tx, now); err != nil {
			return err
		}
		ready, entries, next, err = d.candidates(tx, now, fronts)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	next = earlier(next, again)
	plan := policy.Assign(d.Limits, d.running.list(), ready, d.running.shares(ready))
	for _, id := range plan.Yield {
		d.running.stop(id, errYield)
	}
	for _, id := range plan.Start {
		if err := d.start(ctx, entries[id]); err != nil {
			return time.Time{}, err
		}
	}
	return next, nil
}

// stopOrphans ends transfers whose rows were dropped or ended by someone else.
func (d *Dispatcher) stopOrphans(tx *db.Tx) error {
	for _, r := range d.running.list() {
		e, err := queue.Get(tx, r.ID)
		if err != nil && asset.CodeOf(err) != asset.CodeDownloadDoesNotExist {
			return err
		}
		if err != nil || e.State.Settled() {
			d.running.stop(r.ID, errGone)
		}
	}
	return nil
}

var (
	errYield    = errors.New("another download has the connection")
	errPaused   = errors.New("the installation was paused")
	errGone     = errors.New("the download is not wanted any more")
	errStopping = errors.New("the service is stopping")
)

// started is what a transfer needs to know of its row and its app.
type started struct {
	queue.Entry
	app  apps.App
	rank policy.Item
}

// allow holds every hop of an app that was never launched to its domain list.
func (s started) allow(u *url.URL) error {
	r := s.app.Bundle.Restrictions
	if s.app.Launched() || r == nil || r.Allows(u.Hostname()) {
		return nil
	}
	return &asset.Error{Code: asset.CodeDisallowedByDomain, Op: "fetch", Subject: u.Hostname(), Message: "the host is not on the app's BADownloadDomainAllowList, which holds until the first launch",
		Help: "add the host to BADownloadDomainAllowList, also those that a redirect leads to"}
}

// Promote puts a download into the foreground, or back (classic §4.2). Bytes that
// are held stay held, and a running transfer goes on as it is.
func (d *Dispatcher) Promote(id string, on bool) {
	d.init()
	d.running.promote(id, on)
	if on {
		d.hosts.forgive()
	}
	d.Changed()
}

// Stop ends the transfers that keep says no to, and waits until their bytes are
// safe and their rows say so. Their downloads go back to the queue.
func (d *Dispatcher) Stop(keep func(app asset.AppID, id string) bool) {
	d.init()
	for _, r := range d.running.stopAll(keep) {
		<-r.done
	}
}

// Close stops everything; Pass must not be called any more.
func (d *Dispatcher) Close() {
	d.init()
	d.running.close()
	for _, r := range d.running.stopAll(func(asset.AppID, string) bool { return false }) {
		<-r.done
	}
	d.secrets.closeIdle()
}

// Busy reports whether a transfer runs.
func (d *Dispatcher) Busy() bool {
	d.init()
	return len(d.running.list()) > 0
}

// Rest lets go of the connections kept for a next download, so that nothing wakes
// the machine for them.
func (d *Dispatcher) Rest() {
	d.init()
	if t, ok := d.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	d.secrets.closeIdle()
}

// Live gives the bytes of a running download, which run ahead of its row.
func (d *Dispatcher) Live(id string) (bytes, total int64, t *asset.Traffic, ok bool) {
	d.init()
	return d.running.live(id)
}
