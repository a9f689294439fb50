package transfer

import (
	"errors"
	"io"
	"sync"
	"time"
)

// Floor is the least speed that a server may have, over all that it sends for the jobs that share
// it. Only the time that Larder waited for the server counts, so that neither a slow disk nor a
// bound on bandwidth makes a server slow. A server below it fails with ErrSlow in the chain.
type Floor struct {
	Least int64 // bytes a second

	mu     sync.Mutex
	waited time.Duration
	got    int64
}

// ErrSlow is in the chain of a Failure when the server was slower than the job's Floor.
var ErrSlow = errors.New("it sends too slowly")

// graceStalls is how many times Stall a server has before its speed is looked at: a connection
// begins slowly, and a network may have a bad minute.
const graceStalls = 4

// brought counts bytes and the time that they took, and reports whether it is too little.
func (f *Floor) brought(n int, took, grace time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got += int64(n)
	f.waited += took
	return f.waited > grace && float64(f.got) < (f.waited-grace).Seconds()*float64(f.Least)
}

// timed makes one read of a body, and ends it when the server is slower than the job allows. Each
// read ends before the stall does, so no timer is needed.
func (a *attempt) timed(body io.Reader, p []byte) (int, error) {
	if a.job.Floor == nil {
		return body.Read(p)
	}
	from := time.Now()
	n, err := body.Read(p)
	if a.job.Floor.brought(n, time.Since(from), graceStalls*a.Stall) && err == nil {
		err = ErrSlow
	}
	return n, err
}
