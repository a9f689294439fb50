package service

import (
	"context"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/lifecycle"
	"larder/internal/queue"
)

// changes are what one look at the manifest brought about.
type changes struct{ Updating, Removed []asset.PackID }

// rounds lets callers wait for the end of a round's decision.
type rounds struct {
	mu      sync.Mutex
	waiting map[asset.AppID][]chan outcome
}

type outcome struct {
	changes
	err error
}

func (r *rounds) wait(id asset.AppID) <-chan outcome {
	c := make(chan outcome, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = map[asset.AppID][]chan outcome{}
	}
	r.waiting[id] = append(r.waiting[id], c)
	return c
}

// end tells whoever waits.
func (r *rounds) end(id asset.AppID, done changes, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.waiting[id] {
		c <- outcome{done, err}
	}
	delete(r.waiting, id)
}

// look has the app's manifest fetched now and waits until what follows from it is
// scheduled. A round that is under way serves as well; then nothing was changed because
// of this call. While the caller waits, the manifest is a foreground download.
func (s *Service) look(ctx context.Context, id asset.AppID, request asset.ContentRequest) (changes, error) {
	ended := s.rounds.wait(id)
	ours := false
	var phase asset.AppState
	err := s.change(ctx, func(tx *db.Tx) (asset.AppID, error) {
		app, err := apps.Get(tx, id)
		if err != nil {
			return id, err
		}
		if phase = app.Life.Phase; phase != asset.AppReady {
			return id, nil
		}
		ours = true
		if err := queue.NewRound(tx, id); err != nil {
			return id, err
		}
		e, err := s.addManifest(tx, &app, time.Now())
		if err != nil {
			return id, err
		}
		s.dispatcher.Promote(e.UniqueIdentifier, true)
		return id, applyTo(tx, id, lifecycle.Event{Kind: lifecycle.Begin, Request: request})
	})
	if err != nil || phase == asset.AppEssential {
		return changes{}, err
	}
	select {
	case out := <-ended:
		if !ours {
			out.changes = changes{}
		}
		return out.changes, out.err
	case <-ctx.Done():
		return changes{}, context.Cause(ctx)
	}
}
