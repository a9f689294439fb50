package service

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"larder/asset"
)

// counting is the network of a history. It counts, for each life of an app, the
// bytes of manifest and files that came out of it.
type counting struct {
	http.RoundTripper

	mu   sync.Mutex
	came map[life]*atomic.Int64
}

// life is an app from an installation to its removal.
type life struct {
	app     asset.AppID
	install int
}

func (c *counting) of(l life) *atomic.Int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.came == nil {
		c.came = map[life]*atomic.Int64{}
	}
	if c.came[l] == nil {
		c.came[l] = new(atomic.Int64)
	}
	return c.came[l]
}

// through is the network as seen by an app of h; what its request brings counts
// for the life in which it was made.
func (c *counting) through(h *history) http.RoundTripper {
	return tripper(func(r *http.Request) (*http.Response, error) {
		res, err := c.RoundTripper.RoundTrip(r)
		if err == nil && (res.StatusCode == http.StatusOK || res.StatusCode == http.StatusPartialContent) {
			a := h.asks(r.URL.Path)
			h.mu.Lock()
			l := life{a.id, a.installs}
			h.mu.Unlock()
			res.Body = &countedBody{res.Body, c.of(l)}
		}
		return res, err
	})
}

// asks is the app that asks for a path: its manifest, or a file that begins with
// its number.
func (h *history) asks(path string) *actor {
	for n, a := range h.apps {
		if path == "/"+string(a.id) || strings.HasPrefix(path, "/"+string(rune('0'+n))) {
			return a
		}
	}
	panic("no app asks for " + path)
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type countedBody struct {
	io.ReadCloser
	came *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.came.Add(int64(n))
	return n, err
}
