package fence

import (
	"sync"
)

// Ending says how a program ended.
type Ending struct {
	Exit   int    // its exit status, -1 when it was killed
	Signal int    // the number of the signal that killed it, 0 if none did
	Why    string // why the fence ended it, empty if it did not
}

// A Process is a program behind its fence.
type Process struct {
	level Level
	kill  func() // ends all of it, and returns at once; may be called until done
	done  chan struct{}

	mu    sync.Mutex
	over  bool
	why   string
	ended Ending
}

// Start runs the program. The caller calls Kill or waits for Done. An error says why
// the program does not run.
func Start(spec Spec) (*Process, error) { return start(spec.withDefaults()) }

// Level is how far this fence goes.
func (p *Process) Level() Level { return p.level }

// Done is closed when the program has ended, and with it all that it started, as far
// as the level holds that.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ending waits for Done and says how it ended.
func (p *Process) Ending() Ending {
	<-p.done
	return p.ended
}

// Kill ends the program and all that it started. It does not wait.
func (p *Process) Kill() { p.stop("") }

// stop kills for a reason of the fence's own; the first reason counts.
func (p *Process) stop(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if p.why == "" {
		p.why = why
	}
	p.kill()
}

// finish keeps how it ended. reap frees the process's number, under the lock, so that no
// kill can meet another's.
func (p *Process) finish(reap func() Ending) {
	p.mu.Lock()
	p.ended, p.over = reap(), true
	p.ended.Why = p.why
	p.mu.Unlock()
	close(p.done)
}
