package service

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
	"larder/internal/site"
)

// mirrors are two hosts of one site. The first does as it is told.
func (m *maker) mirrors() (first *atomic.Pointer[http.HandlerFunc], honest http.Handler) {
	honest = m.honest()
	first = &atomic.Pointer[http.HandlerFunc]{}
	good := httptest.NewServer(honest)
	bad := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if how := first.Load(); how != nil {
			(*how)(rw, r)
			return
		}
		honest.ServeHTTP(rw, r)
	}))
	m.Cleanup(func() { bad.Close(); good.Close() })
	m.hosts = []string{bad.URL, good.URL}
	return first, honest
}

// part does so with some of what is asked for.
func part(s string, how http.HandlerFunc) func(http.Handler) http.HandlerFunc {
	return func(honest http.Handler) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, s) {
				how(rw, r)
				return
			}
			honest.ServeHTTP(rw, r)
		}
	}
}

// Whatever the first host does, the device has the update from the second, and has proved it as ever.
func TestTheNextMirrorIsAskedWhenOneIsNoGood(t *testing.T) {
	t.Parallel()
	all := func(how http.HandlerFunc) func(http.Handler) http.HandlerFunc { return part("", how) }
	status := func(code int) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "no", code) }
	}
	junk := func(rw http.ResponseWriter, _ *http.Request) { wrote(rw, []byte(strings.Repeat("junk", 1000))) }
	gone := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, how := range map[string]func(http.Handler) http.HandlerFunc{
		"has nothing":                   all(status(http.StatusNotFound)),
		"is broken":                     all(status(http.StatusInternalServerError)),
		"hangs up":                      all(gone),
		"sends junk":                    all(junk),
		"has no packs":                  part("/blobs/", status(http.StatusNotFound)),
		"sends wrong bytes of packs":    part("/blobs/", junk),
		"has a timestamp of junk":       part("timestamp", junk),
		"never answers":                 all(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		"stops within a pack":           part("/blobs/", begins),
		"crawls":                        crawls,
		"crawls through a pack":         func(honest http.Handler) http.HandlerFunc { return part("/blobs/", crawls(honest))(honest) },
		"has lost what the stamp names": part(".snapshot.json", status(http.StatusNotFound)),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.Stall = time.Second
			w.start()
			m := w.maker()
			first, honest := m.mirrors()
			m.release("one")
			bad := how(honest)
			first.Store(&bad)
			if p := m.install(); p.Gate.Reason.Code != asset.WhyReady || p.Failed > 0 {
				t.Fatalf("ended as %s", pretty(p))
			}
			m.word("one")
			m.release("two")
			if err := m.checked(); err != nil {
				t.Fatal(err)
			}
			m.until2("two")
		})
	}
}

// begins answers with a few bytes of many, and nothing follows.
func begins(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Length", "100000")
	_, _ = rw.Write([]byte("few")) // the device's side is judged
	_ = http.NewResponseController(rw).Flush()
	<-r.Context().Done()
}

func TestAMirrorThatLagsBehindIsPassedOver(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.maker()
	first, _ := m.mirrors()
	m.release("one")
	m.install()
	old := copyOf(t, m.to.Dir)
	m.release("two")
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2("two")
	stale := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if b, ok := old[strings.TrimPrefix(r.URL.Path, site.Prefix)]; ok {
			wrote(rw, b)
			return
		}
		http.NotFound(rw, r)
	})
	first.Store(&stale)
	m.release("three")
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2("three")

	// When no mirror is any good, the fault is told and the old view stays.
	m.hosts = nil
	if err := os.RemoveAll(m.to.Dir + "/apps"); err != nil {
		t.Fatal(err)
	}
	if err := m.checked(); asset.CodeOf(err) != asset.CodeSignature {
		t.Errorf("no host is any good: %v", err)
	}
	m.word("three")
}

// crawls delivers all that is honest, and never comes to an end with it.
func crawls(honest http.Handler) http.HandlerFunc {
	return crawlsEach(200 * time.Millisecond)(honest)
}

// crawlsEach delivers four bytes in each such time.
func crawlsEach(d time.Duration) func(http.Handler) http.HandlerFunc {
	return func(honest http.Handler) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			whole := httptest.NewRecorder()
			honest.ServeHTTP(whole, r)
			maps.Copy(rw.Header(), whole.Header())
			rw.WriteHeader(whole.Code)
			tick := time.NewTicker(d)
			defer tick.Stop()
			for piece := range slices.Chunk(whole.Body.Bytes(), 4) {
				_, _ = rw.Write(piece) // the device's side is judged
				_ = http.NewResponseController(rw).Flush()
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
			}
		}
	}
}

// With one host there is no other to go to: what crawls is given up, and told as what was not proved.
func TestAHostThatCrawlsIsGivenUpWhenItIsTheOnlyOne(t *testing.T) {
	w := newWorld(t)
	w.config.Stall = 500 * time.Millisecond
	w.start()
	m := w.maker()
	first, honest := m.mirrors()
	m.hosts = m.hosts[:1]
	m.release("one")
	m.install()
	m.word("one")
	m.release("two")
	for _, document := range []string{"timestamp.json", ".snapshot.json", "manifest.json"} {
		bad := part(document, crawls(honest))(honest)
		first.Store(&bad)
		m.refused("a "+document+" that never comes to an end", asset.CodeSignature, "one")
	}
	first.Store(nil)
	m.follows("at the pace of before", "two")
}

// Nothing is here yet that the app could go on with, and a person waits at its gate: it opens, and says what is wrong.
func TestAnInstallationFromASiteThatCrawlsEndsAsNotProved(t *testing.T) {
	m := newWorld(t).maker()
	m.release("one") // outside the bubbles: coders of packs are shared by the whole process
	honest := m.honest()
	for where, named := range map[string]bool{"the app's only host": true, "a manifest's own server": false} {
		for _, document := range []string{"timestamp.json", ".snapshot.json", "manifest.json"} {
			t.Run(where+" crawls through "+document, func(t *testing.T) {
				bubbleWith(t, unsafe, func(p *planned) {
					p.server.Handle(site.Prefix, part(document, crawlsEach(10*time.Second)(honest))(honest))
					m.hosts, m.also = []string{p.server.URL}, nil
					if !named {
						m.hosts, m.also = nil, map[string]any{"BAManifestURL": p.server.URL + site.Prefix + site.ManifestPath(game, "production")}
					}
					begun := time.Now()
					if _, err := p.s.Install(p.Context(), localapi.InstallRequest{Bundle: m.bundled()}); err != nil {
						p.Fatal(err)
					}
					_, err := p.s.CheckForUpdates(p.Context(), game) // takes part in the round that runs
					if e := asset.AsError(err); e == nil || e.Code != asset.CodeSignature || !strings.Contains(e.Message, "too slowly") || e.Help == "" {
						p.Errorf("who waits is told: %v", err)
					}
					st := p.status(game)
					if r := st.Gate.Reason; !st.Gate.Open || r.Code != asset.WhyManifest || !strings.Contains(r.Message, "too slowly") || r.Unblock == "" {
						p.Errorf("at the gate: %s", pretty(st.Gate))
					}
					if took := time.Since(begun); took < time.Minute || took > 5*time.Minute {
						p.Errorf("it took %v", took)
					}
					if len(st.Packs) > 0 || st.Signature != nil {
						p.Errorf("something was taken: %s", pretty(st))
					}
				})
			})
		}
	}
}
