package localapi

import (
	"context"
	"slices"
	"sync"

	"larder/asset"
)

// queueSize bounds what one slow reader holds: some seconds of a busy service,
// and a few dozen kilobytes.
const queueSize = 256

// Hub hands every published event to the readers of the event streams. The zero
// value works. It has no goroutine of its own and never waits for a reader.
type Hub struct {
	mu   sync.Mutex
	all  uint64                 // events published
	apps map[asset.AppID]uint64 // events published of one app
	subs map[*Subscription]struct{}
}

// Publish numbers ev and queues it for every reader it concerns. What ev points
// to must not change afterwards. Call it after the state it tells of can be read
// through Viewer.Status: only then do snapshots lose nothing.
//
// A reader of all apps sees the count of all events as Seq, a reader of one app
// the count of that app's events, so that an app cannot count what others do.
func (h *Hub) Publish(ev asset.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all++
	if ev.App != "" {
		if h.apps == nil {
			h.apps = map[asset.AppID]uint64{}
		}
		h.apps[ev.App]++
	}
	for s := range h.subs {
		if s.app == "" || s.app == ev.App {
			ev.Seq = h.seq(s.app)
			s.add(ev)
		}
	}
}

func (h *Hub) seq(app asset.AppID) uint64 {
	if app == "" {
		return h.all
	}
	return h.apps[app]
}

// Subscribe begins a reader of one app's events, or of all with "".
func (h *Hub) Subscribe(app asset.AppID) *Subscription {
	s := &Subscription{hub: h, app: app, phase: starting, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = map[*Subscription]struct{}{}
	}
	h.subs[s] = struct{}{}
	return s
}

type phase string

const (
	starting phase = "starting" // a snapshot is next; it will hold what is published until then
	live     phase = "live"
	behind   phase = "behind" // events were dropped: a resync is next, then a snapshot
)

// Subscription is one reader of a Hub.
type Subscription struct {
	hub  *Hub
	app  asset.AppID
	wake chan struct{}

	// guarded by hub.mu
	phase phase
	queue []asset.Event
}

// Close ends the subscription; Next must not be called afterwards.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
	s.queue = nil
}

// Next waits for the next event, or for the end of ctx and returns its error.
// The first event is a snapshot; after a reader was too slow come a resync and a
// snapshot. A snapshot has no Status yet: the caller reads the state after Next
// returned and puts it in. It then includes every event up to its Seq and may
// include some of those that follow.
func (s *Subscription) Next(ctx context.Context) (asset.Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return asset.Event{}, err
		}
		if ev, ok := s.take(); ok {
			return ev, nil
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

func (s *Subscription) take() (asset.Event, bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	switch s.phase {
	case starting:
		s.phase = live
		return asset.Event{Seq: s.hub.seq(s.app), Type: asset.EventSnapshot}, true
	case behind:
		s.phase = starting
		return asset.Event{Seq: s.hub.seq(s.app), Type: asset.EventResync}, true
	}
	if len(s.queue) == 0 {
		return asset.Event{}, false
	}
	ev := s.queue[0]
	s.queue = slices.Delete(s.queue, 0, 1)
	return ev, true
}

// add queues ev; the caller holds hub.mu.
func (s *Subscription) add(ev asset.Event) {
	if s.phase != live {
		return
	}
	if ev.Type == asset.EventProgress && ev.Download != nil {
		s.queue = slices.DeleteFunc(s.queue, func(old asset.Event) bool {
			return old.Type == asset.EventProgress && old.App == ev.App &&
				old.Download != nil && old.Download.UniqueIdentifier == ev.Download.UniqueIdentifier
		})
	}
	if len(s.queue) == queueSize {
		s.queue, s.phase = nil, behind
	} else {
		s.queue = append(s.queue, ev)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
