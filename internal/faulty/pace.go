package faulty

import (
	"context"
	"sync"
	"time"
)

// Pace spreads bytes evenly over time for all who share it.
type Pace struct {
	rate int64 // bytes per second
	mu   sync.Mutex
	next time.Time // when the bytes granted so far are used up
}

// NewPace is nil, for no limit, without a rate.
func NewPace(bytesPerSecond int64) *Pace {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &Pace{rate: bytesPerSecond, next: time.Now()}
}

// Piece is how many bytes to send at a time: a fiftieth of a second's worth, so
// that slow bodies trickle.
func (p *Pace) Piece() int { return int(max(p.rate/50, 1)) }

// Wait returns when n bytes may have been sent. Up to a fiftieth of a second is
// made good, since sleeps last too long.
func (p *Pace) Wait(ctx context.Context, n int) error {
	p.mu.Lock()
	if floor := time.Now().Add(-time.Second / 50); p.next.Before(floor) {
		p.next = floor
	}
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	delay := time.Until(p.next)
	p.mu.Unlock()
	if delay <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
