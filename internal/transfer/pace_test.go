package transfer

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"larder/internal/fault"
)

func TestPaceIsPaidForEveryByteAndIsNoStall(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		c := fault.Content(1, 1<<20)
		s.Put("/a", fault.File{Content: c})
		var paid, most, reads int
		j := Job{ID: "a", URL: s.URL + "/a", Path: filepath.Join(t.TempDir(), "p")}
		j.Pace = func(ctx context.Context, n int) (int, error) {
			paid, most, reads = paid+n, max(most, n), reads+1
			time.Sleep(20 * time.Second) // longer than a stall
			return 10_000, ctx.Err()
		}
		held, fail := fetch(t, &f, t.Context(), j)
		if fail != nil || held.Bytes != c.Size || paid != int(c.Size) || most > 10_000 || reads < 100 {
			t.Errorf("%v: held %d, paid %d in %d reads of at most %d", fail, held.Bytes, paid, reads, most)
		}
	})
}

func TestWhoWaitsForHisPaceCanBeCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		c := fault.Content(1, 1<<20)
		s.Put("/a", fault.File{Content: c})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		j := Job{ID: "a", URL: s.URL + "/a", Path: filepath.Join(t.TempDir(), "p")}
		j.Pace = func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				return 1000, nil
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}
		held, fail := fetch(t, &f, ctx, j)
		wantFailure(t, fail, KindCancelled)
		if held.Bytes == 0 {
			t.Error("the bytes that had come were lost")
		}
	})
}

func TestNoticesAreToldWithGoodAndBadAnswers(t *testing.T) {
	for _, status := range []int{200, 404, 503} {
		inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
			s.Handle("/a", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(status)
			}))
			var told time.Time
			j := Job{ID: "a", URL: s.URL + "/a", Path: filepath.Join(t.TempDir(), "p"), Events: Events{NotBefore: func(at time.Time) { told = at }}}
			fetch(t, &f, t.Context(), j)
			if wait := time.Until(told); wait != time.Hour {
				t.Errorf("status %d: told to wait %v", status, wait)
			}
		})
	}
}
