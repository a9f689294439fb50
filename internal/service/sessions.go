package service

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/bundle"
	"larder/internal/db"
	"larder/internal/localapi"
	"larder/internal/queue"
)

// backlog bounds the lines that wait for a slow process. Progress beyond it is
// dropped; results are not lines but rows, and are offered again.
const backlog = 512

// process is one connected process of an app (classic §4).
type process struct {
	id      string
	app     asset.AppID
	handles []asset.EventType

	mu      sync.Mutex
	active  bool
	front   map[string]bool      // downloads it brought to the foreground
	offered map[string]bool      // results that it is to be told of, or was
	asked   map[string]*question // challenges that it has not answered; nil once it is gone
	told    []string             // those that it was told of
	purged  int64                // the last purged file that it is to be told of
	lines   []localapi.SessionLine
	more    chan struct{} // one slot
	refused chan struct{} // closed when the app is uninstalled
}

func (p *process) push(l localapi.SessionLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) >= backlog && l.Error == nil && l.Challenge == nil && l.Type != asset.EventFinished && l.Type != asset.EventPurged {
		return
	}
	p.lines = append(p.lines, l)
	select {
	case p.more <- struct{}{}:
	default:
	}
}

func (p *process) take() []localapi.SessionLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := p.lines
	p.lines = nil
	return lines
}

// offer is true the first time a result is offered to this process.
func (p *process) offer(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offered[id] {
		return false
	}
	p.offered[id] = true
	return true
}

// processes are the connected processes of all apps.
type processes struct {
	mu  sync.Mutex
	all map[string]*process
}

func (x *processes) add(app asset.AppID, handles []asset.EventType) *process {
	p := &process{id: rand.Text(), app: app, handles: handles, front: map[string]bool{}, offered: map[string]bool{}, asked: map[string]*question{}, more: make(chan struct{}, 1), refused: make(chan struct{})}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[string]*process{}
	}
	x.all[p.id] = p
	return p
}

func (x *processes) remove(p *process) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.all, p.id)
}

// apps are those that have a process connected.
func (x *processes) apps() (out []asset.AppID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.all {
		if !slices.Contains(out, p.app) {
			out = append(out, p.app)
		}
	}
	return out
}

// get finds a session of app; code 56 when it is not, or no longer, connected.
func (x *processes) get(app asset.AppID, id string) (*process, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.all[id]; p != nil && p.app == app {
		return p, nil
	}
	return nil, &asset.Error{Code: asset.CodeConnectionInvalid, Op: "find session", Subject: strings.ToValidUTF8(id[:min(len(id), 80)], ""), Message: "it is not connected", Help: "connect first: GET /v1/session"}
}

// of gives the processes of app whose delegate handles an event.
func (x *processes) of(app asset.AppID, event asset.EventType) (out []*process) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.all {
		if p.app == app && slices.Contains(p.handles, event) {
			out = append(out, p)
		}
	}
	return out
}

// Connect serves one process of an app until ctx ends. Whatever hangs on the
// process ends then, however it ended.
func (s *Service) Connect(ctx context.Context, app asset.AppID, handles []asset.EventType, send func(localapi.SessionLine) error) error {
	p := s.processes.add(app, handles)
	defer s.disconnect(p)
	if err := send(localapi.SessionLine{Session: p.id}); err != nil {
		return err
	}
	s.Wake() // results may be due to it
	for {
		select {
		case <-p.refused:
			return uninstalled(app)
		case <-ctx.Done():
			select {
			case <-p.refused: // that is why it ends
				return uninstalled(app)
			default:
				return ctx.Err()
			}
		case <-p.more:
		}
		for _, l := range p.take() {
			if err := send(l); err != nil {
				return err
			}
			if l.Type == asset.EventPurged {
				if err := s.toldPurged(ctx, p, l.Last); err != nil {
					return err
				}
			} else if results[asset.DownloadState(l.Type)] == l.Type {
				p.told = append(p.told, l.Download.UniqueIdentifier)
			}
		}
	}
}

// uninstalled is what connected processes of an app are told when it is no more:
// that there is no use in coming again (55, classic §5).
func uninstalled(app asset.AppID) error {
	return &asset.Error{Code: asset.CodeConnectionNotAccepted, Op: "stay connected", Subject: string(app), Message: "the app was uninstalled", Help: "install it again, and start it with \"larder launch\""}
}

// refuse ends the sessions of an app for good.
func (x *processes) refuse(app asset.AppID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, p := range x.all {
		if p.app == app {
			close(p.refused)
			delete(x.all, id)
		}
	}
}

func (s *Service) disconnect(p *process) {
	s.processes.remove(p)
	s.locks.Free(p.app, p)
	p.mu.Lock()
	front, asked := p.front, p.asked
	p.front, p.asked = nil, nil
	p.mu.Unlock()
	for _, q := range asked {
		q.pass()
	}
	for id := range front {
		s.dispatcher.Promote(id, false) // it goes on in the background
	}
	if err := s.forfeit(p); err != nil {
		s.config.Log.Warn("what a strict app did not take is kept", "app", p.app, "error", err)
	}
	s.Wake() // results that it did not take go to the extension
}

// forfeit takes from a strict app the results that a process of it was told of
// and had not acknowledged when it went, unless another process still has them
// (classic §7). When it is the service that goes, nothing is taken.
func (s *Service) forfeit(p *process) error {
	if len(p.told) == 0 || s.closing.Load() {
		return nil
	}
	var lost []queue.Entry
	err := s.db.Write(context.Background(), func(tx *db.Tx) error {
		app, err := apps.Get(tx, p.app)
		if err != nil || app.Bundle.FinishedFile != bundle.FinishedStrict {
			return err
		}
		for _, id := range p.told {
			e, err := queue.Get(tx, id)
			if asset.CodeOf(err) == asset.CodeDownloadDoesNotExist || e.Delivery == queue.Delivered || s.processes.have(p.app, id) {
				continue
			}
			if err == nil {
				err = queue.Acknowledged(tx, id)
			}
			if err != nil {
				return err
			}
			lost = append(lost, e)
		}
		return nil
	})
	for n := range lost {
		if err == nil {
			err = s.dispatcher.Discard(&lost[n])
		}
	}
	if err == nil && len(lost) > 0 {
		err = s.change(context.Background(), func(*db.Tx) (asset.AppID, error) { return p.app, nil })
	}
	if asset.CodeOf(err) == asset.CodeNotFound {
		return nil // it was uninstalled
	}
	return err
}

// have reports whether a connected process of app was offered a result.
func (x *processes) have(app asset.AppID, id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.all {
		if p.app == app && p.has(id) {
			return true
		}
	}
	return false
}

func (p *process) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offered[id]
}

// tellPurged tells live delegates of the files that were deleted for space.
func (s *Service) tellPurged(ctx context.Context) error {
	for _, app := range s.processes.apps() {
		for _, p := range s.processes.of(app, asset.EventPurged) {
			var files []asset.PurgedFile
			var last int64
			err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
				files, last, err = apps.Purged(tx, app, p.purged, backlog)
				return err
			})
			if err != nil {
				return err
			}
			if len(files) > 0 {
				p.purged = last // the loop alone reads and writes it
				p.push(localapi.SessionLine{Type: asset.EventPurged, Purged: files, Last: last})
			}
		}
	}
	return nil
}

func (s *Service) toldPurged(ctx context.Context, p *process, last int64) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error { return apps.ToldPurged(tx, p.app, last) })
	s.Wake() // there may be more
	return err
}
