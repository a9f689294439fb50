package service

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/bundle"
	"larder/internal/db"
	"larder/internal/dispatch"
	"larder/internal/lifecycle"
	"larder/internal/queue"
	"larder/internal/site"
	"larder/internal/trust"
)

// patience is how long the gate waits while no byte moves (design §12).
const patience = 30 * time.Minute

// pass looks at everything once and starts what can be done now. It returns when
// time alone will change something.
func (s *Service) pass(ctx context.Context) (time.Time, error) {
	var underWay, due []apps.App
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if underWay, err = apps.UnderWay(tx); err != nil {
			return err
		}
		due, err = s.withResults(tx)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	var next time.Time
	for _, app := range underWay {
		at, err := s.drive(ctx, &app)
		if err != nil {
			return time.Time{}, fmt.Errorf("app %s at %s: %w", app.ID(), app.Life.Phase, err)
		}
		next = earlier(next, at)
	}
	for _, app := range due {
		at, err := s.deliver(ctx, &app)
		if err != nil {
			return time.Time{}, err
		}
		next = earlier(next, at)
	}
	if err := s.tellPurged(ctx); err != nil {
		return time.Time{}, err
	}
	at, err := s.checks(ctx, time.Now())
	if err != nil {
		return time.Time{}, err
	}
	next = earlier(next, at)
	at, err = s.dispatcher.Pass(ctx)
	return earlier(next, at), err
}

// withResults gives the apps that may have a result to be delivered: to their
// extension, or to a process that is connected.
func (s *Service) withResults(tx *db.Tx) (out []apps.App, err error) {
	ids, err := queue.AppsDue(tx)
	if err != nil {
		return nil, err
	}
	for _, id := range s.processes.apps() {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		app, err := apps.Get(tx, id)
		switch {
		case asset.CodeOf(err) == asset.CodeNotFound:
			continue // it was uninstalled under a process that is still connected
		case err != nil:
			return nil, err
		}
		out = append(out, app)
	}
	return out, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// drive does the next step of one app's installation, update or check.
func (s *Service) drive(ctx context.Context, app *apps.App) (time.Time, error) {
	now := time.Now()
	switch app.Life.Work() {
	case lifecycle.WorkStep:
		return time.Time{}, s.apply(ctx, app.ID(), lifecycle.Event{Kind: lifecycle.Step, Has: has(app)})
	case lifecycle.WorkManifest:
		return s.driveManifest(ctx, app, now)
	case lifecycle.WorkAsk:
		if held, err := s.askHeld(ctx, app); held || err != nil {
			return time.Time{}, err
		}
		if app.Bundle.HasManagedAssetPacks {
			s.decide(app)
		} else {
			s.ask(app)
		}
	case lifecycle.WorkWait:
		return s.driveEssential(ctx, app, now)
	}
	return time.Time{}, nil
}

func has(app *apps.App) lifecycle.Has {
	b := app.Bundle
	return lifecycle.Has{Manifest: b.ManifestURL != "" || b.HasManagedAssetPacks, Extension: b.Asks()}
}

// driveManifest schedules the manifest, and goes on when it has ended.
func (s *Service) driveManifest(ctx context.Context, app *apps.App, now time.Time) (time.Time, error) {
	var e queue.Entry
	var found, stale bool
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) { _, found, err = queue.ManifestOf(tx, app.ID()); return err })
	if err == nil && !found {
		err = s.tidy(ctx, app)
	}
	if err != nil {
		return time.Time{}, err
	}
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		if stale, err = overtaken(tx, app); err != nil || stale {
			return err
		}
		if e, found, err = queue.ManifestOf(tx, app.ID()); err != nil || found {
			return err
		}
		e, err = s.addManifest(tx, app, now)
		return err
	})
	switch {
	case err != nil || stale:
		return time.Time{}, err
	case e.State == asset.StateFinished:
		return time.Time{}, s.apply(ctx, app.ID(), lifecycle.Event{Kind: lifecycle.ManifestFetched, Has: has(app)})
	case e.State == asset.StateFailed:
		cause := e.Error
		if app.Bundle.TrustedRoot != nil && cause.Code == asset.CodeTooLarge {
			cause = trust.Endless(path.Base(e.URL), cmp.Or(e.MaxBytes, dispatch.MaxManifest))
		}
		s.rounds.end(app.ID(), changes{}, cause)
		return time.Time{}, s.apply(ctx, app.ID(), lifecycle.Event{Kind: lifecycle.ManifestFailed, Reason: lifecycle.Failed(asset.WhyManifest, cause, now)})
	}
	return s.lose(ctx, app, e.Moved, now)
}

