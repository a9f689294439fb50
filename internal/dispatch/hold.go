package dispatch

import (
	"context"
	"errors"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/policy"
	"larder/internal/queue"
	"larder/internal/transfer"
)

// held is the cause of a transfer that was stopped because of device or settings.
type held struct{ reason *asset.Reason }

func (h held) Error() string { return h.reason.Message }

// background tells that no gate waits for a download.
func background(e *queue.Entry, app *apps.App) bool {
	return !e.Essential && (e.Kind != queue.Manifest || !app.Life.Request.AllowsEssential())
}

// stopHeld ends running transfers that device or settings forbid by now.
func (d *Dispatcher) stopHeld(tx *db.Tx, now time.Time) error {
	running := d.running.list()
	if len(running) == 0 {
		return nil
	}
	settings, err := apps.LoadSettings(tx)
	if err != nil {
		return err
	}
	d.setCaps(settings)
	f := policy.Facts{Now: now, Device: d.Device(settings)}
	for _, r := range running {
		app, err := apps.Get(tx, r.App)
		if asset.CodeOf(err) == asset.CodeNotFound {
			continue // stopOrphans ends it
		}
		if err != nil {
			return err
		}
		f.AppRefreshOff = app.Prefs.RefreshOff
		if reason := policy.Hold(f, r.Item); reason != nil {
			d.running.stop(r.ID, held{reason})
		}
	}
	return nil
}

// setCaps applies the caps, also to transfers that run.
func (d *Dispatcher) setCaps(s apps.Settings) {
	d.foreground.set(s.ForegroundCap)
	d.background.set(s.BackgroundCap)
}

// pace puts a transfer under the cap of its class; a promotion changes the class.
func (d *Dispatcher) pace(r *run) func(context.Context, int) (int, error) {
	return func(ctx context.Context, n int) (int, error) {
		if r.rank.Background && !d.running.inFront(r.UniqueIdentifier) {
			return d.background.pace(ctx, r.App, n)
		}
		return d.foreground.pace(ctx, r.App, n)
	}
}

// unreachable is the failure of every attempt while the machine is made offline.
func (d *Dispatcher) unreachable(r *run) *transfer.Failure {
	if !d.Offline() {
		return nil
	}
	return &transfer.Failure{Kind: transfer.KindConnectivity, Err: &asset.Error{Code: asset.CodeNetwork, Op: "fetch", Subject: r.Host,
		Message: "no connection to the server", Help: "end the simulation with \"larder simulate offline off\"", Err: errors.New("being offline is simulated")}}
}

// notBefore keeps what the manifest's server asked for, so that later checks obey
// it too.
func (d *Dispatcher) notBefore(r *run) func(time.Time) {
	if r.Kind != queue.Manifest {
		return nil
	}
	return func(at time.Time) {
		_ = d.write(func(tx *db.Tx) error { return apps.NotBefore(tx, r.App, at) }) // a notice that is lost comes again
	}
}

// Reconnect makes everything that waits for the network try again now; the
// service calls it when a connection has come back.
func (d *Dispatcher) Reconnect() error {
	d.init()
	d.hosts.forgive()
	return d.write(queue.Reconnected)
}
