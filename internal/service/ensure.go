package service

import (
	"context"
	"errors"
	"maps"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/localapi"
	"larder/internal/queue"
	"larder/internal/reconcile"
)

// stale is how old a manifest may be that an app asks for without saying that it must be
// fresh.
const stale = time.Hour

func (s *Service) managed(ctx context.Context, id asset.AppID) (apps.App, error) {
	app, err := s.get(ctx, id)
	if err == nil && !app.Bundle.HasManagedAssetPacks {
		err = &asset.Error{Code: asset.CodeConfiguration, Op: "manage asset packs of", Subject: string(id), Message: "its bundle does not say that it has any",
			Help: "set BAHasManagedAssetPacks to true in the app's Info.plist, and update the app"}
	}
	return app, err
}

// Packs tells where an app's packs lie and what there is.
func (s *Service) Packs(ctx context.Context, id asset.AppID) (localapi.PackList, error) {
	app, err := s.managed(ctx, id)
	if err != nil {
		return localapi.PackList{}, err
	}
	out := localapi.PackList{Shelf: s.config.Dirs.Shelf(app.Bundle.Group, id), Offer: s.offerFile(&app)}
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) { out.Packs, err = s.packs(tx, &app); return err })
	return out, err
}

// Offer gives the manifest as it is known, fetched anew when that is asked for or
// it is old; an old one serves when the network fails.
func (s *Service) Offer(ctx context.Context, id asset.AppID, fresh bool) (asset.PackOffer, error) {
	app, err := s.managed(ctx, id)
	if err != nil {
		return asset.PackOffer{}, err
	}
	a, err := s.manifestOf(&app)
	if err != nil {
		return asset.PackOffer{}, err
	}
	if a == nil || fresh || time.Since(a.Fetched) > stale {
		if _, err := s.look(ctx, id, requestLook); err != nil && (a == nil || fresh || ctx.Err() != nil) {
			return asset.PackOffer{}, err
		}
	}
	return s.offerTo(&app)
}

// CheckForUpdates looks for newer versions of installed packs (managed §1.6).
func (s *Service) CheckForUpdates(ctx context.Context, id asset.AppID) (localapi.PackChanges, error) {
	if _, err := s.managed(ctx, id); err != nil {
		return localapi.PackChanges{}, err
	}
	done, err := s.look(ctx, id, reconcile.Check)
	return localapi.PackChanges{Updating: done.Updating, Removed: done.Removed}, err
}

// RemovePack takes a pack from the shelf; a later ensure downloads it again.
func (s *Service) RemovePack(ctx context.Context, id asset.AppID, p asset.PackID) error {
	app, err := s.managed(ctx, id)
	if err != nil {
		return err
	}
	view, err := s.onShelf(&app)
	if err != nil {
		return err
	}
	if _, ok := view.Pack(p); !ok {
		found := false
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) { _, found, err = queue.PackOf(tx, id, p); return err })
		if err != nil {
			return err
		}
		if !found {
			return asset.PackNotFound("remove asset pack", p)
		}
	}
	return s.removePacks(ctx, &app, []asset.PackID{p})
}

// SetPackLanguage overrides the person's languages, for one app (managed §1.8).
func (s *Service) SetPackLanguage(ctx context.Context, id asset.AppID, tag string) (localapi.PackLanguage, error) {
	if _, err := s.managed(ctx, id); err != nil {
		return localapi.PackLanguage{}, err
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		app, err := apps.Get(tx, id)
		if err != nil {
			return err
		}
		app.Prefs.PackLanguage = tag
		return apps.SetPreferences(tx, id, app.Prefs)
	})
	if err != nil {
		return localapi.PackLanguage{}, err
	}
	app, err := s.get(ctx, id)
	if err != nil {
		return localapi.PackLanguage{}, err
	}
	if err := s.tellOffer(&app); err != nil {
		return localapi.PackLanguage{}, err
	}
	offer, err := s.offerTo(&app)
	return localapi.PackLanguage{Language: offer.ResolvedLanguage}, err
}

// EnsurePacks has packs on the shelf (managed §1.5). Whoever waits puts them in the
// foreground; when he goes they go on in the background.
func (s *Service) EnsurePacks(ctx context.Context, id asset.AppID, req localapi.EnsureRequest, send func(localapi.EnsureLine) error) error {
	app, err := s.managed(ctx, id)
	if err != nil {
		return err
	}
	view, err := s.onShelf(&app)
	if err != nil {
		return err
	}
	var missing []asset.PackID
	seen := map[string]bool{}
	for _, name := range req.Packs {
		p, ok := view.Pack(asset.PackID(name))
		switch {
		case seen[name]:
		case ok && !req.Latest:
			if err := send(localapi.EnsureLine{Pack: asset.PackID(name), Version: p.Version}); err != nil {
				return err
			}
		default:
			missing = append(missing, asset.PackID(name))
		}
		seen[name] = true
	}
	if len(missing) > 0 {
		if err := s.ensure(ctx, &app, missing, req.Latest, true, send); err != nil {
			return err
		}
	}
	return send(localapi.EnsureLine{Done: true})
}

