package localapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"larder/asset"
)

const (
	// maxConns bounds the connections of one socket, so that one app cannot use
	// up the service's file descriptors. Further ones are closed at once.
	maxConns = 64
	// grace is how long a closing endpoint lets plain calls finish: half of the
	// two seconds a service has to end in.
	grace = time.Second
)

// Server serves one Service on the owner's socket and on one socket per app.
type Server struct {
	svc  Service
	hub  *Hub
	self asset.ServiceStatus

	mu     sync.Mutex
	closed bool
	open   map[*endpoint]struct{}
}

// endpoint is one listening socket and whom it stands for.
type endpoint struct {
	*Server
	app     asset.AppID // "" is the owner
	http    *http.Server
	streams context.Context // ends all streams of this endpoint
	stop    context.CancelFunc
}

// NewServer returns a server that listens nowhere yet. self is what hello tells.
func NewServer(svc Service, hub *Hub, self asset.ServiceStatus) *Server {
	return &Server{svc: svc, hub: hub, self: self, open: map[*endpoint]struct{}{}}
}

// ServeOwner serves the person's own tools on ln until Close and then returns
// nil; any other end is an error. It closes ln.
func (s *Server) ServeOwner(ln net.Listener) error { return s.serve(ln, "") }

// ServeApp serves one app on ln until Close or CloseApp, as ServeOwner does.
func (s *Server) ServeApp(ln net.Listener, app asset.AppID) error { return s.serve(ln, app) }

func (s *Server) serve(ln net.Listener, app asset.AppID) error {
	e := &endpoint{Server: s, app: app}
	e.streams, e.stop = context.WithCancel(context.Background())
	var conns atomic.Int64
	e.http = &http.Server{
		Handler:           e.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnState: func(conn net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				if conns.Add(1) > maxConns {
					conn.Close()
				}
			case http.StateClosed:
				conns.Add(-1)
			}
		},
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		e.stop()
		return ln.Close()
	}
	s.open[e] = struct{}{}
	s.mu.Unlock()

	err := e.http.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	e.close()
	return err
}

// CloseApp ends the sockets of one app and all its connections, after it was
// uninstalled.
func (s *Server) CloseApp(app asset.AppID) {
	s.end(func(e *endpoint) bool { return e.app == app })
}

// Close ends the server: streams at once, other calls after at most a second. It
// returns when every connection is closed.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end(func(*endpoint) bool { return true })
}

func (s *Server) end(which func(*endpoint) bool) {
	var group sync.WaitGroup
	s.mu.Lock()
	for e := range s.open {
		if which(e) {
			group.Go(e.close)
		}
	}
	s.mu.Unlock()
	group.Wait()
}

// close may run twice.
func (e *endpoint) close() {
	e.stop()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if e.http.Shutdown(ctx) != nil {
		e.http.Close()
	}
	e.mu.Lock()
	delete(e.open, e)
	e.mu.Unlock()
}
