package service

import (
	"context"
	"errors"
	"net/url"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/apps"
	"larder/internal/courier"
	"larder/internal/db"
	"larder/internal/lifecycle"
	"larder/internal/policy"
	"larder/internal/queue"
	"larder/internal/reconcile"
)

// requestLook is a round that fetches the manifest and does nothing else.
const requestLook asset.ContentRequest = "look"

// decide is the step of a managed app at which a classic one asks its extension what to
// download: policies and shelf say what is to be done, the extension only whether
// (managed §3.3, §5.2).
func (s *Service) decide(app *apps.App) {
	s.session(app, func(ctx context.Context) {
		row, stale, err := s.manifest(ctx, app)
		if stale {
			return
		}
		var done changes
		if err == nil {
			done, err = s.decideOn(ctx, app, row)
		}
		if ctx.Err() != nil || errors.Is(err, errOvertaken) {
			return // stopped, or of no use any more: the step is done again
		}
		if err != nil {
			s.config.Log.Warn("the app's packs stay as they are", "app", app.ID(), "error", err)
			why := asset.WhyManifest
			if asset.CodeOf(err) == asset.CodeExtensionFailed {
				why = asset.WhyExtension
			}
			reason := lifecycle.Failed(why, asset.AsError(err), time.Now())
			e := s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
				if err := current(tx, app, &row); err != nil {
					return app.ID(), err
				}
				failed := applyTo(tx, app.ID(), lifecycle.Event{Kind: lifecycle.ExtensionFailed, Reason: reason})
				return app.ID(), errors.Join(failed, queue.Drop(tx, row.UniqueIdentifier))
			})
			if errors.Is(e, errOvertaken) {
				return
			}
			if e != nil && ctx.Err() == nil {
				s.config.Log.Error("recording that failed; deciding again", "app", app.ID(), "error", e)
			}
		}
		if e := s.dispatcher.Discard(&row); e != nil {
			s.config.Log.Warn("removing a manifest failed; the next start removes it", "app", app.ID(), "error", e)
		}
		s.rounds.end(app.ID(), done, err)
	})
}

// decideOn reads the manifest and does what follows from it.
func (s *Service) decideOn(ctx context.Context, app *apps.App, row queue.Entry) (changes, error) {
	m, err := s.news(ctx, app, row)
	if err != nil {
		if m, err = s.elsewhere(ctx, app, row, err); err != nil {
			return changes{}, err
		}
	}
	answered := func(tx *db.Tx) error {
		if err := current(tx, app, &row); err != nil {
			return err
		}
		err := errors.Join(applyTo(tx, app.ID(), lifecycle.Event{Kind: lifecycle.Answered}), queue.Drop(tx, row.UniqueIdentifier))
		if err != nil || app.Life.Request.AllowsEssential() {
			return err
		}
		// The round ends here: whoever looks next must not take it for one that still runs.
		return applyTo(tx, app.ID(), lifecycle.Event{Kind: lifecycle.EssentialSettled})
	}
	if app.Life.Request == requestLook {
		return changes{}, s.change(ctx, func(tx *db.Tx) (asset.AppID, error) { return app.ID(), answered(tx) })
	}
	steps, err := s.steps(ctx, app, m, app.Life.Request)
	if err != nil {
		return changes{}, err
	}
	declined, err := s.courier.Choose(ctx, app, candidates(steps))
	if err != nil {
		return changes{}, err
	}
	var done changes
	var gone []asset.PackID
	// Updates are shown together; those that hold the gate do not wait for others.
	batches := map[bool]string{true: queue.NewBatch(), false: queue.NewBatch()}
	err = s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		done, gone = changes{}, nil
		for _, step := range steps {
			switch {
			case step.Action == reconcile.Remove:
				gone = append(gone, step.ID)
			case step.Action == reconcile.Keep, declined[step.ID]:
			default:
				batch := ""
				if step.Action == reconcile.Update {
					batch = batches[step.Essential]
				}
				started, err := s.stockPack(tx, app.ID(), step.Pack, step.Essential, batch)
				if err != nil {
					return app.ID(), err
				}
				if started && step.Action == reconcile.Update {
					done.Updating = append(done.Updating, step.ID)
				}
			}
		}
		return app.ID(), answered(tx)
	})
	if err == nil && len(gone) > 0 {
		done.Removed = gone
		err = s.removePacks(ctx, app, gone)
	}
	return done, err
}

// steps is what reconcile says about the app's packs as they are.
func (s *Service) steps(ctx context.Context, app *apps.App, m *asset.DownloadManifest, event asset.ContentRequest) ([]reconcile.Step, error) {
	view, err := s.onShelf(app)
	if err != nil {
		return nil, err
	}
	var explicit map[asset.PackID]bool
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) { explicit, err = apps.Explicit(tx, app.ID()); return err })
	return reconcile.Reconcile(m, installed(view, explicit), event, s.deviceOf(app, m)), err
}

func candidates(steps []reconcile.Step) (out []courier.Candidate) {
	for _, step := range steps {
		switch step.Action {
		case reconcile.Download:
			out = append(out, courier.Candidate{Pack: step.Pack, Reason: extension.PackNew})
		case reconcile.Update:
			out = append(out, courier.Candidate{Pack: step.Pack, Reason: extension.PackUpdate})
		}
	}
	return out
}

