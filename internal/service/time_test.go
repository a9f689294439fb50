package service

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/dirs"
	"larder/internal/fault"
	"larder/internal/localapi"
	"larder/internal/localapi/localapitest"
	"larder/internal/transfer"
)

// bubble runs a whole service in simulated time: real database, real HTTP over
// pipes. Bundles of these tests have no extension, as a process knows no
// simulated time.
func bubble(t *testing.T, serve http.Handler, f func(w *world, s *Service)) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dirs.Find(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		pipe := fault.NewPipe()
		server := fault.Serve(pipe)
		server.Handle("/manifest", serve)
		server.URL = "http://127.0.0.1"
		transport := transfer.NewTransport(pipe.Dial)
		w := &world{T: t, dirs: d, server: server}
		s, err := Open(t.Context(), Config{Dirs: d, Transport: transport, DB: db.Options{Unsafe: true}, Listen: func(string) (net.Listener, error) { return localapitest.New(), nil }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		f(w, s)
		cancel()
		<-done
		server.Close()
		transport.CloseIdleConnections()
	})
}

func (w *world) installManifestOnly(s *Service) asset.AppID {
	w.Helper()
	dir := w.bundle(app{keys: map[string]any{"BAManifestURL": w.server.URL + "/manifest"}})
	st, err := s.Install(w.Context(), localapi.InstallRequest{Bundle: dir})
	if err != nil {
		w.Fatal(err)
	}
	return st.ID
}

func TestGateOpensAfterThirtyMinutesWithoutAByte(t *testing.T) {
	var asked atomic.Int32
	busy := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		rw.Header().Set("Retry-After", "600")
		rw.WriteHeader(503)
	})
	bubble(t, busy, func(w *world, s *Service) {
		begun := time.Now()
		id := w.installManifestOnly(s)
		time.Sleep(29 * time.Minute)
		synctest.Wait()
		st, _ := s.one(w.Context(), id)
		if st.Gate.Open {
			t.Errorf("the gate is open after %v: %s", time.Since(begun), pretty(st.Gate))
		}
		if n := asked.Load(); n != 3 {
			t.Errorf("a server that asked to wait 10 minutes was asked %d times in 29", n)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		st, _ = s.one(w.Context(), id)
		if !st.Gate.Open || st.Gate.Reason.Code != asset.WhyNoProgress {
			t.Errorf("the gate after 31 minutes: %s", pretty(st.Gate))
		}
	})
}

func TestEssentialWaitsAFewSecondsForConnectivityOnly(t *testing.T) {
	reset := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	bubble(t, reset, func(w *world, s *Service) {
		id := w.installManifestOnly(s)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		st, _ := s.one(w.Context(), id)
		if st.Gate.Open {
			t.Errorf("given up within 4 s: %s", pretty(st))
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		st, _ = s.one(w.Context(), id)
		if !st.Gate.Open || st.Gate.Reason.Code != asset.WhyManifest {
			t.Errorf("the gate after 7 s: %s", pretty(st.Gate))
		}
	})
}

func TestProgressTellsWhyNothingMoves(t *testing.T) {
	busy := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "60")
		rw.WriteHeader(429)
	})
	bubble(t, busy, func(w *world, s *Service) {
		id := w.installManifestOnly(s)
		time.Sleep(time.Second)
		synctest.Wait()
		var speed meter
		p, err := s.progress(w.Context(), id, &speed)
		if err != nil || p.Done || p.Reason == nil || p.Reason.Code != asset.WhyRetry || p.Reason.Unblock == "" {
			t.Errorf("progress: %v, %s", err, pretty(p))
		}
	})
}
