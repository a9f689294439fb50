package demo

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// pace is that of a 200 Mbit/s line, in bytes per second for all connections
// together: slow enough to see bars, fast enough to keep the story short.
const pace = 25_000_000

// site is the web server of the demo: a manifest and the items, on loopback.
type site struct {
	url    string
	server *http.Server
}

// startSite serves the items and gives each its URL.
func startSite(items []*item) (*site, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &site{url: "http://" + ln.Addr().String()}
	var m manifest
	for n, it := range items {
		it.URL = s.url + "/assets/" + strconv.Itoa(n)
		m.Assets = append(m.Assets, it.entry)
	}
	text, err := encodeManifest(m)
	if err != nil {
		ln.Close()
		return nil, err
	}
	s.server = &http.Server{Handler: handler(items, text, rate.NewLimiter(pace, 256<<10)), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(ln) }() // ends with Close
	return s, nil
}

func (s *site) Close() { s.server.Close() }

func handler(items []*item, text []byte, line *rate.Limiter) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /"+manifestName, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	})
	mux.HandleFunc("GET /assets/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 0 || n >= len(items) {
			http.NotFound(w, r)
			return
		}
		from := &reader{content: items[n].content}
		defer from.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", strconv.Quote(items[n].SHA256))
		http.ServeContent(w, r, "", time.Time{}, &paced{from, r.Context(), line})
	})
	return mux
}

// paced lets bytes through as fast as the line is.
type paced struct {
	io.ReadSeeker
	ctx  context.Context
	line *rate.Limiter
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.ReadSeeker.Read(b[:min(len(b), 64<<10)])
	if n > 0 {
		if werr := p.line.WaitN(p.ctx, n); werr != nil {
			return 0, werr
		}
	}
	return n, err
}
