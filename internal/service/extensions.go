package service

import (
	"context"
	"errors"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/lifecycle"
	"larder/internal/queue"
)

// session runs f for an app whose extension does not run yet, beside the loop.
func (s *Service) session(app *apps.App, f func(ctx context.Context)) {
	ctx, end, ok := s.busy.begin(app.ID())
	if !ok {
		return
	}
	s.work.Go(func() {
		f(ctx)
		end()
		s.Wake()
	})
}

// ask asks an app's extension what to download (classic §2.2, step 5). The
// manifest goes with the call (classic §2.5): its row with what the answer
// changes, its file after that.
func (s *Service) ask(app *apps.App) {
	s.session(app, func(ctx context.Context) {
		manifest, stale, err := s.manifest(ctx, app)
		if stale {
			return
		}
		over := func(tx *db.Tx, e lifecycle.Event) error {
			if err := current(tx, app, &manifest); err != nil {
				return err
			}
			return errors.Join(applyTo(tx, app.ID(), e), queue.Drop(tx, manifest.UniqueIdentifier))
		}
		if err == nil {
			err = s.courier.Ask(ctx, app, app.Life.Request, manifest.Path, func(tx *db.Tx) error {
				return over(tx, lifecycle.Event{Kind: lifecycle.Answered})
			})
		}
		if errors.Is(err, errOvertaken) || err != nil && ctx.Err() != nil {
			return // stopped, or of no use any more: the step is done again
		}
		if err != nil {
			s.config.Log.Warn("the extension failed", "app", app.ID(), "error", err)
			reason := lifecycle.Failed(asset.WhyExtension, asset.AsError(err), time.Now())
			err = s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
				return app.ID(), over(tx, lifecycle.Event{Kind: lifecycle.ExtensionFailed, Reason: reason})
			})
		} else {
			err = s.change(context.WithoutCancel(ctx), func(*db.Tx) (asset.AppID, error) { return app.ID(), nil })
		}
		if err == nil && manifest.UniqueIdentifier != "" {
			err = s.dispatcher.Discard(&manifest)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errOvertaken) {
			s.config.Log.Error("recording the extension's answer failed; asking again", "app", app.ID(), "error", err)
		}
	})
}

// manifest gives what the extension is to read, unless it is not to be asked any
// more.
func (s *Service) manifest(ctx context.Context, app *apps.App) (e queue.Entry, stale bool, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if stale, err = overtaken(tx, app); err != nil || stale {
			return err
		}
		e, _, err = queue.ManifestOf(tx, app.ID())
		return err
	})
	return e, stale, err
}

// errOvertaken is for what came of a round in whose place another has begun.
var errOvertaken = errors.New("another round has begun")

// current holds what a session found out to the round that it was asked for: one
// that began between the end of an earlier session and a new round read the manifest
// of the round before.
func current(tx *db.Tx, app *apps.App, manifest *queue.Entry) error {
	stale, err := overtaken(tx, app)
	if err != nil {
		return err
	}
	now, _, err := queue.ManifestOf(tx, app.ID())
	if err == nil && (stale || now.UniqueIdentifier != manifest.UniqueIdentifier) {
		return errOvertaken
	}
	return err
}

// deliver hands over results that are due, to the app's live delegates first, once the gate no longer waits for
// essential downloads (classic §2.2, step 9).
func (s *Service) deliver(ctx context.Context, app *apps.App) (time.Time, error) {
	if !app.Life.Gate.Open && app.Life.Outcome == nil {
		return time.Time{}, nil
	}
	if err := s.offer(ctx, app.ID()); err != nil {
		return time.Time{}, err
	}
	states := s.forExtension(app.ID())
	if len(states) == 0 {
		return time.Time{}, nil
	}
	var due, held bool
	var at time.Time
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if due, at, err = queue.NextDelivery(tx, app.ID(), states); err != nil || !due {
			return err
		}
		held, err = s.deliveryHeld(tx, app)
		return err
	})
	if err != nil || !due || held {
		return time.Time{}, err
	}
	if at.After(time.Now()) {
		return at, nil
	}
	s.session(app, func(ctx context.Context) {
		err := s.courier.Deliver(ctx, app, func() []asset.DownloadState { return s.forExtension(app.ID()) })
		if err != nil && ctx.Err() == nil {
			s.config.Log.Warn("handing over results failed; they are kept and offered again", "app", app.ID(), "error", err)
		}
		if err := s.change(context.WithoutCancel(ctx), func(*db.Tx) (asset.AppID, error) { return app.ID(), nil }); err != nil {
			s.config.Log.Warn("telling about results failed", "app", app.ID(), "error", err)
		}
	})
	return time.Time{}, nil
}
