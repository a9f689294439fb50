package service

import (
	"context"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/fsx"
	"larder/internal/policy"
	"larder/internal/queue"
	"larder/internal/reconcile"
)

// network remembers whether there was one, to notice when it comes back.
type network struct {
	mu     sync.Mutex
	online asset.Answer
}

// followDevice learns facts until ctx ends.
func (s *Service) followDevice(ctx context.Context) {
	if s.config.Device != nil {
		s.work.Go(func() { s.device.Run(ctx, s.config.Device, func() { s.deviceChanged() }) })
	}
}

// deviceChanged tells the world and lets the loop judge anew.
func (s *Service) deviceChanged() asset.Facts {
	f, _ := s.device.Facts()
	s.network.mu.Lock()
	was := s.network.online
	back := was != asset.Yes && f.Online == asset.Yes || was == asset.No && f.Online != asset.No
	s.network.online = f.Online
	s.network.mu.Unlock()
	if back {
		if err := s.dispatcher.Reconnect(); err != nil {
			s.config.Log.Warn("downloads that wait for the network do not try at once", "error", err)
		}
	}
	s.hub.Publish(asset.Event{Type: asset.EventDevice, Device: &f})
	s.lookAtDisk(true)
	s.Wake()
	return f
}

// forbids is what device and settings forbid at the moment, for all apps.
func (s *Service) forbids(settings apps.Settings) policy.Device {
	f, since := s.device.Facts()
	d := policy.Device{Metered: f.Metered == asset.Yes && settings.Metered != apps.MeteredAllow, MeteredFront: settings.Metered == apps.MeteredNever, LowPower: f.LowPower == asset.Yes,
		RefreshOff: !settings.BackgroundRefresh, Since: since}
	if a, ok := f.Simulated[asset.FactRefresh]; ok {
		d.RefreshOff = a == asset.No
	}
	return d
}

// prohibited says why nothing may be done for an app in the background; nil when
// it may.
func (s *Service) prohibited(tx *db.Tx, app *apps.App) (*asset.Reason, error) {
	settings, err := apps.LoadSettings(tx)
	if err != nil {
		return nil, err
	}
	d := s.forbids(settings)
	d.AppRefreshOff = app.Prefs.RefreshOff
	return d.Background(time.Now()), nil
}

// askHeld tells that an extension must not be asked now. At an installation or
// update it is asked all the same (design §12), and when the app itself waits.
func (s *Service) askHeld(ctx context.Context, app *apps.App) (bool, error) {
	if r := app.Life.Request; r.AllowsEssential() || r == requestLook || r == reconcile.Check {
		return false, nil
	}
	var why *asset.Reason
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) { why, err = s.prohibited(tx, app); return err })
	return why != nil, err
}

// deliveryHeld tells that results must wait, as the extension may not run. The
// essential ones of an installation or update belong to it and do not.
func (s *Service) deliveryHeld(tx *db.Tx, app *apps.App) (bool, error) {
	if app.Bundle.Extension == nil {
		return false, nil
	}
	why, err := s.prohibited(tx, app)
	if err != nil || why == nil {
		return false, err
	}
	c, err := queue.Essential(tx, app.ID())
	return c.Undelivered == 0 || !app.Life.Request.AllowsEssential(), err
}

func (s *Service) offline() bool { return s.device.Simulated(asset.FactOffline) == asset.Yes }

// spare is free for downloads, which are the first to notice that it is little.
func (s *Service) spare(dir string) (int64, error) {
	n, err := s.free(dir)
	if err == nil && n < s.config.Critical {
		s.lookAtDisk(false)
	}
	return n, err
}

// free tells the free bytes of a disk; a full disk can be simulated.
func (s *Service) free(dir string) (int64, error) {
	switch {
	case s.device.Simulated(asset.FactLowDisk) == asset.Yes:
		return 0, nil
	case s.config.Free != nil:
		return s.config.Free(dir)
	}
	return fsx.Free(dir)
}
