package dispatch

import (
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/policy"
	"larder/internal/queue"
)

// perApp is how many downloads of one app are looked at in one pass; more could
// never run at once.
const perApp = 8

// candidates gives the downloads that may run now, and when the next one may. fronts are
// those in the foreground, as known before tx began: one that came since has no row in it.
func (d *Dispatcher) candidates(tx *db.Tx, now time.Time, fronts []string) (map[asset.AppID][]policy.Item, map[string]started, time.Time, error) {
	ids, err := queue.Apps(tx)
	if err != nil || len(ids) == 0 {
		return nil, nil, time.Time{}, err
	}
	next, err := queue.NextTry(tx, now)
	if err != nil {
		return nil, nil, next, err
	}
	bad, gated, until := d.hosts.away(now)
	next = earlier(next, until)
	facts, err := d.machine(tx, now)
	if err != nil {
		return nil, nil, next, err
	}
	ready, entries := map[asset.AppID][]policy.Item{}, map[string]started{}
	for _, id := range ids {
		app, err := apps.Get(tx, id)
		if err != nil {
			return nil, nil, next, err
		}
		f, err := d.facts(tx, facts, &app)
		if err != nil {
			return nil, nil, next, err
		}
		found, err := queue.Next(tx, id, now, bad, perApp)
		if err != nil {
			return nil, nil, next, err
		}
		if found, err = d.withFront(tx, id, found, fronts); err != nil {
			return nil, nil, next, err
		}
		// Places on other hosts must not stay empty because the first few share one.
		if busy := d.busyHosts(found); len(found) == perApp && len(busy) > 0 {
			more, err := queue.Next(tx, id, now, append(busy, bad...), perApp)
			if err != nil {
				return nil, nil, next, err
			}
			found = append(found, more...)
		}
		if len(gated) > 0 {
			more, err := queue.NextAtGate(tx, id, now, gated, app.Life.Request.AllowsEssential(), perApp)
			if err != nil {
				return nil, nil, next, err
			}
			found = append(found, more...)
		}
		for _, e := range found {
			it := d.item(&e, &app)
			if _, twice := entries[it.ID]; twice {
				continue
			}
			v := policy.Decide(f, it)
			next = earlier(next, v.Until)
			if v.Wait == nil {
				ready[id] = append(ready[id], it)
				entries[it.ID] = started{Entry: e, app: app, rank: it}
			} else if v.Wait.Code == asset.WhyNoSpace {
				next = earlier(next, now.Add(spaceCheck))
			}
		}
	}
	return ready, entries, next, nil
}

// withFront adds an app's foreground downloads to those found: they come first
// whatever their place in the queue.
func (d *Dispatcher) withFront(tx *db.Tx, app asset.AppID, found []queue.Entry, fronts []string) ([]queue.Entry, error) {
	for _, id := range fronts {
		e, err := queue.Get(tx, id)
		switch {
		case asset.CodeOf(err) == asset.CodeDownloadDoesNotExist:
			d.running.promote(id, false)
		case err != nil:
			return nil, err
		case e.State.Settled():
			d.running.promote(id, false)
		case e.App == app && e.State == asset.StateWaiting:
			found = append([]queue.Entry{e}, found...)
		}
	}
	return found, nil
}

// spaceCheck is how often a full disk is looked at again.
const spaceCheck = 30 * time.Second

func (d *Dispatcher) busyHosts(found []queue.Entry) []string {
	n := map[string]int{}
	for _, e := range found {
		n[e.Host]++
	}
	var out []string
	for host := range n {
		out = append(out, host)
	}
	return out
}

func (d *Dispatcher) item(e *queue.Entry, app *apps.App) policy.Item {
	return policy.Item{ID: e.UniqueIdentifier, App: e.App, Host: e.Host, Manifest: e.Kind == queue.Manifest, Essential: e.Essential,
		Foreground: d.running.inFront(e.UniqueIdentifier), Background: background(e, app),
		Remaining: max(e.Expected()-e.Bytes, 0), NextTry: e.NextTry, Reason: e.Reason}
}

// machine gathers the facts that are the same for all apps.
func (d *Dispatcher) machine(tx *db.Tx, now time.Time) (policy.Facts, error) {
	settings, err := apps.LoadSettings(tx)
	if err != nil {
		return policy.Facts{}, err
	}
	d.setCaps(settings)
	free, err := d.Free(d.Dirs.Data)
	if err != nil {
		return policy.Facts{}, err
	}
	return policy.Facts{Now: now, ContentOff: !settings.InAppContent, Free: free - d.running.remaining(), Reserve: d.Reserve, Device: d.Device(settings)}, nil
}

// facts completes the machine's facts with those of one app.
func (d *Dispatcher) facts(tx *db.Tx, f policy.Facts, app *apps.App) (policy.Facts, error) {
	f.ContentOff = f.ContentOff && !app.Launched()
	f.Paused, f.AppRefreshOff = app.Life.Paused, app.Prefs.RefreshOff
	c, err := queue.Essential(tx, app.ID())
	f.EssentialPending = c.Pending > 0
	return f, err
}

// Why gives, for each waiting entry of one app, the reason it does not run.
func (d *Dispatcher) Why(tx *db.Tx, app *apps.App, entries []queue.Entry) (map[string]*asset.Reason, error) {
	d.init()
	now := time.Now()
	f, err := d.machine(tx, now)
	if err != nil {
		return nil, err
	}
	if f, err = d.facts(tx, f, app); err != nil {
		return nil, err
	}
	out := map[string]*asset.Reason{}
	for _, e := range entries {
		if e.State != asset.StateWaiting {
			continue
		}
		f.HostNotBefore, f.HostReason = d.hosts.state(e.Host, !background(&e, app))
		v := policy.Decide(f, d.item(&e, app))
		if v.Wait == nil {
			v.Wait = &asset.Reason{Code: asset.WhyQueued, Message: "other downloads have the connections at the moment", Unblock: "nothing to do: it starts when one is free", Since: e.Moved}
		}
		out[e.UniqueIdentifier] = v.Wait
	}
	return out, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
