package service

import (
	"context"
	"errors"
	"time"

	"larder/asset"
	"larder/internal/courier"
	"larder/internal/db"
	"larder/internal/localapi"
	"larder/internal/queue"
)

// SetActive notes whether a process is in the foreground.
func (s *Service) SetActive(_ context.Context, app asset.AppID, session string, active bool) error {
	p, err := s.processes.get(app, session)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active = active
	return nil
}

// AcquireControl takes the lock that app and extension share, for one process.
func (s *Service) AcquireControl(ctx context.Context, app asset.AppID, session string, deadline time.Time) error {
	p, err := s.processes.get(app, session)
	if err != nil {
		return err
	}
	err = s.locks.Acquire(ctx, app, p, deadline)
	gone := ctx.Err() // the caller
	if s.closing.Load() {
		gone = context.Canceled // the service: its end freed the lock, and nobody is to have it now
	}
	if gone != nil {
		if err == nil {
			s.locks.Free(app, p)
		}
		return gone
	}
	if err != nil {
		return err
	}
	if _, err := s.processes.get(app, session); err != nil {
		s.locks.Free(app, p) // it died while it waited
		return err
	}
	return nil
}

// ReleaseControl lets go of it.
func (s *Service) ReleaseControl(_ context.Context, app asset.AppID, session string) error {
	p, err := s.processes.get(app, session)
	if err != nil {
		return err
	}
	return s.locks.Release(app, p)
}

// Schedule enqueues a download for the background.
func (s *Service) Schedule(ctx context.Context, app asset.AppID, d asset.Download) (asset.DownloadStatus, error) {
	if err := s.courier.Permit(ctx, app, d.Identifier); err != nil {
		return asset.DownloadStatus{}, err
	}
	if err := s.launchedOnce(ctx, app, d.Identifier); err != nil {
		return asset.DownloadStatus{}, err
	}
	e, err := s.courier.Schedule(ctx, app, d)
	if err != nil {
		return asset.DownloadStatus{}, err
	}
	return s.downloadStatus(ctx, e.UniqueIdentifier)
}

// StartForeground starts a download now, or promotes a scheduled one: no byte
// that is held is asked for again (classic §4.2).
func (s *Service) StartForeground(ctx context.Context, app asset.AppID, session string, d asset.Download) (asset.DownloadStatus, error) {
	p, err := s.processes.get(app, session)
	if err != nil {
		return asset.DownloadStatus{}, err
	}
	p.mu.Lock()
	active := p.active
	p.mu.Unlock()
	switch {
	case !active:
		return asset.DownloadStatus{}, &asset.Error{Code: asset.CodeCallFromInactiveProcess, Op: "start foreground download", Subject: d.Identifier,
			Message: "the app is not in the foreground", Help: "call SetActive(true) while the person looks at the app, or schedule it for the background"}
	case d.Essential:
		return asset.DownloadStatus{}, &asset.Error{Code: asset.CodeEssentialNotPermitted, Op: "start foreground download", Subject: d.Identifier,
			Message: "essential downloads belong to an installation or update", Help: "use RemovingEssential"}
	}
	if err := s.launchedOnce(ctx, app, d.Identifier); err != nil {
		return asset.DownloadStatus{}, err
	}
	e, err := s.inHand(ctx, app, &d)
	if err != nil {
		return asset.DownloadStatus{}, err
	}
	p.mu.Lock()
	gone := p.front == nil
	if !gone {
		p.front[e.UniqueIdentifier] = true
	}
	p.mu.Unlock()
	if !gone {
		s.dispatcher.Promote(e.UniqueIdentifier, true)
		// It may have been tried in the background a moment ago, and wait since.
		err := s.db.Write(ctx, func(tx *db.Tx) error { return queue.TryNow(tx, e.UniqueIdentifier, time.Now()) })
		if err != nil {
			return asset.DownloadStatus{}, err
		}
		s.Wake()
	}
	return s.downloadStatus(ctx, e.UniqueIdentifier)
}

// launchedOnce refuses what a process of an app asks for before the app was ever
// launched: until then its extension alone says what is fetched (206, classic §5).
func (s *Service) launchedOnce(ctx context.Context, id asset.AppID, identifier string) error {
	app, err := s.get(ctx, id)
	if err != nil || app.Launched() {
		return err
	}
	return courier.BeforeLaunch(identifier, "the app was never launched, and until then its extension alone names downloads", "start the app with \"larder launch\"")
}

// inHand finds the scheduled download that d names, or schedules it.
func (s *Service) inHand(ctx context.Context, app asset.AppID, d *asset.Download) (queue.Entry, error) {
	var e queue.Entry
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		if e, err = queue.Scheduled(tx, app, d.Identifier); err != nil {
			return err
		}
		return queue.TryNow(tx, e.UniqueIdentifier, time.Now())
	})
	if errors.Is(err, asset.Sentinel(asset.CodeNotScheduled)) {
		return s.courier.Schedule(ctx, app, *d)
	}
	return e, err
}

func (s *Service) downloadStatus(ctx context.Context, id string) (asset.DownloadStatus, error) {
	var e queue.Entry
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) { e, err = queue.Get(tx, id); return err })
	return e.Status(), err
}

// results are the states of downloads whose result is delivered.
var results = map[asset.DownloadState]asset.EventType{asset.StateFinished: asset.EventFinished, asset.StateFailed: asset.EventFailed}

// forExtension gives the results that no live delegate of app handles: only these
// start the extension (classic §4.5).
func (s *Service) forExtension(app asset.AppID) (states []asset.DownloadState) {
	for state, event := range results {
		if len(s.processes.of(app, event)) == 0 {
			states = append(states, state)
		}
	}
	return states
}

// offer tells the live delegates of app of the results that nobody has taken.
func (s *Service) offer(ctx context.Context, app asset.AppID) error {
	for state, event := range results {
		listeners := s.processes.of(app, event)
		if len(listeners) == 0 {
			continue
		}
		var due []queue.Entry
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			due, err = queue.Takeable(tx, app, []asset.DownloadState{state}, backlog)
			return err
		})
		if err != nil {
			return err
		}
		for _, p := range listeners {
			for _, e := range due {
				if p.offer(e.UniqueIdentifier) {
					st := e.Status()
					p.push(localapi.SessionLine{Type: event, Download: &e.Download, Status: &st, Error: e.Error})
				}
			}
		}
	}
	return nil
}

// tell passes on what is not a result: begin, pause and progress reach live
// delegates or nobody (classic §4.5).
func (s *Service) tell(t asset.EventType, app asset.AppID, d asset.DownloadStatus) {
	if t == asset.EventFinished || t == asset.EventFailed {
		return
	}
	for _, p := range s.processes.of(app, t) {
		p.push(localapi.SessionLine{Type: t, Status: &d, Download: &asset.Download{Identifier: d.Identifier, UniqueIdentifier: d.UniqueIdentifier,
			Manifest: d.Manifest, State: d.State, Essential: d.Essential, Priority: d.Priority, FileSize: d.TotalBytes}})
	}
}
