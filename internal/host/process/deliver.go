package process

import (
	"context"
	"errors"
	"time"

	"larder/internal/host/catalog"
)

// attempts is how often a webhook is told before it is given up: over more than a day, as [Worker.later]
// spreads them.
const attempts = 8

// later is how long is waited after an attempt.
func (w *Worker) later(attempt int) time.Duration {
	pause := w.Resend
	for range attempt - 1 {
		pause = min(6*pause, 12*time.Hour)
	}
	return pause
}

// deliver tells a webhook of an event. It may be told twice, when the host dies before it has noted the answer.
func (w *Worker) deliver(ctx context.Context, j catalog.Job) error {
	var d catalog.Delivery
	var h catalog.Webhook
	var e catalog.Event
	err := w.Catalog.Read(ctx, func(tx catalog.Tx) (err error) {
		if d, err = tx.Delivery(j.Subject); err != nil {
			return err
		}
		if h, err = tx.Webhook(d.Webhook); err == nil {
			e, err = tx.Event(d.Event)
		}
		return err
	})
	if errors.Is(err, catalog.ErrNone) { // the webhook was deleted
		return w.finish(ctx, j, nil)
	}
	if err != nil {
		return err
	}
	told := errors.New("the webhook is not enabled")
	if d.Status = 0; h.Enabled {
		d.Status, told = w.Hooks.Send(ctx, h, e, d.ID)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.At("webhook told")
	d.Attempts, d.Sent, d.Next, d.State, d.Error = d.Attempts+1, w.Now(), time.Time{}, catalog.Succeeded, ""
	if told != nil {
		d.State, d.Error = catalog.Failed, told.Error()
		if h.Enabled && d.Attempts < attempts {
			d.State, d.Next = catalog.Pending, w.Now().Add(w.later(d.Attempts))
		}
	}
	err = w.Catalog.Write(ctx, func(tx catalog.Tx) error {
		if err := tx.Hold(j); err != nil {
			return err
		}
		err := tx.SetDelivery(d)
		switch {
		case errors.Is(err, catalog.ErrNone):
			return tx.Finish(j) // deleted meanwhile
		case err != nil:
			return err
		case d.State == catalog.Pending:
			return tx.Retry(j, d.Next)
		}
		return tx.Finish(j)
	})
	w.At("delivery noted")
	return err
}
