package localapi

import (
	"context"
	"errors"
	"net/http"

	"larder/asset"
)

// stream writes newline-delimited JSON, one line at a time, each flushed.
type stream struct {
	w     http.ResponseWriter
	begun bool
}

func (s *stream) send(line any) error {
	if !s.begun {
		s.w.Header().Set("Content-Type", "application/x-ndjson")
		s.begun = true
	}
	if err := encode(s.w, line); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

// stream makes the answer a stream whose ctx also ends when the endpoint closes.
func (c *call) stream() (*stream, context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.r.Context())
	detach := context.AfterFunc(c.streams, cancel)
	c.out = &stream{w: c.w}
	return c.out, ctx, func() { detach(); cancel() }
}

func (c *call) events() error {
	app, err := c.queryApp()
	if err != nil {
		return err
	}
	out, ctx, cancel := c.stream()
	defer cancel()
	sub := c.hub.Subscribe(app)
	defer sub.Close()
	for {
		ev, err := sub.Next(ctx)
		if err != nil {
			return ended(out, err)
		}
		if ev.Type == asset.EventSnapshot {
			st, err := c.state(ctx, app)
			if err != nil {
				return ended(out, err)
			}
			ev.App, ev.Status = app, &st
		}
		if ev.AppState != nil {
			a := wholeApp(*ev.AppState)
			ev.AppState = &a
		}
		if out.send(ev) != nil {
			return nil // the reader has gone
		}
	}
}

var errReaderGone = errors.New("the reader has gone")

func (c *call) progress() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	out, ctx, cancel := c.stream()
	defer cancel()
	err = c.svc.Progress(ctx, id, func(p asset.Progress) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.Downloads = listed(p.Downloads)
		if out.send(p) != nil {
			return errReaderGone
		}
		return nil
	})
	if errors.Is(err, errReaderGone) {
		return nil
	}
	return ended(out, err)
}

// ended makes the end of the service a plain end of a stream that has begun.
func ended(out *stream, err error) error {
	if out.begun && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
