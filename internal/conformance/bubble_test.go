package conformance

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/fault"
	"larder/internal/localapi"
	"larder/internal/localapi/localapitest"
	"larder/internal/transfer"
)

// bubble runs f with a whole service in simulated time: a real database, real
// HTTP and the real local API, over pipes instead of sockets. No row waits for an
// extension here, as a process knows no simulated time.
func bubble(t *testing.T, f func(t *testing.T, a *app)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, err := prepare(dir)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		sockets := map[string]*localapitest.Listener{}
		w.config.Listen = func(path string) (net.Listener, error) {
			mu.Lock()
			defer mu.Unlock()
			sockets[path] = localapitest.New()
			return sockets[path], nil
		}
		w.dial = func(path string) localapi.Dialer {
			return func(ctx context.Context) (net.Conn, error) {
				mu.Lock()
				l := sockets[path]
				mu.Unlock()
				return l.Dial(ctx)
			}
		}
		w.owner = localapi.NewClientOver(w.dial(w.dirs.OwnerSocket()))
		pipe := fault.NewPipe()
		server := fault.Serve(pipe)
		server.URL = "http://127.0.0.1"
		transport := transfer.NewTransport(pipe.Dial)
		w.config.Transport, w.config.DB = transport, db.Options{Unsafe: true}
		if err := w.start(); err != nil {
			t.Fatal(err)
		}
		defer func() { // also after t.Fatal: nothing may outlive the bubble
			if err := w.stop(); err != nil {
				t.Error(err)
			}
			server.Close()
			transport.CloseIdleConnections()
		}()
		f(t, &app{T: t, w: w, server: server, id: "org.example.sleeper", dir: filepath.Join(dir, "bundle"), keys: map[string]any{}, build: 1, bare: true})
	})
}

// pass lets simulated time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// installManifest installs an app whose manifest comes from h.
func (a *app) installManifest(h http.HandlerFunc) {
	a.Helper()
	a.server.Handle("/manifest", h)
	a.bare = false
	if _, err := a.w.owner.Install(a.Context(), localapi.InstallRequest{Bundle: a.bundle()}); err != nil {
		a.Fatal(err)
	}
}

// socket is the app's own.
func (a *app) socket() *localapi.Client {
	return localapi.NewClientOver(a.w.dial(a.w.dirs.AppSocket(a.id)))
}

func busy(retryAfter string, asked *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func TestDesign_12_ThirtyMinutesWithoutAByteOpenTheGate(t *testing.T) {
	row(t, "design §12", "Overall time limit on the block of the launch: UNCONFIRMED", "30 minutes without progress open the gate, with that reason; what waits goes on")
	bubble(t, func(t *testing.T, a *app) {
		var asked atomic.Int32
		a.installManifest(busy("600", &asked))
		pass(29 * time.Minute)
		if g := a.status().Gate; g.Open {
			t.Errorf("after 29 minutes: %s", pretty(g))
		}
		pass(2 * time.Minute)
		a.wantGate(a.status().Gate, asset.WhyNoProgress)
	})
}

func TestDesign_12_NoTimeLimitWhileBytesMove(t *testing.T) {
	row(t, "design §12", "Overall time limit on the block of the launch, while bytes move", "none: after three hours of a slow server the gate is still closed, and the extension is asked when all is there")
	bubble(t, func(t *testing.T, a *app) {
		const steps = 3 * 360
		a.installManifest(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(steps*1000))
			for range steps {
				_, _ = w.Write(make([]byte, 1000))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Second)
			}
		})
		pass(3*time.Hour - time.Minute)
		if g := a.status().Gate; g.Open {
			t.Errorf("after nearly three hours: %s", pretty(g))
		}
		pass(2 * time.Minute)
		if st := a.status(); st.State == asset.AppManifest || st.Gate.Open && st.Gate.Reason.Code != asset.WhyReady || len(a.asked("/manifest")) != 1 {
			t.Errorf("after three hours: %s, %d requests", pretty(st), len(a.asked("/manifest")))
		}
	})
}

func TestDesign_12_RetriesSpreadUpToAnHour(t *testing.T) {
	row(t, "design §12", "Retry schedule: UNCONFIRMED", "full jitter from 1 s to 1 h, without limit in the background: after a day of errors it is still tried, and then finishes")
	bubble(t, func(t *testing.T, a *app) {
		a.install()
		pass(time.Second)
		a.launch()
		var asked atomic.Int32
		a.server.Handle("/x", busy("", &asked))
		if _, err := a.socket().Schedule(t.Context(), asset.URLDownload{Identifier: "x", URL: a.server.URL + "/x", FileSize: 1000}); err != nil {
			t.Fatal(err)
		}
		pass(24 * time.Hour)
		if st := find(a.status(), "x"); st.State != asset.StateWaiting || st.Reason == nil || st.Reason.Code != asset.WhyRetry {
			t.Errorf("after a day: %s", pretty(st))
		}
		r := a.asked("/x")
		if len(r) < 24 || len(r) > 200 {
			t.Errorf("it was tried %d times in a day", len(r))
		}
		for n := 1; n < len(r); n++ {
			if gap := r[n].Time.Sub(r[n-1].Time); gap > time.Hour+time.Minute {
				t.Errorf("%v lie between tries %d and %d", gap, n-1, n)
			}
		}
		a.put("x", 1000, false)
		pass(time.Hour + time.Minute)
		if st := find(a.status(), "x"); st.State != asset.StateFinished {
			t.Errorf("with a good server: %s", pretty(st))
		}
	})
}

func TestDesign_12_NotBeforeIsObeyed(t *testing.T) {
	row(t, "design §12", "The server's \"not before\"", "Retry-After is obeyed to the second, for essential work too: three tries in 29 minutes when it asks for ten")
	bubble(t, func(t *testing.T, a *app) {
		var asked atomic.Int32
		a.installManifest(busy("600", &asked))
		pass(29 * time.Minute)
		if n := asked.Load(); n != 3 {
			t.Errorf("it was asked %d times", n)
		}
		r := a.asked("/manifest")
		for n := 1; n < len(r); n++ {
			if gap := r[n].Time.Sub(r[n-1].Time); gap < 600*time.Second {
				t.Errorf("only %v lie between two requests", gap)
			}
		}
	})
}

func TestDesign_12_BackgroundWaitsForTheNetwork(t *testing.T) {
	row(t, "design §12", "No connectivity, in the background", "it waits as long as it takes, with that reason, and nothing is marked as failed")
	bubble(t, func(t *testing.T, a *app) {
		a.install()
		pass(time.Second)
		a.launch()
		a.server.Handle("/x", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		if _, err := a.socket().Schedule(t.Context(), asset.URLDownload{Identifier: "x", URL: a.server.URL + "/x", FileSize: 1000}); err != nil {
			t.Fatal(err)
		}
		pass(24 * time.Hour)
		if st := find(a.status(), "x"); st.State != asset.StateWaiting || st.Reason == nil || st.Reason.Code != asset.WhyNetwork || st.Reason.Unblock == "" {
			t.Errorf("after a day: %s", pretty(st))
		}
		a.put("x", 1000, false)
		pass(time.Hour + time.Minute)
		if st := find(a.status(), "x"); st.State != asset.StateFinished {
			t.Errorf("afterwards: %s", pretty(st))
		}
	})
}
