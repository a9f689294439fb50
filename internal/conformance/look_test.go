package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/fsx"
)

// find gives the last download of that identifier.
func find(st asset.AppStatus, identifier string) (out asset.DownloadStatus) {
	for _, d := range st.Downloads {
		if d.Identifier == identifier {
			out = d
		}
	}
	return out
}

func pretty(v any) string {
	text, _ := json.MarshalIndent(v, "", " ")
	return string(text)
}

func (a *app) container(name string) string {
	return filepath.Join(a.w.dirs.Container("group."+asset.GroupID(a.id)), name)
}

func (a *app) exists(name string) bool {
	_, err := os.Stat(a.container(name))
	return err == nil
}

// holds checks that the container has exactly the bytes that were served.
func (a *app) holds(name string, size int64) {
	a.Helper()
	a.fileHolds(a.container(name), name, size)
}

func (a *app) fileHolds(path, name string, size int64) {
	a.Helper()
	a.fileIs(path, content(name, size))
}

func (a *app) fileIs(path string, c fault.Bytes) {
	a.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		a.Error(err)
		return
	}
	got, want := sha256.Sum256(text), c.Sum256()
	if int64(len(text)) != c.Size || !bytes.Equal(got[:], want[:]) {
		a.Errorf("%s has %d bytes, or other ones than were served; want %d", path, len(text), c.Size)
	}
}

// heard is all that the extension noted.
func (a *app) heard() (out []heard) {
	text, _ := os.ReadFile(a.container("heard"))
	for line := range bytes.Lines(text) {
		var h heard
		if json.Unmarshal(line, &h) == nil {
			out = append(out, h)
		}
	}
	return out
}

// calls are the calls of one entry point.
func (a *app) calls(entry string) (out []heard) {
	for _, h := range a.heard() {
		if h.Entry == entry && h.Do == "" {
			out = append(out, h)
		}
	}
	return out
}

// untilCalled waits for call n (from 1) of an entry point. The extension is a
// process that knows no events of ours, so its notes are looked at again.
func (a *app) untilCalled(entry string, n int) heard {
	a.Helper()
	return a.look(entry, func() []heard { return a.calls(entry) }, n)
}

// untilDid waits for outcome n (from 1) of a step.
func (a *app) untilDid(do string, n int) heard {
	a.Helper()
	return a.look(do, func() (out []heard) {
		for _, h := range a.heard() {
			if h.Do == do {
				out = append(out, h)
			}
		}
		return out
	}, n)
}

func (a *app) look(what string, found func() []heard, n int) heard {
	a.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if h := found(); len(h) >= n {
			return h[n-1]
		}
		if time.Now().After(end) {
			a.Fatalf("the extension never came to %s number %d; it noted %s", what, n, pretty(a.heard()))
		}
	}
}

// untilEnded waits for the end of the process that noted h.
func (a *app) untilEnded(h heard) {
	a.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if l, err := fsx.Lock(a.container(h.Process)); err == nil {
			_ = l.Unlock()
			return
		}
		if time.Now().After(end) {
			a.Fatal("the extension's process lives on")
		}
	}
}

// mark makes a file that the extension awaits.
func (a *app) mark(name string) {
	a.Helper()
	writeFile(a.T, a.container(name), nil)
}

// asked are the requests for one path.
func (a *app) asked(path string) (out []fault.Request) {
	for _, r := range a.server.Requests() {
		if r.Path == path {
			out = append(out, r)
		}
	}
	return out
}

// wantCode checks that an error has a code, and words for a person.
func wantCode(t *testing.T, what string, err error, code asset.Code) {
	t.Helper()
	e := asset.AsError(err)
	if err == nil || e.Code != code || e.Message == "" || e.Op == "" {
		t.Errorf("%s: %v; want code %d %s", what, err, code, code)
	}
}

// wantFailed checks how a download ended.
func (a *app) wantFailed(st asset.AppStatus, identifier string, code asset.Code) {
	a.Helper()
	if d := find(st, identifier); d.State != asset.StateFailed || d.Reason == nil || d.Reason.Code != code.String() || d.Reason.Message == "" || d.Reason.Unblock == "" {
		a.Errorf("%s ended as %s; want %s", identifier, pretty(d), code)
	}
}

func (a *app) wantGate(g asset.Gate, why string) {
	a.Helper()
	if !g.Open || g.Reason == nil || g.Reason.Code != why {
		a.Errorf("the gate is %s; want it open for %s", pretty(g), why)
	}
}