// ReconcileLanguages has the packs of the resolved language here, and then lets go of
// those of others that the app did not ask for (managed §1.8).
func (s *Service) ReconcileLanguages(ctx context.Context, id asset.AppID, send func(localapi.EnsureLine) error) error {
	if _, err := s.managed(ctx, id); err != nil {
		return err
	}
	if _, err := s.look(ctx, id, requestLook); err != nil && ctx.Err() != nil {
		return err
	}
	app, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	a, err := s.manifestOf(&app)
	if err != nil {
		return err
	}
	if a == nil {
		return asset.PackNotFound("reconcile languages of", asset.PackID(id))
	}
	steps, err := s.steps(ctx, &app, a.Manifest, asset.RequestLanguageChange)
	if err != nil {
		return err
	}
	var missing []asset.PackID
	for _, step := range steps {
		if (step.Action == reconcile.Download || step.Action == reconcile.Update) && step.Pack.Language != "" {
			missing = append(missing, step.ID)
		}
	}
	if len(missing) > 0 {
		if err := s.ensure(ctx, &app, missing, false, false, send); err != nil {
			return err
		}
	}
	if err := s.letGo(ctx, id); err != nil {
		return err
	}
	return send(localapi.EnsureLine{Done: true})
}

// ensure schedules what is lacking and waits for the end of each.
func (s *Service) ensure(ctx context.Context, app *apps.App, ids []asset.PackID, latest, explicit bool, send func(localapi.EnsureLine) error) error {
	offer, err := s.known(ctx, app, ids, latest)
	if err != nil {
		return err
	}
	events := s.hub.Subscribe(app.ID()) // before anything may end
	defer events.Close()
	waiting := map[string]asset.PackID{} // unique identifiers
	batch := ""
	if len(ids) > 1 {
		batch = queue.NewBatch()
	}
	for _, id := range ids {
		unique, line, err := s.beginPack(ctx, app, offer, id, explicit, batch)
		if err != nil {
			return err
		}
		if line != nil {
			if err := send(*line); err != nil {
				return err
			}
			continue
		}
		waiting[unique] = id
		s.dispatcher.Promote(unique, true)
	}
	defer func() {
		for unique := range waiting {
			s.dispatcher.Promote(unique, false)
		}
	}()
	s.Wake()
	for len(waiting) > 0 {
		ended, err := s.settled(ctx, app.ID(), waiting)
		if err != nil {
			return err
		}
		for unique, e := range ended {
			line := localapi.EnsureLine{Pack: waiting[unique], Failed: e.Error}
			if e.Pack != nil {
				line.Version = e.Pack.Version
			}
			delete(waiting, unique)
			if err := send(line); err != nil {
				return err
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		if _, err := events.Next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// known gives an offer that is fresh enough to answer for these packs.
func (s *Service) known(ctx context.Context, app *apps.App, ids []asset.PackID, latest bool) (*asset.PackOffer, error) {
	offer, err := s.offerTo(app)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		_, ok := offer.Pack(id)
		latest = latest || !ok
	}
	if latest {
		if _, err := s.look(ctx, app.ID(), requestLook); err != nil {
			return nil, err
		}
		offer, err = s.offerTo(app)
	}
	return &offer, err
}

// beginPack has one pack on its way, or says in a line how it stands already. An update is
// shown with the others of the batch; a new pack as soon as it is there.
func (s *Service) beginPack(ctx context.Context, app *apps.App, offer *asset.PackOffer, id asset.PackID, explicit bool, batch string) (unique string, line *localapi.EnsureLine, err error) {
	p, ok := offer.Pack(id)
	if !ok {
		fail := asset.PackNotFound("ensure local availability of", id)
		if why := offer.Unfit[id]; why != "" {
			fail = &asset.Error{Code: asset.CodeDoesNotFit, Op: "ensure local availability of", Subject: string(id), Message: why, Help: "update the app, or publish a version of the pack for it"}
		}
		return "", &localapi.EnsureLine{Pack: id, Failed: fail}, nil
	}
	view, err := s.onShelf(app)
	if err != nil {
		return "", nil, err
	}
	have, installed := view.Pack(id)
	if installed && have.Version >= p.Version {
		line = &localapi.EnsureLine{Pack: id, Version: have.Version}
	}
	if !installed {
		batch = ""
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if line != nil {
			return nil
		}
		if explicit {
			if err := apps.MarkExplicit(tx, app.ID(), id); err != nil {
				return err
			}
		}
		if _, err := s.stockPack(tx, app.ID(), p, false, batch); err != nil {
			return err
		}
		e, found, err := queue.PackOf(tx, app.ID(), id)
		if err != nil {
			return err
		}
		if unique = e.UniqueIdentifier; !found {
			e := queue.Entry{Download: asset.Download{Identifier: string(id), URL: p.URL, FileSize: p.DownloadSize}}
			fail, err := s.refused(tx, app, &e)
			if err != nil {
				return err
			}
			line = &localapi.EnsureLine{Pack: id, Failed: fail}
			return nil
		}
		return queue.TryNow(tx, unique, time.Now())
	})
	return unique, line, err
}

// settled gives those of the downloads that have ended. Where another version took the
// place of one, that is waited for.
func (s *Service) settled(ctx context.Context, app asset.AppID, waiting map[string]asset.PackID) (map[string]queue.Entry, error) {
	out := map[string]queue.Entry{}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		for unique, id := range maps.Clone(waiting) {
			e, err := queue.Get(tx, unique)
			switch {
			case errors.Is(err, asset.Sentinel(asset.CodeDownloadDoesNotExist)):
				next, found, err := queue.PackOf(tx, app, id)
				if err != nil {
					return err
				}
				if found {
					delete(waiting, unique)
					waiting[next.UniqueIdentifier] = id
					s.dispatcher.Promote(next.UniqueIdentifier, true)
					continue
				}
				e.Error = &asset.Error{Code: asset.CodeCancelled, Op: "ensure local availability of", Subject: string(id), Message: "it was removed meanwhile", Help: "ask again"}
			case err != nil:
				return err
			case !e.State.Settled():
				continue
			}
			out[unique] = e
		}
		return nil
	})
	return out, err
}
