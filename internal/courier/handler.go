package courier

import (
	"context"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/queue"
)

// handler answers what an extension asks back during one session.
type handler struct {
	courier   *Courier
	app       *apps.App
	answering bool // downloads is being answered
}

// CurrentDownloads lists what is scheduled or running, whoever queued it.
func (h *handler) CurrentDownloads(ctx context.Context, each func(asset.Download) error) error {
	var found []queue.Entry
	err := h.courier.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = queue.Unsettled(tx, h.app.ID())
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range found {
		if err := each(e.Download); err != nil {
			return err
		}
	}
	return nil
}

// ScheduleDownload enqueues a download, except while downloads is being answered
// (classic §2.5).
func (h *handler) ScheduleDownload(ctx context.Context, d asset.Download) error {
	if h.answering {
		return &asset.Error{Code: asset.CodeState, Op: "schedule download", Subject: d.Identifier,
			Message: "nothing can be scheduled while downloads is being answered", Help: "put it into the answer"}
	}
	if err := Judge(h.app, &d, ""); err != nil {
		return err
	}
	err := h.courier.DB.Write(ctx, func(tx *db.Tx) error {
		app, err := apps.Get(tx, h.app.ID())
		if err != nil {
			return err
		}
		if err := h.courier.prohibited(tx, &app, d.Identifier); err != nil {
			return err
		}
		e := queue.Entry{App: app.ID(), Kind: queue.File, Download: d}
		e.Group = app.Bundle.Group
		if left := app.Remaining().RestrictedDownloadSizeRemaining; left != nil {
			if d.FileSize > *left {
				return overAllowance(&e, *left)
			}
			if err := apps.Spend(tx, app.ID(), false, d.FileSize); err != nil {
				return err
			}
		}
		_, err = queue.Add(tx, e, time.Now())
		return err
	})
	if err == nil {
		h.courier.Scheduled()
	}
	return err
}

// prohibited refuses to schedule while nothing may be done in the background
// (classic §2.9).
func (c *Courier) prohibited(tx *db.Tx, app *apps.App, identifier string) error {
	if c.Background == nil {
		return nil
	}
	why, err := c.Background(tx, app)
	if err != nil || why == nil {
		return err
	}
	return &asset.Error{Code: asset.CodeBackgroundActivityProhibited, Op: "schedule download", Subject: identifier, Message: why.Message, Help: why.Unblock}
}

// CancelDownload cancels by identifier.
func (h *handler) CancelDownload(ctx context.Context, identifier string) error {
	var e queue.Entry
	err := h.courier.DB.Read(ctx, func(tx *db.Tx) (err error) { e, err = queue.Scheduled(tx, h.app.ID(), identifier); return err })
	if err != nil {
		return err
	}
	return h.courier.Cancel(ctx, e)
}

// AcquireExclusiveControl waits for the app's lock.
func (h *handler) AcquireExclusiveControl(ctx context.Context, deadline time.Time) error {
	return h.courier.locks.Acquire(ctx, h.app.ID(), h, deadline)
}

// ReleaseExclusiveControl lets go of it.
func (h *handler) ReleaseExclusiveControl(context.Context) error {
	return h.courier.locks.Release(h.app.ID(), h)
}
