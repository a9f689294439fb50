package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/fsx"
	"larder/internal/install"
	"larder/internal/queue"
	"larder/pack"
)

// shelves are the writers of the apps' shelves. A store holds its shelf's lock, so
// each is opened once, when it is first needed.
type shelves struct {
	mu     sync.Mutex
	apps   map[asset.AppID]*install.Store
	closed bool
}

// store is the writer of an app's shelf.
func (s *Service) store(app *apps.App) (*install.Store, error) {
	s.shelves.mu.Lock()
	defer s.shelves.mu.Unlock()
	if st := s.shelves.apps[app.ID()]; st != nil {
		return st, nil
	}
	if s.shelves.closed {
		return nil, context.Canceled
	}
	st, err := s.openShelf(app)
	if err != nil {
		return nil, err
	}
	if s.shelves.apps == nil {
		s.shelves.apps = map[asset.AppID]*install.Store{}
	}
	s.shelves.apps[app.ID()] = st
	return st, nil
}

// openShelf waits, as take does for the service's own lock, for a process that was being
// started by a service that has just ended: it holds what that held until it has become
// another program.
func (s *Service) openShelf(app *apps.App) (*install.Store, error) {
	for end := time.Now().Add(takeover); ; time.Sleep(20 * time.Millisecond) {
		st, err := install.Open(s.config.Dirs.Shelf(app.Bundle.Group, app.ID()), install.Options{FS: s.config.FS})
		if !errors.Is(err, fsx.ErrLocked) || time.Now().After(end) {
			return st, err
		}
	}
}

// close lets go of one app's shelf.
func (x *shelves) close(id asset.AppID) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	st := x.apps[id]
	if st == nil {
		return nil
	}
	delete(x.apps, id)
	return st.Close()
}

func (x *shelves) closeAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	for _, st := range x.apps {
		_ = st.Close() // the process ends, and its locks with it
	}
	x.apps = nil
}

// takeFromShelf takes packs from an app's shelf, and from the disk what nobody reads.
func (s *Service) takeFromShelf(ctx context.Context, app *apps.App, ids []asset.PackID) error {
	st, err := s.store(app)
	if err != nil {
		return err
	}
	if _, err := st.Commit(ctx, nil, ids); err != nil {
		return err
	}
	return s.prune(ctx, app)
}

// prune gives the disk back what no process reads and nobody is about to need.
func (s *Service) prune(ctx context.Context, app *apps.App) error {
	st, err := s.store(app)
	if err != nil {
		return err
	}
	var going []queue.Entry
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { going, err = queue.Packs(tx, app.ID()); return err }); err != nil {
		return err
	}
	var wanted []install.Target
	for _, e := range going {
		if e.Pack == nil {
			continue
		}
		t := install.Target{ID: e.Pack.ID, Version: e.Pack.Version, Language: e.Pack.Language}
		if e.Pack.Content != "" {
			var h pack.Hash
			if err := h.UnmarshalText([]byte(e.Pack.Content)); err != nil {
				return err
			}
			t.Content = h
		}
		wanted = append(wanted, t)
	}
	_, err = st.Prune(ctx, wanted)
	return err
}
