package service

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/bundle"
	"larder/internal/db"
	"larder/internal/fsx"
	"larder/internal/lifecycle"
	"larder/internal/localapi"
	"larder/internal/queue"
)

// Install registers the app of a bundle and begins to stock it (classic §2.2).
// The bundle stays where it is: Larder keeps what it said, and only that.
func (s *Service) Install(ctx context.Context, req localapi.InstallRequest) (asset.AppStatus, error) {
	b, err := readBundle(req.Bundle)
	if err != nil {
		return asset.AppStatus{}, err
	}
	if req.Context == "" {
		req.Context = localapi.ContextProduction
	}
	if err := fsx.MkdirAll(s.config.FS, s.config.Dirs.Container(b.Group), 0o700); err != nil {
		return asset.AppStatus{}, configuration("make group container", s.config.Dirs.Container(b.Group), err)
	}
	if req.URLOverride != nil {
		if _, err := s.get(ctx, b.ID); err == nil {
			if _, err := s.SetAppSettings(ctx, b.ID, localapi.AppSettingsChange{URLOverride: req.URLOverride}); err != nil {
				return asset.AppStatus{}, err
			}
			return s.one(ctx, b.ID)
		}
	}
	err = s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		app := apps.App{Bundle: *b, Context: req.Context}
		assign(&app.Prefs.URLOverride, req.URLOverride)
		if err := apps.Add(tx, app); err != nil {
			return "", err
		}
		return b.ID, begin(tx, b.ID, asset.RequestInstall)
	})
	if err != nil {
		return asset.AppStatus{}, err
	}
	if err := s.serveApp(b.ID); err != nil {
		return asset.AppStatus{}, err
	}
	return s.one(ctx, b.ID)
}

// readBundle reads a bundle that this service can stock.
func readBundle(dir string) (*bundle.Bundle, error) {
	if !filepath.IsAbs(dir) {
		return nil, &asset.Error{Code: asset.CodeBadRequest, Op: "read bundle", Subject: dir, Message: "the path is not absolute", Help: "name the bundle's folder from the root"}
	}
	return bundle.Read(dir)
}

// begin starts a round: the gate closes for an installation or update.
func begin(tx *db.Tx, id asset.AppID, request asset.ContentRequest) error {
	app, err := apps.Get(tx, id)
	if err != nil {
		return err
	}
	settings, err := apps.LoadSettings(tx)
	if err != nil {
		return err
	}
	if err := queue.NewRound(tx, id); err != nil {
		return err
	}
	if err := asked(tx, id); err != nil {
		return err
	}
	h := has(&app)
	h.ContentOff = !settings.InAppContent && !app.Launched()
	return applyTo(tx, id, lifecycle.Event{Kind: lifecycle.Begin, Request: request, Has: h})
}

// Update takes a new version of an installed app's bundle. The same build is no
// update: nothing changes.
func (s *Service) Update(ctx context.Context, id asset.AppID, req localapi.UpdateRequest) (asset.AppStatus, error) {
	app, err := s.get(ctx, id)
	if err != nil {
		return asset.AppStatus{}, err
	}
	if req.Bundle == "" {
		req.Bundle = app.Bundle.Dir
	}
	b, err := readBundle(req.Bundle)
	if err != nil {
		return asset.AppStatus{}, err
	}
	if b.ID != id || b.Group != app.Bundle.Group {
		return asset.AppStatus{}, &asset.Error{Code: asset.CodeConfiguration, Op: "update app", Subject: string(id),
			Message: "the bundle is that of " + string(b.ID) + " in group " + string(b.Group) + ", the installed app is in group " + string(app.Bundle.Group),
			Help:    "name the bundle of the same app and group, or install this one as an app of its own"}
	}
	s.busy.end(id)
	err = s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		if err := apps.SetBundle(tx, *b); err != nil || b.Build == app.Bundle.Build {
			return id, err
		}
		return id, begin(tx, id, asset.RequestUpdate)
	})
	if err != nil {
		return asset.AppStatus{}, err
	}
	return s.one(ctx, id)
}

