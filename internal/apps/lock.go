package apps

import (
	"context"
	"slices"
	"sync"
	"time"

	"larder/asset"
)

// Locks are the exclusive controls of all apps (classic §4.3): one holder per
// app, first come first served. An owner is any comparable value that stands
// for one connection or session; who keeps it must call Free when that ends.
type Locks struct {
	mu   sync.Mutex
	apps map[asset.AppID]*line
}

type line struct {
	holder any
	queue  []*waiter
}

type waiter struct {
	owner any
	turn  chan struct{}
	gone  chan error // why its owner left the line
}

// Acquire waits for the lock until deadline; a zero deadline waits for ever, one
// that is not in the future tries once.
func (l *Locks) Acquire(ctx context.Context, app asset.AppID, owner any, deadline time.Time) error {
	l.mu.Lock()
	if l.apps == nil {
		l.apps = map[asset.AppID]*line{}
	}
	q := l.apps[app]
	if q == nil {
		q = &line{}
		l.apps[app] = q
	}
	switch {
	case q.holder == owner:
		l.mu.Unlock()
		return lockError(app, "this process holds it already", "release it first: exclusive control is not re-entrant")
	case q.holder == nil:
		q.holder = owner
		l.mu.Unlock()
		return nil
	}
	w := &waiter{owner: owner, turn: make(chan struct{}), gone: make(chan error, 1)}
	q.queue = append(q.queue, w)
	l.mu.Unlock()

	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	select {
	case <-w.turn:
		return nil
	case err := <-w.gone:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, other := range q.queue {
		if other == w {
			q.queue = append(q.queue[:n], q.queue[n+1:]...)
			return lockError(app, "another process holds it", "try again later, or wait with a later deadline")
		}
	}
	return nil // its turn came at the last moment
}

// Release gives the lock to the next in line. An owner that waits leaves the line:
// its caller may be gone without our knowing it yet, and would get the lock for nobody.
func (l *Locks) Release(app asset.AppID, owner any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.apps[app]
	waited := q != nil && q.leave(owner, lockError(app, "its caller gave up waiting", "ask again"))
	if q == nil || q.holder != owner {
		if waited {
			return nil
		}
		return lockError(app, "this process does not hold it", "acquire it first")
	}
	l.pass(app, q)
	return nil
}

// leave takes an owner out of the line, and tells its waiters why.
func (q *line) leave(owner any, why error) (waited bool) {
	q.queue = slices.DeleteFunc(q.queue, func(w *waiter) bool {
		if w.owner != owner {
			return false
		}
		waited = true
		w.gone <- why
		return true
	})
	return waited
}

// Free lets go of whatever owner holds of app, since its connection has ended.
func (l *Locks) Free(app asset.AppID, owner any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.apps[app]
	if q == nil {
		return
	}
	q.leave(owner, &asset.Error{Code: asset.CodeConnectionInvalid, Op: "exclusive control of", Subject: string(app),
		Message: "the connection of its caller has ended", Help: "connect again, and ask again"})
	if q.holder == owner {
		l.pass(app, q)
	}
}

func (l *Locks) pass(app asset.AppID, q *line) {
	if len(q.queue) == 0 {
		delete(l.apps, app)
		return
	}
	next := q.queue[0]
	q.queue = q.queue[1:]
	q.holder = next.owner
	close(next.turn)
}

func lockError(app asset.AppID, message, help string) error {
	return &asset.Error{Code: asset.CodeState, Op: "exclusive control of", Subject: string(app), Message: message, Help: help}
}