// stockPack schedules a pack, once: the same version under way is only ranked anew, and
// another gives way, with all that was proved of it. It is shown with what else is in the
// batch. What the app's rules refuse before its first launch is recorded as failed. False
// when nothing began by this.
func (s *Service) stockPack(tx *db.Tx, id asset.AppID, p asset.Pack, essential bool, batch string) (bool, error) {
	app, err := apps.Get(tx, id)
	if err != nil {
		return false, err
	}
	if err := s.current(&app); err != nil {
		return false, err
	}
	now := time.Now()
	old, found, err := queue.PackOf(tx, id, p.ID)
	if err != nil {
		return false, err
	}
	if found && old.Pack != nil && old.Pack.Version == p.Version && old.Pack.Content == p.Content && old.URL == p.URL {
		err := queue.Adopt(tx, old.UniqueIdentifier, essential || old.Essential, old.Priority, now)
		return false, errors.Join(err, queue.Join(tx, old.UniqueIdentifier, batch))
	}
	if found {
		if err := queue.Drop(tx, old.UniqueIdentifier); err != nil {
			return false, err
		}
	}
	e := queue.Entry{App: id, Kind: queue.Pack, Pack: &p, Batch: batch, Download: asset.Download{Identifier: string(p.ID), URL: p.URL, FileSize: p.DownloadSize, Essential: essential, Group: app.Bundle.Group}}
	if e.Error, err = s.refused(tx, &app, &e); err != nil {
		return false, err
	}
	e, err = queue.Add(tx, e, now)
	return e.Error == nil, err
}

// refused holds a pack to what binds an app until its first launch: its hosts, and the
// allowances of essential packs and of all others (managed §3.4).
func (s *Service) refused(tx *db.Tx, app *apps.App, e *queue.Entry) (*asset.Error, error) {
	r := app.Bundle.Restrictions
	if app.Launched() || r == nil {
		return nil, nil
	}
	if u, err := url.Parse(e.URL); err != nil || !r.Allows(u.Host) {
		return &asset.Error{Code: asset.CodeDisallowedByDomain, Op: "schedule asset pack", Subject: e.Identifier, Message: "its host is not on the app's BADownloadDomainAllowList, which holds until the first launch",
			Help: "add the host to BADownloadDomainAllowList"}, nil
	}
	left, err := s.dispatcher.Allowances(tx, app)
	if err != nil || !left.Restricted {
		return nil, err
	}
	key := "BADownloadAllowance"
	if e.Essential {
		key = "BAEssentialDownloadAllowance"
	}
	if rest := max(*left.Of(e.Essential), 0); e.FileSize > rest {
		return &asset.Error{Code: asset.CodeWouldExceedAllowance, Op: "schedule asset pack", Subject: e.Identifier,
			Message: "it has " + policy.Bytes(e.FileSize) + " and " + policy.Bytes(rest) + " are left of " + key + ", which holds until the first launch",
			Help:    "raise " + key + " in the app's Info.plist, or ask for it after the first launch"}, nil
	}
	return nil, nil
}

// removePacks ends what is under way of packs, takes them from the shelf and forgets them.
func (s *Service) removePacks(ctx context.Context, app *apps.App, ids []asset.PackID) error {
	var ended []queue.Entry
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		ended = nil
		for _, id := range ids {
			e, found, err := queue.PackOf(tx, app.ID(), id)
			if err == nil && found {
				ended = append(ended, e)
				err = queue.Fail(tx, e.UniqueIdentifier, cancelledError(e.Identifier), false, time.Now())
			}
			if err = errors.Join(err, apps.ForgetPack(tx, app.ID(), id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.dispatcher.Stop(func(_ asset.AppID, unique string) bool {
		for _, e := range ended {
			if e.UniqueIdentifier == unique {
				return false
			}
		}
		return true
	})
	for n := range ended {
		s.ended(&ended[n])
	}
	if err := s.takeFromShelf(ctx, app, ids); err != nil {
		return err
	}
	return s.change(ctx, func(*db.Tx) (asset.AppID, error) { return app.ID(), nil })
}

// arrived notes that a pack came onto the shelf: others may be wanted no more.
func (s *Service) arrived(id asset.AppID) {
	s.work.Go(func() {
		app, err := s.get(context.Background(), id)
		if err == nil {
			err = s.letGo(context.Background(), id)
		}
		if err == nil {
			err = s.prune(context.Background(), &app)
		}
		if err != nil && asset.CodeOf(err) != asset.CodeNotFound {
			s.config.Log.Warn("packs that are not wanted stay for now", "app", id, "error", err)
		}
	})
}

// letGo removes the packs of a language that is not wanted any more, once those of the wanted
// one are here (managed §1.8).
func (s *Service) letGo(ctx context.Context, id asset.AppID) error {
	app, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	a, err := s.manifestOf(&app)
	if err != nil || a == nil {
		return err
	}
	steps, err := s.steps(ctx, &app, a.Manifest, asset.RequestLanguageChange)
	if err != nil {
		return err
	}
	var gone []asset.PackID
	for _, step := range steps {
		if step.Action == reconcile.Remove && step.Why == reconcile.WhyLanguage {
			gone = append(gone, step.ID)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return s.removePacks(ctx, &app, gone)
}
