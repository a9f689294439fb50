package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
	"larder/internal/fault"
)

// inBubble runs f with a server and a fetcher that meet over a pipe, in fake time.
func inBubble(t *testing.T, f func(t *testing.T, s *fault.Server, fetch Fetcher)) {
	synctest.Test(t, func(t *testing.T) {
		pipe := fault.NewPipe()
		s := fault.Serve(pipe)
		transport := NewTransport(pipe.Dial)
		transport.Proxy = nil
		f(t, s, Fetcher{Transport: transport, Journal: &Journal{}})
		transport.CloseIdleConnections()
		s.Close()
		time.Sleep(time.Minute)
	})
}

func TestNoProgressEndsARequestAfterFifteenSeconds(t *testing.T) {
	trickle := func(head, piece string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, head)
			for {
				if _, err := io.WriteString(c, piece); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}
	}
	for name, handler := range map[string]func(*fault.Server) http.Handler{
		"no answer":            func(s *fault.Server) http.Handler { return s.Hang() },
		"header byte by byte":  func(s *fault.Server) http.Handler { return s.Conn(trickle("HTTP/1.1 200 OK\r\nX: ", "a")) },
		"early hints for ever": func(s *fault.Server) http.Handler { return s.Conn(trickle("", "HTTP/1.1 103 Early Hints\r\n\r\n")) },
		"redirect body hanging": func(s *fault.Server) http.Handler {
			return s.Conn(trickle("HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 2000\r\n\r\n", ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
				s.Handle("/a", handler(s))
				start := time.Now()
				_, fail := fetch(t, &f, t.Context(), Job{ID: "a", URL: s.URL + "/a", Path: filepath.Join(t.TempDir(), "p")})
				wantFailure(t, fail, KindConnectivity)
				if took := time.Since(start); took != 15*time.Second {
					t.Errorf("took %v", took)
				}
				if fail.Err.Code != asset.CodeNetwork || fail.Progressed {
					t.Errorf("%+v", fail)
				}
			})
		})
	}
}

func TestSlowIsNotStalled(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		c := fault.Content(1, 400)
		s.Put("/a", fault.File{Content: c, Rate: 1})
		start := time.Now()
		held, fail := fetch(t, &f, t.Context(), Job{ID: "a", URL: s.URL + "/a", Path: filepath.Join(t.TempDir(), "p")})
		if fail != nil || held.Bytes != c.Size || time.Since(start) < 5*time.Minute {
			t.Errorf("held %+v after %v: %v", held, time.Since(start), fail)
		}
	})
}

func TestStalledBodyKeepsItsBytesAndIsResumed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		s.Put("/a", fault.File{Content: small, Script: "stall@50%"})
		j := Job{ID: "a", URL: s.URL + "/a", Path: filepath.Join(t.TempDir(), "p")}
		held, fail := fetch(t, &f, t.Context(), j)
		wantFailure(t, fail, KindConnectivity)
		if held.Bytes != small.Size/2 || !fail.Progressed {
			t.Fatalf("held %+v, %+v", held, fail)
		}
		j.Held = held
		held, fail = fetch(t, &f, t.Context(), j)
		if fail != nil || held.Bytes != small.Size || s.Requests()[1].Start != small.Size/2 {
			t.Errorf("held %+v: %v", held, fail)
		}
	})
}

func TestWaitingForTheDiskIsNoStall(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		s.Put("/a", fault.File{Content: small})
		f.Journal.Record = func([]Mark) error { time.Sleep(time.Minute); return nil }
		f.Journal.SoftLimit = 1
		f.Journal.HardLimit = 1
		held, fail := fetch(t, &f, t.Context(), Job{ID: "a", URL: s.URL + "/a", Path: filepath.Join(t.TempDir(), "p")})
		if fail != nil || held.Bytes != small.Size {
			t.Errorf("held %+v: %v", held, fail)
		}
	})
}

func TestUploadCountsAsProgress(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		s.Handle("/a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 64<<10)
			for {
				if _, err := io.ReadFull(r.Body, buf); err != nil {
					break
				}
				time.Sleep(10 * time.Second)
			}
			_, _ = io.WriteString(w, "done")
		}))
		j := Job{ID: "a", URL: s.URL + "/a", Method: "POST", Body: bytes.Repeat([]byte("x"), 1<<20), Path: filepath.Join(t.TempDir(), "p")}
		if _, fail := fetch(t, &f, t.Context(), j); fail != nil {
			t.Error(fail)
		}
	})
}

func TestRetryAfterIsReadOnTheServersClock(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		s.Handle("/a", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			served := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
			w.Header().Set("Date", served.Format(http.TimeFormat))
			w.Header().Set("Retry-After", served.Add(time.Hour).Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		_, fail := fetch(t, &f, t.Context(), Job{ID: "a", URL: s.URL + "/a", Path: filepath.Join(t.TempDir(), "p")})
		wantFailure(t, fail, KindServer)
		if got := time.Until(fail.NotBefore); got != time.Hour {
			t.Errorf("not before %v from now", got)
		}
	})
}

func TestCancelReturnsAtOnceAndKeepsEveryByte(t *testing.T) {
	r := newRig(t)
	big := fault.Content(4, 64<<20)
	r.Put("/a", fault.File{Content: big, Rate: 8 << 20})
	ctx, cancel := context.WithCancel(context.Background())
	j := r.job("/a", Held{})
	var written int64
	var at time.Time
	j.Events.Progress = func(n, _ int64) {
		if written = n; n > 1<<20 && at.IsZero() {
			at = time.Now()
			cancel()
		}
	}
	held, fail := fetch(t, &r.fetcher, ctx, j)
	within(t, time.Second, at) // most of it is for a slow fsync
	wantFailure(t, fail, KindCancelled)
	if fail.Err.Code != asset.CodeCancelled || !errors.Is(fail, context.Canceled) {
		t.Errorf("%v", fail)
	}
	if held.Bytes != written || r.marks[len(r.marks)-1].Held != held {
		t.Errorf("held %+v, recorded %+v, written %d", held, r.marks[len(r.marks)-1], written)
	}
	r.wantFile(big, held.Bytes)

	_, fail = fetch(t, &r.fetcher, ctx, j)
	wantFailure(t, fail, KindCancelled)
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	r := newRig(t)
	r.Put("/a", fault.File{Content: fault.Content(5, 64<<20)})
	var before, after runtime.MemStats
	j := r.job("/a", Held{})
	j.Events.Began = func(int64, int64) { runtime.GC(); runtime.ReadMemStats(&before) }
	j.Events.Progress = func(n, _ int64) {
		if n > 60<<20 && after.HeapInuse == 0 {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
	}
	if _, fail := r.fetch(j); fail != nil {
		t.Fatal(fail)
	}
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
