package localapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"larder/asset"
)

// delegated are the events that a delegate may handle (classic §4.4).
var delegated = []asset.EventType{asset.EventBegan, asset.EventPaused, asset.EventProgress, asset.EventChallenge, asset.EventFinished, asset.EventFailed, asset.EventPurged}

func (c *call) session() error {
	var handles []asset.EventType
	for name, values := range c.r.URL.Query() {
		if name != "handles" || len(values) != 1 {
			return badRequest("it has an unknown or repeated query parameter", "known here: handles")
		}
		for _, word := range strings.FieldsFunc(values[0], func(r rune) bool { return r == ',' }) {
			if !slices.Contains(delegated, asset.EventType(word)) {
				return badRequest("handles names no event: "+clip(word), "known here: began, paused, progress, challenge, finished, failed, purged")
			}
			handles = append(handles, asset.EventType(word))
		}
	}
	out, ctx, cancel := c.stream()
	defer cancel()
	err := c.svc.Connect(ctx, c.app, handles, func(l SessionLine) error {
		if out.send(l) != nil {
			return errReaderGone
		}
		return nil
	})
	if errors.Is(err, errReaderGone) {
		return nil
	}
	return ended(out, err)
}

func (c *call) setActive() error {
	var req ActiveRequest
	if err := read(c.w, c.r, &req, true); err != nil {
		return err
	}
	return c.done(c.svc.SetActive(c.r.Context(), c.app, c.r.PathValue("session"), req.Active))
}

func (c *call) schedule() error {
	var d asset.Download
	if err := read(c.w, c.r, &d, true); err != nil {
		return err
	}
	st, err := c.svc.Schedule(c.r.Context(), c.app, d)
	return c.reply(http.StatusCreated, st, err)
}

func (c *call) startForeground() error {
	var d asset.Download
	if err := read(c.w, c.r, &d, true); err != nil {
		return err
	}
	st, err := c.svc.StartForeground(c.r.Context(), c.app, c.r.PathValue("session"), d)
	return c.reply(http.StatusOK, st, err)
}

func (c *call) acquireControl() error {
	var req ControlRequest
	if err := read(c.w, c.r, &req, false); err != nil {
		return err
	}
	var deadline time.Time
	if req.Deadline != nil {
		deadline = *req.Deadline
		if deadline.IsZero() {
			deadline = time.Unix(0, 0) // long past, and not for ever
		}
	}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	defer context.AfterFunc(c.streams, cancel)() // waiting ends with the service
	return c.done(c.svc.AcquireControl(ctx, c.app, c.r.PathValue("session"), deadline))
}

func (c *call) releaseControl() error {
	return c.done(c.svc.ReleaseControl(c.r.Context(), c.app, c.r.PathValue("session")))
}

func (c *call) answerChallenge() error {
	var ans asset.ChallengeAnswer
	if err := read(c.w, c.r, &ans, true); err != nil {
		return err
	}
	return c.done(c.svc.AnswerChallenge(c.r.Context(), c.app, c.r.PathValue("session"), c.r.PathValue("challenge"), &ans))
}

func (c *call) passChallenge() error {
	return c.done(c.svc.AnswerChallenge(c.r.Context(), c.app, c.r.PathValue("session"), c.r.PathValue("challenge"), nil))
}