// Uninstall removes all that Larder has of an app. The group container goes with
// the last app of its group.
func (s *Service) Uninstall(ctx context.Context, id asset.AppID) error {
	app, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	s.busy.end(id)
	var left []apps.App
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		if err := apps.Remove(tx, id); err != nil {
			return err
		}
		left, err = apps.List(tx)
		return err
	})
	if err != nil {
		return err
	}
	s.dispatcher.Stop(func(other asset.AppID, _ string) bool { return other != id })
	s.busy.end(id) // one that began between the two
	s.dispatcher.Forget(id)
	s.processes.refuse(id)
	s.rounds.end(id, changes{}, cancelledError(string(id)))
	s.catalogue.forget(id)
	s.signatures.forget(id)
	if err := s.shelves.close(id); err != nil {
		s.config.Log.Warn("closing a shelf failed", "app", id, "error", err)
	}
	s.sockets.remove(id, s.server)
	err = s.sweep(left)
	s.hub.Publish(asset.Event{Type: asset.EventRemoved, App: app.ID()})
	return err
}

// Control is a person's word on a running installation (classic §2.2).
func (s *Service) Control(ctx context.Context, id asset.AppID, action localapi.Action) (asset.AppStatus, error) {
	kind := map[localapi.Action]lifecycle.Kind{localapi.ActionCancel: lifecycle.Cancel, localapi.ActionPause: lifecycle.Pause, localapi.ActionResume: lifecycle.Resume}[action]
	var cancelled []queue.Entry
	err := s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		app, err := apps.Get(tx, id)
		if err != nil {
			return id, err
		}
		if app.Life.Phase == asset.AppReady && action != localapi.ActionResume {
			return id, &asset.Error{Code: asset.CodeState, Op: string(action) + " installation of", Subject: string(id), Message: "no installation or update of it is under way",
				Help: "\"larder download list " + string(id) + "\" shows what runs in the background"}
		}
		if action == localapi.ActionCancel {
			if cancelled, err = cancelAll(tx, id); err != nil {
				return id, err
			}
		}
		return id, applyTo(tx, id, lifecycle.Event{Kind: kind})
	})
	if err != nil {
		return asset.AppStatus{}, err
	}
	if action != localapi.ActionResume {
		s.rounds.end(id, changes{}, cancelledError(string(id)))
		s.busy.end(id)
		s.dispatcher.Stop(func(other asset.AppID, _ string) bool { return other != id })
	}
	for _, e := range cancelled {
		s.ended(&e)
	}
	return s.one(ctx, id)
}

// Launch records a launch and says what to execute.
func (s *Service) Launch(ctx context.Context, id asset.AppID, req localapi.LaunchRequest) (localapi.Launch, error) {
	var b bundle.Bundle
	var language string
	err := s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		app, err := apps.Get(tx, id)
		if err != nil {
			return id, err
		}
		if language = app.Prefs.PackLanguage; language == "" {
			language = app.Prefs.Language
		}
		if b = app.Bundle; !app.Life.Gate.Open && !req.Anyway {
			return id, closed(&app)
		}
		if _, err := os.Stat(b.Executable); err != nil {
			return id, &asset.Error{Code: asset.CodeNotFound, Op: "launch app", Subject: b.Executable, Message: "its executable is not there any more", Err: err,
				Help: "put the bundle back where it was installed from, or update the app from its new place"}
		}
		if err := apps.Launch(tx, id, time.Now()); err != nil {
			return id, err
		}
		return id, applyTo(tx, id, lifecycle.Event{Kind: lifecycle.Launch})
	})
	if err != nil {
		return localapi.Launch{}, err
	}
	env := map[string]string{"LARDER_APP_ID": string(id), "LARDER_GROUP_CONTAINER": s.config.Dirs.Container(b.Group), "LARDER_SOCKET": s.config.Dirs.AppSocket(id),
		"LARDER_LANGUAGE": language}
	if b.HasManagedAssetPacks {
		env["LARDER_SHELF"], env["LARDER_OFFER"] = s.config.Dirs.Shelf(b.Group, id), s.offerFile(&apps.App{Bundle: b})
	}
	return localapi.Launch{Executable: b.Executable, Dir: b.Dir, Env: env}, nil
}

func closed(app *apps.App) error {
	r := app.Life.Gate.Reason
	return &asset.Error{Code: asset.CodeState, Op: "launch app", Subject: string(app.ID()), Message: "the gate is closed: " + r.Message, Help: r.Unblock}
}

func (s *Service) get(ctx context.Context, id asset.AppID) (app apps.App, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) { app, err = apps.Get(tx, id); return err })
	return app, err
}
