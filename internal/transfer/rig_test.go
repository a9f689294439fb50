package transfer

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"larder/internal/fault"
)

// rig is a server, a fetcher that records, and a place for one partial file.
type rig struct {
	*fault.Server
	t       *testing.T
	fetcher Fetcher
	path    string

	mu     sync.Mutex
	marks  []Mark
	resets []string
}

func newRig(t *testing.T) *rig {
	r := &rig{Server: fault.Start(), t: t, path: filepath.Join(t.TempDir(), "part")}
	transport := NewTransport(nil)
	t.Cleanup(func() { r.Close(); transport.CloseIdleConnections() })
	r.fetcher = Fetcher{Transport: transport, Journal: &Journal{Record: r.record}}
	return r
}

func (r *rig) record(marks []Mark) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, marks...)
	return nil
}

func (r *rig) job(path string, held Held) Job {
	return Job{ID: "job", URL: r.URL + path, Path: r.path, Held: held,
		Events: Events{Reset: func(why string) { r.resets = append(r.resets, why) }}}
}

// hold puts the first n bytes of c in the partial file, and is what the owner knows of it.
func (r *rig) hold(c fault.Bytes, n int64) Held {
	r.write(io.NewSectionReader(c, 0, n))
	return Held{Bytes: n, Validator: c.ETag(), Total: c.Size}
}

func (r *rig) write(from io.Reader) {
	r.t.Helper()
	b, err := io.ReadAll(from)
	if err == nil {
		err = os.WriteFile(r.path, b, 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) fetch(j Job) (Held, *Failure) {
	r.t.Helper()
	return fetch(r.t, &r.fetcher, context.Background(), j)
}

func fetch(t *testing.T, f *Fetcher, ctx context.Context, j Job) (Held, *Failure) {
	t.Helper()
	held, err := f.Fetch(ctx, j)
	if err == nil {
		return held, nil
	}
	var fail *Failure
	if !errors.As(err, &fail) {
		t.Fatalf("error %T is no *Failure: %v", err, err)
	}
	return held, fail
}

// wantFile holds the partial file against the first n bytes of c.
func (r *rig) wantFile(c fault.Bytes, n int64) {
	r.t.Helper()
	got, err := os.ReadFile(r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	if int64(len(got)) != n {
		r.t.Fatalf("partial file has %d bytes; want %d", len(got), n)
	}
	want := make([]byte, n)
	_, _ = c.ReadAt(want, 0)
	if string(got) != string(want) {
		r.t.Fatal("partial file holds other bytes than the entity")
	}
}

func (r *rig) wantWhole(c fault.Bytes, held Held, fail *Failure) {
	r.t.Helper()
	if fail != nil {
		r.t.Fatalf("fetch failed: %v", fail)
	}
	if held.Bytes != c.Size || held.Total != c.Size {
		r.t.Fatalf("held %+v; want %d bytes", held, c.Size)
	}
	r.wantFile(c, c.Size)
}

func wantFailure(t *testing.T, fail *Failure, kind Kind) {
	t.Helper()
	if fail == nil {
		t.Fatalf("fetch succeeded; want a failure of kind %s", kind)
	}
	if fail.Kind != kind {
		t.Fatalf("failure is %s (%v); want %s", fail.Kind, fail, kind)
	}
}

func within(t *testing.T, d time.Duration, start time.Time) {
	t.Helper()
	if took := time.Since(start); took > d {
		t.Errorf("took %v; want at most %v", took, d)
	}
}
