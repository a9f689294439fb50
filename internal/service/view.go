package service

import (
	"context"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/queue"
)

// Status describes all apps, or one, with their downloads as they are now.
func (s *Service) Status(ctx context.Context, id asset.AppID) (asset.Status, error) {
	st := asset.Status{Service: s.self(), Apps: []asset.AppStatus{}}
	if s.config.Extensions == nil {
		st.Service.Fence = fenced()
	}
	st.Device, _ = s.device.Facts()
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		var list []apps.App
		var err error
		if id == "" {
			list, err = apps.List(tx)
		} else {
			var app apps.App
			app, err = apps.Get(tx, id)
			list = []apps.App{app}
		}
		if err != nil {
			return err
		}
		for _, app := range list {
			one, err := s.describe(tx, &app)
			if err != nil {
				return err
			}
			st.Apps = append(st.Apps, one)
		}
		return nil
	})
	return st, err
}

func (s *Service) one(ctx context.Context, id asset.AppID) (asset.AppStatus, error) {
	st, err := s.Status(ctx, id)
	if err != nil {
		return asset.AppStatus{}, err
	}
	return st.Apps[0], nil
}

func appStatus(app *apps.App) asset.AppStatus {
	return asset.AppStatus{ID: app.ID(), Version: app.Bundle.Version.String(), Build: app.Bundle.Build, State: app.Life.Phase, Paused: app.Life.Paused, URLOverride: app.Prefs.URLOverride,
		Gate: app.Life.Gate, Signed: app.Bundle.TrustedRoot != nil, Downloads: []asset.DownloadStatus{}, Packs: []asset.PackStatus{}}
}

func (s *Service) describe(tx *db.Tx, app *apps.App) (asset.AppStatus, error) {
	st := appStatus(app)
	entries, err := queue.List(tx, app.ID())
	if err == nil {
		st.Downloads, err = s.downloads(tx, app, entries)
	}
	if err == nil {
		st.Packs, err = s.packs(tx, app)
	}
	if err == nil {
		st.Check, err = s.checkStatus(tx, app)
	}
	if err == nil {
		st.Signature, err = s.signature(app)
	}
	if err == nil {
		var left apps.Allowances
		left, err = s.dispatcher.Allowances(tx, app)
		st.RestrictedDownloadSizeRemaining, st.RestrictedEssentialDownloadSizeRemaining = left.Told()
	}
	return st, err
}

// downloads tells of entries as they are now: live bytes, and why they wait.
func (s *Service) downloads(tx *db.Tx, app *apps.App, entries []queue.Entry) ([]asset.DownloadStatus, error) {
	out := make([]asset.DownloadStatus, 0, len(entries))
	why, err := s.dispatcher.Why(tx, app, entries)
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		d := e.Status()
		if r := why[e.UniqueIdentifier]; r != nil {
			d.Reason = r
		}
		if bytes, total, traffic, ok := s.dispatcher.Live(e.UniqueIdentifier); ok && e.State == asset.StateDownloading {
			d.Bytes, d.TotalBytes, d.Traffic = bytes, max(total, d.TotalBytes), traffic
		}
		out = append(out, d)
	}
	return out, nil
}

// observe publishes what the dispatcher tells.
func (s *Service) observe(t asset.EventType, app asset.AppID, d asset.DownloadStatus) {
	if t == asset.EventFinished && d.AssetPack != "" {
		s.arrived(app)
	}
	s.hub.Publish(asset.Event{Type: t, App: app, Download: &d})
	if d.Reason != nil && d.Reason.Code == asset.WhyNoSpace {
		s.lookAtDisk(false)
	}
	s.tell(t, app, d)
}
