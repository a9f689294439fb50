package transfer

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
)

func TestADocumentIsReadWholeOrNotAtAll(t *testing.T) {
	srv := fault.Start()
	t.Cleanup(srv.Close)
	text := strings.Repeat("metadata ", 100)
	answer := func(status int, tag, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", tag)
			if tag != "" && r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // the client's side is judged
		})
	}
	srv.Handle("/good", answer(200, `"one"`, text))
	srv.Handle("/bare", answer(200, "", text))
	srv.Handle("/gone", answer(410, "", ""))
	srv.Handle("/busy", answer(503, "", ""))
	srv.Handle("/moved", fault.Redirect(302, "/good"))
	srv.Handle("/hang", srv.Hang())
	ask := func(path, validator string, limit int64) (Document, error) {
		f := Fetcher{Stall: 200 * time.Millisecond}
		return f.Document(context.Background(), Job{ID: "doc", URL: srv.URL + path, MaxBytes: limit}, validator)
	}
	for _, path := range []string{"/good", "/bare", "/moved"} {
		d, err := ask(path, "", 1<<20)
		if err != nil || string(d.Bytes) != text || d.Unchanged {
			t.Errorf("%s gave %d bytes, %v", path, len(d.Bytes), err)
		}
	}
	if d, err := ask("/good", `"one"`, 1<<20); err != nil || !d.Unchanged || d.Validator != `"one"` {
		t.Errorf("the same again gave %+v, %v", d, err)
	}
	if _, err := ask("/missing", "", 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing one: %v", err)
	}
	if _, err := ask("/gone", "", 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is gone: %v", err)
	}
	for path, want := range map[string]asset.Code{"/busy": asset.CodeServer, "/hang": asset.CodeNetwork} {
		if _, err := ask(path, "", 1<<20); !errors.Is(err, asset.Sentinel(want)) {
			t.Errorf("%s gave %v", path, err)
		}
	}
	for _, path := range []string{"/good", "/bare"} {
		if _, err := ask(path, "", 100); !errors.Is(err, asset.Sentinel(asset.CodeTooLarge)) {
			t.Errorf("%s, larger than its bound: %v", path, err)
		}
	}
}

// few lets some bytes come and no more.
type few struct{ left int }

func (f *few) Announce(int64) *asset.Error { return nil }
func (f *few) Draw(n int) (int, *asset.Error) {
	return min(n, f.left), &asset.Error{Code: asset.CodeAllowanceExceeded, Op: "fetch", Message: "spent"}
}
func (f *few) Received(n int) { f.left -= n }

func TestADocumentIsHeldToTheAllowance(t *testing.T) {
	srv := fault.Start()
	t.Cleanup(srv.Close)
	srv.Handle("/doc", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", 1000))) // the client's side is judged
	}))
	for left, fits := range map[int]bool{1000: true, 999: false, 0: false} {
		f := Fetcher{}
		_, err := f.Document(context.Background(), Job{ID: "doc", URL: srv.URL + "/doc", MaxBytes: 1 << 20, Allowance: &few{left}}, "")
		if fits != (err == nil) || !fits && !errors.Is(err, asset.Sentinel(asset.CodeAllowanceExceeded)) {
			t.Errorf("with %d left: %v", left, err)
		}
	}
}
