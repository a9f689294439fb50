package transfer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
)

func TestAServerBelowTheFloorIsLeftInTheEnd(t *testing.T) {
	const mega = 1 << 20
	content := fault.Content(1, mega)
	for name, ask := range map[string]func(f *Fetcher, t *testing.T, url string) error{
		"a document": func(f *Fetcher, t *testing.T, url string) error {
			_, err := f.Document(t.Context(), Job{ID: "a", URL: url, MaxBytes: 2 * mega}, "")
			return err
		},
		"a file": func(f *Fetcher, t *testing.T, url string) error {
			held, err := f.Fetch(t.Context(), Job{ID: "a", URL: url, Path: filepath.Join(t.TempDir(), "p"), Floor: &Floor{Least: LeastDocument}})
			if held.Bytes == 0 {
				t.Error("what came is lost")
			}
			return err
		},
		"a stretch": func(f *Fetcher, t *testing.T, url string) error {
			r, err := f.Open(t.Context(), Stretch{Job: Job{ID: "a", URL: url, Size: mega, Floor: &Floor{Least: LeastDocument}}, Length: mega})
			if err == nil {
				_, err = io.Copy(io.Discard, r)
				r.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
				s.Put("/slow", fault.File{Content: content, Rate: LeastDocument / 4})
				s.Put("/fair", fault.File{Content: content, Rate: LeastDocument})
				start := time.Now()
				err := ask(&f, t, s.URL+"/slow")
				var fail *Failure
				if !errors.As(err, &fail) || !errors.Is(err, ErrSlow) || fail.Kind != KindServer || !errors.Is(err, asset.Sentinel(asset.CodeNetwork)) || fail.Err.Help == "" {
					t.Errorf("%v", err)
				}
				// A quarter of the floor is below it when a third more than the grace has passed.
				if took := time.Since(start); took < time.Minute || took > 2*time.Minute {
					t.Errorf("it took %v", took)
				}
				if err := ask(&f, t, s.URL+"/fair"); err != nil {
					t.Errorf("at the floor: %v", err)
				}
			})
		})
	}
}

// Jobs may share a floor, so that no server is slow in small pieces.
func TestAFloorHoldsOverMany(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		s.Put("/a", fault.File{Content: fault.Content(1, 20<<10), Rate: 1 << 10}) // 20 s each
		floor := &Floor{Least: LeastDocument}
		n := 0
		for ; n < 10; n++ {
			if _, err := f.Document(t.Context(), Job{ID: "a", URL: s.URL + "/a", MaxBytes: 1 << 20, Floor: floor}, ""); err != nil {
				if !errors.Is(err, ErrSlow) {
					t.Error(err)
				}
				break
			}
		}
		if n < 3 || n > 5 {
			t.Errorf("%d came", n)
		}
	})
}

// Who asks for little at a time waits for himself, not for the server.
func TestABoundOnBandwidthMakesNoServerSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fault.Server, f Fetcher) {
		c := fault.Content(1, 256<<10)
		s.Put("/a", fault.File{Content: c})
		j := Job{ID: "a", URL: s.URL + "/a", Method: http.MethodGet, Path: filepath.Join(t.TempDir(), "p"), Floor: &Floor{Least: 1 << 30}}
		j.Pace = func(ctx context.Context, _ int) (int, error) { time.Sleep(10 * time.Second); return 1 << 10, ctx.Err() }
		if held, fail := fetch(t, &f, t.Context(), j); fail != nil || held.Bytes != c.Size {
			t.Errorf("held %+v: %v", held, fail)
		}
	})
}