// addManifest schedules the app's manifest.
func (s *Service) addManifest(tx *db.Tx, app *apps.App, now time.Time) (queue.Entry, error) {
	e := queue.Entry{App: app.ID(), Kind: queue.Manifest, Download: asset.Download{Identifier: string(app.ID()) + ".manifest", URL: manifestURL(app), Group: app.Bundle.Group}}
	if err := s.onlyNews(app, &e); err != nil {
		return e, err
	}
	return queue.Add(tx, e, now)
}

// manifestURL is where the app's manifest is, on its own server or where that was moved to.
func manifestURL(app *apps.App) string {
	at := app.Bundle.ManifestURL
	if app.Bundle.HasManagedAssetPacks {
		at = site.ManifestURL(at, app.Bundle.HostURL, app.ID(), app.Context, platform())
	}
	return asset.OverrideURL(app.Prefs.URLOverride, at)
}

// overtaken tells that something else is to be done for an app by now: a person
// cancelled or removed it since the pass read it.
func overtaken(tx *db.Tx, app *apps.App) (bool, error) {
	now, err := apps.Get(tx, app.ID())
	if asset.CodeOf(err) == asset.CodeNotFound {
		return true, nil
	}
	return now.Life.Work() != app.Life.Work(), err
}

// driveEssential ends the installation when the essential set has settled.
func (s *Service) driveEssential(ctx context.Context, app *apps.App, now time.Time) (time.Time, error) {
	var c queue.EssentialCount
	var failed []queue.Entry
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if c, err = queue.Essential(tx, app.ID()); err != nil || c.Failed == 0 {
			return err
		}
		failed, err = queue.FailedEssential(tx, app.ID())
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	if c.Pending > 0 {
		return s.lose(ctx, app, c.Moved, now)
	}
	e := lifecycle.Event{Kind: lifecycle.EssentialSettled}
	if len(failed) > 0 {
		e.Reason = lifecycle.Failed(asset.WhyEssential, failed[0].Error, now)
		if app.Bundle.EssentialFailure != bundle.FailureOpen && !app.Life.Launched {
			if app.Life.Outcome != nil {
				return time.Time{}, nil // held already
			}
			e.Kind = lifecycle.EssentialHeld
			e.Reason.Unblock = "cancel the installation, or launch with --anyway, to start without it"
		}
	}
	return time.Time{}, s.apply(ctx, app.ID(), e)
}

// lose opens the gate when no byte has moved for too long; the downloads go on.
func (s *Service) lose(ctx context.Context, app *apps.App, moved, now time.Time) (time.Time, error) {
	if app.Life.Gate.Open {
		return time.Time{}, nil
	}
	if since := app.Life.Gate.Reason; since != nil && since.Since.After(moved) {
		moved = since.Since // paused or held back before
	}
	if end := moved.Add(patience); now.Before(end) {
		return end, nil
	}
	return time.Time{}, s.apply(ctx, app.ID(), lifecycle.Event{Kind: lifecycle.NoProgress})
}

// apply is the one door to an app's life cycle: it computes, writes and publishes.
func (s *Service) apply(ctx context.Context, id asset.AppID, e lifecycle.Event) error {
	return s.change(ctx, func(tx *db.Tx) (asset.AppID, error) { return id, applyTo(tx, id, e) })
}

func applyTo(tx *db.Tx, id asset.AppID, e lifecycle.Event) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	app, err := apps.Get(tx, id)
	if err != nil {
		return err
	}
	return apps.SetLife(tx, id, lifecycle.Next(app.Life, e))
}

// change runs f, and then tells the world how the app it names stands.
func (s *Service) change(ctx context.Context, f func(*db.Tx) (asset.AppID, error)) error {
	var app apps.App
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		id, err := f(tx)
		if err != nil {
			return err
		}
		app, err = apps.Get(tx, id)
		return err
	})
	if err != nil {
		return err
	}
	status := appStatus(&app)
	s.hub.Publish(asset.Event{Type: asset.EventApp, App: app.ID(), AppState: &status})
	s.Wake()
	return nil
}
