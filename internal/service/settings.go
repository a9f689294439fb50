package service

import (
	"context"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/lifecycle"
	"larder/internal/localapi"
)

// Settings gives the person's settings.
func (s *Service) Settings(ctx context.Context) (localapi.Settings, error) {
	var now apps.Settings
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) { now, err = apps.LoadSettings(tx); return err })
	return localapi.Settings{InAppContent: now.InAppContent, BackgroundRefresh: now.BackgroundRefresh, MeteredRule: string(now.Metered),
		ForegroundCap: now.ForegroundCap, BackgroundCap: now.BackgroundCap}, err
}

// SetSettings changes them; what that means for all that runs applies at once.
func (s *Service) SetSettings(ctx context.Context, change localapi.SettingsChange) (localapi.Settings, error) {
	var told []asset.AppID
	var off bool
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		now, err := apps.LoadSettings(tx)
		if err != nil {
			return err
		}
		before := now
		assign(&now.InAppContent, change.InAppContent)
		assign(&now.BackgroundRefresh, change.BackgroundRefresh)
		assign(&now.ForegroundCap, change.ForegroundCap)
		assign(&now.BackgroundCap, change.BackgroundCap)
		if change.MeteredRule != nil {
			now.Metered = apps.MeteredRule(*change.MeteredRule)
		}
		if now == before {
			return nil
		}
		if err := apps.SaveSettings(tx, now); err != nil || now.InAppContent == before.InAppContent {
			return err
		}
		off = !now.InAppContent
		told, err = switchContent(tx, now.InAppContent)
		return err
	})
	if err != nil {
		return localapi.Settings{}, err
	}
	for _, id := range told {
		if err := s.change(ctx, func(*db.Tx) (asset.AppID, error) { return id, nil }); err != nil {
			return localapi.Settings{}, err
		}
		if off {
			s.busy.end(id)
			s.dispatcher.Stop(func(other asset.AppID, _ string) bool { return other != id })
		}
	}
	s.Wake()
	return s.Settings(ctx)
}

func assign[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// switchContent lets the installations before a first launch know that in-app
// content was switched (classic §2.9), and names their apps.
func switchContent(tx *db.Tx, on bool) (told []asset.AppID, err error) {
	kind := lifecycle.ContentOff
	if on {
		kind = lifecycle.ContentOn
	}
	waiting, err := apps.UnderWay(tx)
	for _, app := range waiting {
		if err == nil && !app.Launched() {
			told = append(told, app.ID())
			err = applyTo(tx, app.ID(), lifecycle.Event{Kind: kind})
		}
	}
	return told, err
}

// AppSettings gives the person's settings for one app.
func (s *Service) AppSettings(ctx context.Context, id asset.AppID) (localapi.AppSettings, error) {
	app, err := s.get(ctx, id)
	return localapi.AppSettings{BackgroundRefresh: !app.Prefs.RefreshOff, Language: app.Prefs.Language, URLOverride: app.Prefs.URLOverride}, err
}

// SetAppSettings changes them. Another language makes a content request of its
// own as soon as the app rests (classic §2.1).
func (s *Service) SetAppSettings(ctx context.Context, id asset.AppID, change localapi.AppSettingsChange) (localapi.AppSettings, error) {
	err := s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		app, err := apps.Get(tx, id)
		if err != nil {
			return id, err
		}
		if change.BackgroundRefresh != nil {
			app.Prefs.RefreshOff = !*change.BackgroundRefresh
		}
		assign(&app.Prefs.Language, change.Language)
		before := app.Prefs.URLOverride
		assign(&app.Prefs.URLOverride, change.URLOverride)
		if err := apps.SetPreferences(tx, id, app.Prefs); err != nil || before == app.Prefs.URLOverride || !app.Bundle.Stocked() {
			return id, err
		}
		if app.Life.Phase == asset.AppReady {
			return id, begin(tx, id, asset.RequestPeriodic)
		}
		return id, begin(tx, id, app.Life.Request) // what is under way begins anew, over there
	})
	if err != nil {
		return localapi.AppSettings{}, err
	}
	return s.AppSettings(ctx, id)
}
