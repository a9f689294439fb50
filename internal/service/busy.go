package service

import (
	"context"
	"sync"

	"larder/asset"
)

// together is how many extensions may run at once: each may send 16 MiB in one
// line, and the service is to stay small.
const together = 2

// busy holds the apps whose extension runs: one session per app at a time.
type busy struct {
	mu      sync.Mutex
	running map[asset.AppID]*session
	stopped bool
	freed   chan struct{} // closed when a session ends; nil while nobody waits for that
}

type session struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// begin gives a context for a session of app; false when it has to wait until
// another has ended.
func (b *busy) begin(app asset.AppID) (context.Context, func(), bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped || b.running[app] != nil || len(b.running) >= together {
		return nil, nil, false
	}
	if b.running == nil {
		b.running = map[asset.AppID]*session{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &session{cancel: cancel, done: make(chan struct{})}
	b.running[app] = x
	return ctx, func() {
		cancel()
		b.mu.Lock()
		delete(b.running, app)
		if b.freed != nil {
			close(b.freed)
			b.freed = nil
		}
		b.mu.Unlock()
		close(x.done)
	}, true
}

// wait is begin that waits until its turn has come, or ctx ends.
func (b *busy) wait(ctx context.Context, app asset.AppID) (context.Context, func(), error) {
	for {
		b.mu.Lock()
		if b.freed == nil {
			b.freed = make(chan struct{})
		}
		freed := b.freed
		b.mu.Unlock()
		if session, end, ok := b.begin(app); ok {
			return session, end, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (b *busy) runs(app asset.AppID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running[app] != nil
}

func (b *busy) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.running) > 0
}

// end stops the session of app and waits for it.
func (b *busy) end(app asset.AppID) {
	b.mu.Lock()
	x := b.running[app]
	b.mu.Unlock()
	if x != nil {
		x.cancel()
		<-x.done
	}
}

// stop ends all sessions; none begins afterwards.
func (b *busy) stop() {
	b.mu.Lock()
	b.stopped = true
	var all []*session
	for _, x := range b.running {
		x.cancel()
		all = append(all, x)
	}
	b.mu.Unlock()
	for _, x := range all {
		<-x.done
	}
}
