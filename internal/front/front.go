// Package front answers the plainest of HTTP requests itself, at a fraction of what net/http
// takes for them, and hands every other connection to net/http.
//
// It promises that a client sees no difference: it takes a GET or HEAD of a path it was told
// is quick, in the one form that all sane clients use, and the same handler answers as behind
// net/http. Whatever it does not know for certain (another method, a body, an escape in the
// path, a header that means something about the connection) goes to net/http from the first byte
// of that request on, with the connection, for good. It knows no TLS.
//
// A host serves devices with it.
package front

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves TCP connections. All fields are required.
type Server struct {
	// Quick tells which paths may be answered here. Handler must then read no body, and nothing
	// of the request but method, host, path, query, remote address and the headers of conditions and ranges.
	Quick   func(path string) bool
	Handler http.Handler
	// Rest is net/http's server for everything else; its Handler must be the same, and its
	// ReadHeaderTimeout and IdleTimeout hold here too.
	Rest *http.Server

	mu     sync.Mutex
	conns  map[*conn]struct{}
	open   sync.WaitGroup
	ending atomic.Bool
	rest   *handed
}

// Serve accepts connections until the listener is closed, as http.Server.Serve does.
func (s *Server) Serve(l net.Listener) error {
	if !s.listens(l) {
		_ = l.Close()
		return http.ErrServerClosed
	}
	done := make(chan error, 1)
	go func() { done <- s.Rest.Serve(s.rest) }()
	err := s.accept(l)
	_ = s.rest.Close()
	<-done
	if s.ending.Load() {
		return http.ErrServerClosed
	}
	return err
}

// listens takes up the work, unless it was ended before it began.
func (s *Server) listens(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending.Load() {
		return false
	}
	s.conns, s.rest = map[*conn]struct{}{}, &handed{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{})}
	return true
}

func (s *Server) accept(l net.Listener) error {
	pause := time.Duration(0)
	for {
		c, err := l.Accept()
		if err != nil {
			if t, ok := err.(interface{ Temporary() bool }); ok && t.Temporary() && !s.ending.Load() { // too many open files, say
				pause = min(max(2*pause, 5*time.Millisecond), time.Second)
				time.Sleep(pause)
				continue
			}
			return err
		}
		pause = 0
		t, ok := c.(*net.TCPConn)
		if !ok {
			s.rest.take(c)
			continue
		}
		s.begin(&conn{server: s, tcp: t})
	}
}

func (s *Server) begin(k *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending.Load() {
		_ = k.tcp.Close()
		return
	}
	s.conns[k] = struct{}{}
	s.open.Go(k.serve)
}

// Shutdown lets requests under way end, and closes what is idle, as http.Server.Shutdown does.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end(func(k *conn) bool { return !k.busy.Load() })
	err := s.Rest.Shutdown(ctx)
	ended := make(chan struct{})
	go func() { s.open.Wait(); close(ended) }()
	select {
	case <-ended:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Close ends all connections at once.
func (s *Server) Close() error {
	s.end(func(*conn) bool { return true })
	err := s.Rest.Close()
	s.open.Wait()
	return err
}

// end accepts no more, and closes those connections that are to be closed.
func (s *Server) end(closes func(*conn) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending.Store(true)
	if s.rest != nil {
		_ = s.rest.Close()
	}
	for k := range s.conns {
		if closes(k) {
			_ = k.tcp.Close()
		}
	}
}

func (s *Server) forget(k *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, k)
}

// handed is the listener from which net/http gets its connections.
type handed struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (h *handed) take(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close()
	}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	var err error
	h.once.Do(func() {
		close(h.closed)
		err = h.Listener.Close()
	})
	return err
}

// begun is a connection of which something was read already.
type begun struct {
	*net.TCPConn
	read []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.read) > 0 {
		n := copy(p, b.read)
		if b.read = b.read[n:]; len(b.read) == 0 {
			b.read = nil
		}
		return n, nil
	}
	return b.TCPConn.Read(p)
}
