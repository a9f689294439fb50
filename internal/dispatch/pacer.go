package dispatch

import (
	"context"
	"sync"

	"golang.org/x/time/rate"

	"larder/asset"
)

// pacer holds all downloads of one class together to a cap of bytes per second,
// and shares it among apps: each turn goes to the app that was given least, so
// that an app's part does not grow with its connections. The zero value has no
// cap. It is paid after the bytes have come, which holds back the next ones.
type pacer struct {
	mu     sync.Mutex
	perSec int64
	limit  *rate.Limiter // nil: no cap
	window int           // most bytes of one turn
	taken  bool          // somebody has the turn
	line   []*turn       // who waits for it, in order of arrival
	given  map[asset.AppID]int64
	level  int64 // what the app of the last turn had been given
}

type turn struct {
	app   asset.AppID
	bytes int64
	ready chan struct{}
}

const (
	minWindow = 1 << 10
	maxWindow = 128 << 10
)

// set changes the cap, 0 to none, also for those that wait.
func (p *pacer) set(perSec int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.perSec == perSec {
		return
	}
	p.perSec, p.limit = perSec, nil
	if perSec <= 0 {
		for _, t := range p.line {
			close(t.ready)
		}
		p.line = nil
		return
	}
	// Short turns keep a slow line smooth; a fast one needs some slack, as no
	// timer is exact.
	p.window = int(min(max(perSec/16, minWindow), maxWindow))
	p.limit = rate.NewLimiter(rate.Limit(perSec), max(p.window, int(min(perSec/20, 8<<20))))
}

// pace is transfer.Job.Pace for one app.
func (p *pacer) pace(ctx context.Context, app asset.AppID, n int) (int, error) {
	for {
		p.mu.Lock()
		window := p.window
		if p.limit == nil {
			p.mu.Unlock()
			return 0, ctx.Err()
		}
		if n == 0 {
			p.mu.Unlock()
			return window, nil
		}
		part := min(n, window)
		t := p.enter(app, int64(part))
		p.mu.Unlock()
		if err := p.wait(ctx, t); err != nil {
			return 0, err
		}
		n -= part
	}
}

func (p *pacer) wait(ctx context.Context, t *turn) error {
	select {
	case <-t.ready:
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		for n, other := range p.line {
			if other == t {
				p.line = append(p.line[:n], p.line[n+1:]...)
				return ctx.Err()
			}
		}
		p.pass() // its turn came at the last moment
		return ctx.Err()
	}
	var err error
	for left := int(t.bytes); left > 0 && err == nil; {
		p.mu.Lock()
		limit := p.limit
		p.mu.Unlock()
		if limit == nil {
			break
		}
		part := min(left, limit.Burst())
		err = limit.WaitN(ctx, part)
		left -= part
	}
	p.mu.Lock()
	p.pass()
	p.mu.Unlock()
	return err
}

// enter queues for a turn; the caller holds mu.
func (p *pacer) enter(app asset.AppID, bytes int64) *turn {
	if p.given == nil {
		p.given = map[asset.AppID]int64{}
	}
	// An app that had nothing to fetch cannot claim the time it was away.
	p.given[app] = max(p.given[app], p.level-4*maxWindow)
	t := &turn{app: app, bytes: bytes, ready: make(chan struct{})}
	p.line = append(p.line, t)
	if !p.taken {
		p.pass()
	}
	return t
}

// pass gives the turn on; the caller holds mu.
func (p *pacer) pass() {
	p.taken = len(p.line) > 0
	if !p.taken {
		return
	}
	best := 0
	for n, t := range p.line {
		if p.given[t.app] < p.given[p.line[best].app] {
			best = n
		}
	}
	t := p.line[best]
	p.line = append(p.line[:best], p.line[best+1:]...)
	p.level = p.given[t.app]
	p.given[t.app] += t.bytes
	close(t.ready)
}
