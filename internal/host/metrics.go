package host

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"larder/internal/fsx"
	"larder/internal/host/catalog"
)

// counts are what a host did since its start. No label tells of a person, a device or an address.
type counts struct {
	requests [2][6]atomic.Int64 // by side, and hundreds of the status
	sent     [2]atomic.Int64    // bytes of bodies
}

// The sides of a host.
const (
	publishers = iota
	devices
)

var sides = [2]string{"publishers", "devices"}

// watched counts what a handler answers. And, which may be nil, is told of each answer.
func (c *counts) watched(side int, h http.Handler, and func(r *http.Request, status int, sent int64)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &sender{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(s, r)
		c.requests[side][min(max(s.status/100, 0), 5)].Add(1)
		c.sent[side].Add(s.sent)
		if and != nil {
			and(r, s.status, s.sent)
		}
	})
}

type sender struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (s *sender) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *sender) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b)
	s.sent += int64(n)
	return n, err
}

// ReadFrom lets the system send a file without copying it through this process.
func (s *sender) ReadFrom(r io.Reader) (n int64, err error) {
	if to, ok := s.ResponseWriter.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(r)
	} else {
		n, err = io.Copy(struct{ io.Writer }{s.ResponseWriter}, r)
	}
	s.sent += n
	return n, err
}

// Unwrap lets deadlines reach the connection.
func (s *sender) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Metrics serves what the host counts, in the text form of Prometheus. It is for those who run the
// host: it tells how many versions there are, and needs no key.
func (h *Host) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		text, err := h.metrics(r.Context())
		if err != nil {
			http.Error(w, "the catalog cannot be read", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		fmt.Fprint(w, text)
	})
	mux.HandleFunc("GET /healthz", h.healthy)
	mux.HandleFunc("GET /readyz", h.ready)
	return mux
}

func (h *Host) metrics(ctx context.Context) (string, error) {
	var b strings.Builder
	family := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	family("larder_host_requests_total", "counter", "Requests that were answered.")
	for side := range sides {
		for code := 1; code <= 5; code++ {
			fmt.Fprintf(&b, "larder_host_requests_total{side=%q,code=\"%dxx\"} %d\n", sides[side], code, h.counts.requests[side][code].Load())
		}
	}
	family("larder_host_sent_bytes_total", "counter", "Bytes of bodies that were sent.")
	for side := range sides {
		fmt.Fprintf(&b, "larder_host_sent_bytes_total{side=%q} %d\n", sides[side], h.counts.sent[side].Load())
	}
	var states map[string]int64
	var jobs int
	var failing []string
	if err := h.catalog.Read(ctx, func(tx catalog.Tx) (err error) {
		if states, err = tx.Count(); err == nil {
			jobs, err = tx.Jobs()
		}
		if err == nil {
			failing, err = tx.Failing()
		}
		return err
	}); err != nil {
		return "", err
	}
	family("larder_host_versions", "gauge", "Versions of asset packs.")
	for _, state := range []string{catalog.AwaitingUpload, catalog.Processing, catalog.Complete, catalog.Failed} {
		fmt.Fprintf(&b, "larder_host_versions{state=%q} %d\n", state, states[state])
	}
	family("larder_host_jobs", "gauge", "Jobs that are to be done, now or later.")
	fmt.Fprintf(&b, "larder_host_jobs %d\n", jobs)
	family("larder_host_jobs_failing", "gauge", "Jobs that fail again and again.")
	fmt.Fprintf(&b, "larder_host_jobs_failing %d\n", len(failing))
	if free, err := fsx.Free(h.Dir); err == nil {
		family("larder_host_disk_free_bytes", "gauge", "Free bytes of the disk.")
		fmt.Fprintf(&b, "larder_host_disk_free_bytes %d\n", free)
	}
	return b.String(), nil
}

// healthy answers as long as the process does.
func (h *Host) healthy(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// ready answers whether requests can be served: the catalog is read, and the disk has room.
func (h *Host) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	var faults []string
	if err := h.catalog.Read(ctx, func(tx catalog.Tx) error { _, err := tx.Jobs(); return err }); err != nil {
		faults = append(faults, "the catalog cannot be read")
	}
	if free, err := fsx.Free(h.Dir); err != nil || free < scarce/16 {
		faults = append(faults, "the disk is full")
	}
	if len(faults) > 0 {
		http.Error(w, strings.Join(slices.Compact(faults), "; "), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
