package courier

import (
	"context"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/queue"
)

// Schedule enqueues a download for the background, for an app or its extension
// (classic §4.1): 100, 109, 112 and 202 as documented.
func (c *Courier) Schedule(ctx context.Context, id asset.AppID, d asset.Download) (e queue.Entry, err error) {
	err = c.DB.Write(ctx, func(tx *db.Tx) error {
		app, err := apps.Get(tx, id)
		if err != nil {
			return err
		}
		if err := Judge(&app, &d, ""); err != nil {
			return err
		}
		e = queue.Entry{App: id, Kind: queue.File, Download: d}
		e.Group = app.Bundle.Group
		left, err := c.Allowances.Allowances(tx, &app)
		switch {
		case err != nil:
			return err
		case left.Restricted && d.FileSize > left.Others:
			return overAllowance(&e, max(left.Others, 0))
		}
		e, err = queue.Add(tx, e, time.Now())
		return err
	})
	if err == nil {
		c.Scheduled()
	}
	return e, err
}

// BeforeLaunch is the error of what may not be scheduled before the first launch:
// 206 (classic §5).
func BeforeLaunch(identifier, message, help string) error {
	return &asset.Error{Code: asset.CodeNotPermittedBeforeAppLaunch, Op: "schedule download", Subject: identifier, Message: message, Help: help}
}

// Permit refuses to schedule identifier for the background while nothing may be
// done there for the app: 111; and before the first launch while in-app content
// is off: 206 (classic §2.9).
func (c *Courier) Permit(ctx context.Context, id asset.AppID, identifier string) error {
	if c.Background == nil {
		return nil
	}
	var why *asset.Reason
	err := c.DB.Read(ctx, func(tx *db.Tx) error {
		app, err := apps.Get(tx, id)
		if err != nil {
			return err
		}
		settings, err := apps.LoadSettings(tx)
		if err != nil {
			return err
		}
		if !settings.InAppContent && !app.Launched() {
			return BeforeLaunch(identifier, "in-app content is switched off, so nothing may be scheduled before the app's first launch", "switch in-app content on, or schedule it after the first launch")
		}
		why, err = c.Background(tx, &app)
		return err
	})
	if err != nil || why == nil {
		return err
	}
	return &asset.Error{Code: asset.CodeBackgroundActivityProhibited, Op: "schedule download", Subject: identifier, Message: why.Message, Help: why.Unblock}
}
