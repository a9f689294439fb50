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
	return h.courier.DB.Read(ctx, func(tx *db.Tx) error {
		return queue.EachUnsettled(tx, h.app.ID(), func(e *queue.Entry) error { return each(e.Download) })
	})
}

// ScheduleDownload enqueues a download, except while downloads is being answered
// (classic §2.5).
func (h *handler) ScheduleDownload(ctx context.Context, d asset.Download) error {
	if h.answering {
		return &asset.Error{Code: asset.CodeState, Op: "schedule download", Subject: d.Identifier,
			Message: "nothing can be scheduled while downloads is being answered", Help: "put it into the answer"}
	}
	if err := h.courier.Permit(ctx, h.app.ID(), d.Identifier); err != nil {
		return err
	}
	_, err := h.courier.Schedule(ctx, h.app.ID(), d)
	return err
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
	return h.courier.Locks.Acquire(ctx, h.app.ID(), h, deadline)
}

// ReleaseExclusiveControl lets go of it.
func (h *handler) ReleaseExclusiveControl(context.Context) error {
	return h.courier.Locks.Release(h.app.ID(), h)
}
