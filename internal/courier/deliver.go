package courier

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/apps"
	"larder/internal/bundle"
	"larder/internal/db"
	"larder/internal/exthost"
	"larder/internal/queue"
)

// batch is how many results one look into the queue takes along.
const batch = 64

// Deliver hands results that are due to the extension, in one session, until none is due. states
// tells before each which are for the extension: a delegate that has come meanwhile gets the rest. A
// result that the extension fails on is due again later, five times at most, and is then held for the
// app; when the extension dies, the rest waits for the next call. Without an extension all are
// held for the app.
func (c *Courier) Deliver(ctx context.Context, app *apps.App, states func() []asset.DownloadState) error {
	due, err := c.due(ctx, app.ID(), states())
	if err != nil || len(due) == 0 {
		return err
	}
	if app.Bundle.Extension == nil {
		return c.holdAll(ctx, app.ID(), due, states())
	}
	began := false
	err = c.session(ctx, app, false, func(p Extension) error {
		began = true
		for len(due) > 0 {
			for _, e := range due {
				if !slices.Contains(states(), e.State) {
					continue
				}
				if err := c.hand(ctx, p, app, &e); err != nil {
					return err
				}
			}
			if due, err = c.due(ctx, app.ID(), states()); err != nil {
				return err
			}
		}
		return nil
	})
	var spent *BudgetError
	switch {
	case errors.As(err, &spent):
		return c.each(ctx, due, func(tx *db.Tx, e *queue.Entry) error { return queue.Postpone(tx, e.UniqueIdentifier, spent.Until) })
	case err != nil && !began && ctx.Err() == nil:
		return errors.Join(err, c.each(ctx, due, refused))
	}
	return err
}

func refused(tx *db.Tx, e *queue.Entry) error {
	return queue.NotAcknowledged(tx, e.UniqueIdentifier, time.Now().Add(again(e.Deliveries)))
}

func (c *Courier) due(ctx context.Context, app asset.AppID, states []asset.DownloadState) (out []queue.Entry, err error) {
	err = c.DB.Read(ctx, func(tx *db.Tx) (err error) {
		out, err = queue.Undelivered(tx, app, states, time.Now(), batch)
		return err
	})
	return out, err
}

func (c *Courier) holdAll(ctx context.Context, app asset.AppID, due []queue.Entry, states []asset.DownloadState) error {
	for len(due) > 0 {
		err := c.each(ctx, due, func(tx *db.Tx, e *queue.Entry) error { return queue.Hold(tx, e.UniqueIdentifier) })
		if err != nil {
			return err
		}
		if due, err = c.due(ctx, app, states); err != nil {
			return err
		}
	}
	return nil
}

func (c *Courier) each(ctx context.Context, due []queue.Entry, f func(*db.Tx, *queue.Entry) error) error {
	return c.DB.Write(ctx, func(tx *db.Tx) error {
		for n := range due {
			if err := f(tx, &due[n]); err != nil {
				return err
			}
		}
		return nil
	})
}

// hand offers one result. The error is one that ended the session. To a strict
// app a result is offered once, whatever comes of it (classic §7).
func (c *Courier) hand(ctx context.Context, p Extension, app *apps.App, e *queue.Entry) error {
	var said error
	if e.State == asset.StateFinished {
		if _, err := c.FS.Stat(e.Path); errors.Is(err, fs.ErrNotExist) {
			// It was taken, and one of us died before that was on record.
			return c.DB.Write(ctx, func(tx *db.Tx) error { return queue.Acknowledged(tx, e.UniqueIdentifier) })
		}
		said = p.BackgroundDownloadFinished(ctx, e.Download, e.Path)
	} else {
		said = p.BackgroundDownloadFailed(ctx, e.Download, e.Error)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx) // the service stops: this was no refusal
	case errors.Is(said, exthost.ErrEnded):
		return said // it was not even asked
	}
	over := said == nil || app.Bundle.FinishedFile == bundle.FinishedStrict
	err := c.DB.Write(ctx, func(tx *db.Tx) error {
		switch {
		case over:
			return queue.Acknowledged(tx, e.UniqueIdentifier)
		case errors.Is(said, extension.ErrNotHandled):
			return queue.Hold(tx, e.UniqueIdentifier)
		}
		return refused(tx, e)
	})
	if err != nil {
		return err
	}
	if over && e.Path != "" {
		if err := c.FS.Remove(e.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err // it was not moved: it is not wanted (classic §7)
		}
	}
	select {
	case <-p.Done():
		return said
	default:
		return nil
	}
}

// again is how long after a failed delivery the next follows: 1 s, 10 s, 100 s, …
func again(deliveries int) time.Duration {
	d := time.Second
	for range deliveries {
		d *= 10
	}
	return min(d, time.Hour)
}
