package service

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/lifecycle"
)

// look is how long the loop sleeps at most before it looks for checks that are
// due: a timer stands still while the machine is suspended.
const look = time.Hour

// lull is since when nothing but time keeps apps from being checked.
type lull struct {
	mu    sync.Mutex
	held  bool
	since time.Time
}

func (c *lull) note(now time.Time, held bool) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held && !held || c.since.IsZero() {
		c.since = now
	}
	c.held = held
	return c.since
}

// checks begins the periodic checks that are due (classic §2.4), and those that a
// change of language asks for, and gives when the next one is. An app whose
// extension runs, or of which anything is under way, is left alone.
func (s *Service) checks(ctx context.Context, now time.Time) (time.Time, error) {
	var resting []apps.Resting
	var settings apps.Settings
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if settings, err = apps.LoadSettings(tx); err != nil {
			return err
		}
		resting, err = apps.Rest(tx)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	device := s.forbids(settings)
	f, _ := s.device.Facts()
	held := f.Online == asset.No || device.Background(now) != nil
	free := s.lull.note(now, held)
	if held {
		return time.Time{}, nil // facts and settings wake the loop
	}
	var next time.Time
	for _, r := range resting {
		if r.RefreshOff || s.busy.runs(r.ID) {
			continue
		}
		request := asset.RequestPeriodic
		at, ok := r.Habit.NextCheck(now, free)
		switch {
		case r.LanguageChanged && (r.Launched || settings.InAppContent):
			request = asset.RequestLanguageChange
		case !ok:
			continue
		case at.After(now):
			next = earlier(next, at)
			continue
		}
		if err := s.check(ctx, r.ID, request); err != nil {
			return time.Time{}, err
		}
	}
	return earlier(next, now.Add(look)), nil
}

// check begins a round that closes no gate, if the app still rests.
func (s *Service) check(ctx context.Context, id asset.AppID, request asset.ContentRequest) error {
	return s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		app, err := apps.Get(tx, id)
		if err != nil || app.Life.Phase != asset.AppReady {
			return id, err
		}
		return id, begin(tx, id, request)
	})
}

// asked records the beginning of a content request.
func asked(tx *db.Tx, id asset.AppID) error { return apps.Asked(tx, id, time.Now(), rand.Float64()) }

// checkStatus tells when an app is checked next, or why not; nil for an app
// without an extension.
func (s *Service) checkStatus(tx *db.Tx, app *apps.App) (*asset.CheckStatus, error) {
	if app.Bundle.Extension == nil {
		return nil, nil
	}
	now := time.Now()
	why, err := s.prohibited(tx, app)
	if err != nil {
		return nil, err
	}
	st := &asset.CheckStatus{}
	if h := app.Habit; !h.Checked.IsZero() {
		st.Last = &h.Checked
	}
	if app.Life.Phase != asset.AppReady {
		if !app.Life.Request.AllowsEssential() {
			st.Reason = why
		}
		return st, nil
	}
	s.lull.mu.Lock()
	free := s.lull.since
	s.lull.mu.Unlock()
	if at, ok := app.Habit.NextCheck(now, free); ok {
		st.Next, st.Reason = &at, why
		return st, nil
	}
	if st.Reason = lifecycle.NoChecks(app.Habit, now); st.Reason.Since.IsZero() {
		st.Reason.Since = now
	}
	return st, nil
}
