package fault

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"larder/internal/faulty"
)

// File is what a path serves. Only Content is needed.
type File struct {
	Content Bytes
	// ETag replaces the content's own; "none" sends no ETag.
	ETag string
	// Modified, if set, is sent as Last-Modified.
	Modified time.Time
	// Script holds faults, as faulty.Parse reads them.
	Script string
	// Rate is bytes per second for each request; 0 means no limit.
	Rate int64
	// IgnoreRange answers every request with the whole.
	IgnoreRange bool
	// Chunked leaves Content-Length out of whole answers.
	Chunked bool
	// Rewrite may change the status and the headers of an answer just before
	// they are sent: to lie.
	Rewrite func(status int, h http.Header) int
}

// Request is one line of the log.
type Request struct {
	Time   time.Time
	Method string
	Path   string // with query
	Header http.Header
	Start  int64 // first byte asked for; 0 without a Range
	Sent   int64 // body bytes handed to the socket; loopback may hold megabytes of them
}

// Server is a running server. Set Put and Handle at any time; they replace what
// the path served before.
type Server struct {
	// URL is the server's base, as in http://127.0.0.1:1234, without a slash.
	URL string

	http     *http.Server
	done     context.Context
	stop     context.CancelFunc
	shared   atomic.Pointer[faulty.Pace]
	mu       sync.Mutex
	handlers map[string]http.Handler
	log      []*entry
}

type entry struct {
	Request
	sent atomic.Int64
}

// Start serves on a free port of 127.0.0.1 until Close. It panics when there is
// none, as a test cannot go on then.
func Start() *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("fault: " + err.Error())
	}
	return Serve(l)
}

// Serve serves on l until Close.
func Serve(l net.Listener) *Server {
	s := &Server{URL: "http://" + l.Addr().String(), handlers: map[string]http.Handler{}}
	s.done, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Hour,
		BaseContext: func(net.Listener) context.Context { return s.done }}
	go func() { _ = s.http.Serve(l) }()
	return s
}

// Close ends every connection at once.
func (s *Server) Close() {
	s.stop()
	_ = s.http.Close()
}

// SetRate limits all bodies together to this many bytes per second, whatever serves
// them, but for connections that a handler took over; 0 means no limit.
func (s *Server) SetRate(bytesPerSecond int64) { s.shared.Store(faulty.NewPace(bytesPerSecond)) }

// Put serves f at path, which begins with a slash and has no query. A wrong
// script panics.
func (s *Server) Put(path string, f File) {
	faults, err := faulty.Parse(f.Script)
	if err != nil {
		panic("fault: " + err.Error())
	}
	s.Handle(path, &fileHandler{file: f, script: faulty.New(faults, 0)})
}

// Handle serves h at path, and below it if it ends with a slash.
func (s *Server) Handle(path string, h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[path] = h
}

// Requests is the log so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Request
	for _, e := range s.log {
		r := e.Request
		r.Sent = e.sent.Load()
		all = append(all, r)
	}
	return all
}

// ResetLog empties the log.
func (s *Server) ResetLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	e := &entry{Request: Request{Time: time.Now(), Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Start: rangeStart(r)}}
	s.mu.Lock()
	s.log = append(s.log, e)
	h := s.handlers[r.URL.Path]
	for below, other := range s.handlers {
		if h == nil && strings.HasSuffix(below, "/") && strings.HasPrefix(r.URL.Path, below) {
			h = other
		}
	}
	s.mu.Unlock()
	if h == nil {
		h = http.NotFoundHandler()
	}
	h.ServeHTTP(&paced{ResponseWriter: w, ctx: r.Context(), pace: &s.shared, sent: &e.sent}, r)
}

// rangeStart is the first number of a Range header.
func rangeStart(r *http.Request) int64 {
	span, _ := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	first, _, _ := strings.Cut(span, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// paced sends bodies at the pace that the server has now, and counts the bytes that
// were handed to the socket.
type paced struct {
	http.ResponseWriter
	ctx  context.Context
	pace *atomic.Pointer[faulty.Pace]
	sent *atomic.Int64
}

func (p *paced) Write(b []byte) (done int, err error) {
	for {
		part := b[done:]
		pace := p.pace.Load()
		if pace != nil {
			part = part[:min(len(part), pace.Piece())]
			if err := pace.Wait(p.ctx, len(part)); err != nil {
				return done, err
			}
		}
		n, err := p.ResponseWriter.Write(part)
		p.sent.Add(int64(n))
		if done += n; err == nil && pace != nil {
			err = http.NewResponseController(p.ResponseWriter).Flush()
		}
		if err != nil || done == len(b) {
			return done, err
		}
	}
}

// Unwrap is for http.ResponseController, which flushes, hijacks and sets deadlines.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }
