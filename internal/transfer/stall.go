package transfer

import (
	"io"
	"sync"
	"time"
)

// stall calls expire once when it has run for a whole period without a touch.
// It stands still while the disk, not the network, is the one to wait for.
type stall struct {
	period time.Duration
	mu     sync.Mutex
	timer  *time.Timer
	runs   bool
}

func newStall(period time.Duration, expire func()) *stall {
	s := &stall{period: period, timer: time.AfterFunc(period, expire)}
	s.timer.Stop()
	return s
}

func (s *stall) start() { s.set(true) }
func (s *stall) stop()  { s.set(false) }

func (s *stall) set(runs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = runs
	if runs {
		s.timer.Reset(s.period)
	} else {
		s.timer.Stop()
	}
}

// touch starts the period anew if the timer runs.
func (s *stall) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs {
		s.timer.Reset(s.period)
	}
}

// upload is a request body whose bytes count as progress when they are taken.
type upload struct {
	io.Reader
	stall *stall
}

func (u upload) Read(p []byte) (int, error) {
	u.stall.touch()
	return u.Reader.Read(p)
}

func (u upload) Close() error { return nil }
