package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/client"
	"larder/extension"
	"larder/internal/fault"
)

// settledPair is two apps of one service in which nothing moves: each has a
// finished file, a failed download, and one that waits for a disk without end.
func settledPair(t *testing.T) (a, b *app) {
	t.Helper()
	a, b = newAppNamed(t, shared(t), "a"), newAppNamed(t, shared(t), "b")
	b.w = a.w
	for _, x := range []*app{a, b} {
		x.bare = true
		x.launched()
		m := x.manager()
		x.schedule(m, x.put("good", 10, false))
		x.schedule(m, x.file("bad", fault.File{Content: content("bad", 10), Script: "status=404:*"}, false))
		x.schedule(m, asset.URLDownload{Identifier: "waits", URL: x.server.URL + "/waits", FileSize: 1 << 60})
		x.untilState("good", asset.StateFinished)
		x.untilState("bad", asset.StateFailed)
		x.until("the last waits", func(st asset.AppStatus) bool {
			d := find(st, "waits")
			return d.Reason != nil && d.Reason.Code == asset.WhyNoSpace
		})
	}
	return a, b
}

// frozen fails the test when f changes anything that status tells of the apps.
func frozen(t *testing.T, f func(), apps ...*app) {
	t.Helper()
	var before, after []asset.AppStatus
	for _, a := range apps {
		before = append(before, a.status())
	}
	f()
	for _, a := range apps {
		after = append(after, a.status())
	}
	for _, list := range [][]asset.AppStatus{before, after} {
		for _, st := range list {
			for n, d := range st.Downloads {
				if d.Identifier == "waits" { // its words name the free space, its time the moment of asking
					st.Downloads[n].Reason = nil
				}
			}
		}
	}
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("the state changed: %s", d)
	}
}

const long = 100_000

func badDownloads(a *app) map[string]asset.URLDownload {
	u := a.server.URL + "/good"
	return map[string]asset.URLDownload{
		"empty":                   {},
		"no identifier":           {URL: u, FileSize: 1},
		"no URL":                  {Identifier: "n", FileSize: 1},
		"negative size":           {Identifier: "n", URL: u, FileSize: -1},
		"least size":              {Identifier: "n", URL: u, FileSize: -1 << 63},
		"negative priority":       {Identifier: "n", URL: u, FileSize: 1, Priority: -1 << 40},
		"over-long identifier":    {Identifier: strings.Repeat("n", long), URL: u, FileSize: 1},
		"over-long URL":           {Identifier: "n", URL: u + strings.Repeat("n", long), FileSize: 1},
		"over-long body":          {Identifier: "n", URL: u, FileSize: 1, Method: "POST", Body: make([]byte, 2<<20)},
		"too many headers":        {Identifier: "n", URL: u, FileSize: 1, Headers: manyHeaders()},
		"not UTF-8":               {Identifier: "n", URL: u + "/\xff", FileSize: 1, Group: "\xff"},
		"essential":               {Identifier: "n", URL: u, FileSize: 1, Essential: true},
		"another group":           {Identifier: "n", URL: u, FileSize: 1, Group: "group.org.example.other"},
		"a file":                  {Identifier: "n", URL: "file:///etc/hosts", FileSize: 1},
		"scheduled already":       {Identifier: "waits", URL: u, FileSize: 1},
		"an unknown method":       {Identifier: "n", URL: u, FileSize: 1, Method: "TRACE"},
		"a header that is ours":   {Identifier: "n", URL: u, FileSize: 1, Headers: map[string]string{"Host": "x"}},
		"a header with a newline": {Identifier: "n", URL: u, FileSize: 1, Headers: map[string]string{"X": "a\nb"}},
	}
}

func manyHeaders() map[string]string {
	h := map[string]string{}
	for n := range 1000 {
		h[fmt.Sprint("X-", n)] = "x"
	}
	return h
}

// typed checks that an error is one that a caller can work with.
func typed(t *testing.T, what string, err error) {
	t.Helper()
	var e *asset.Error
	if !errors.As(err, &e) || e.Code == asset.CodeInternal || e.Message == "" || e.Op == "" {
		t.Errorf("%s: %v", what, err)
	}
}

func TestBadArgumentsOfClient(t *testing.T) {
	t.Parallel()
	a, b := settledPair(t)
	ctx, m := t.Context(), a.active()
	finished, failed, waits := find(a.status(), "good"), find(a.status(), "bad"), find(a.status(), "waits")
	foreign := find(b.status(), "waits").UniqueIdentifier
	var nobody context.Context
	nothing := func(context.Context) error { return nil }
	gone := a.manager()
	gone.Close()
	frozen(t, func() {
		for what, d := range badDownloads(a) {
			_, err := m.Schedule(ctx, d)
			typed(t, "schedule: "+what, err)
			if d.Identifier != "waits" { // that would promote it
				_, err = m.StartForeground(ctx, d)
				typed(t, "start foreground: "+what, err)
			}
		}
		calls := map[string]func() error{
			"schedule with a nil context":         func() error { _, err := m.Schedule(nobody, a.put("n", 1, false)); return err },
			"start foreground with a nil context": func() error { _, err := m.StartForeground(nobody, a.put("n", 1, false)); return err },
			"list with a nil context":             func() error { _, err := m.CurrentDownloads(nobody); return err },
			"cancel with a nil context":           func() error { return m.Cancel(nobody, waits.UniqueIdentifier) },
			"activate with a nil context":         func() error { return m.SetActive(nobody, true) },
			"control with a nil context":          func() error { return m.WithExclusiveControl(nobody, nothing) },
			"control with nothing to do":          func() error { return m.WithExclusiveControl(ctx, nil) },
			"control before, nothing to do":       func() error { return m.WithExclusiveControlBefore(ctx, time.Now(), nil) },
			"delegate with a nil context":         func() error { return m.SetDelegate(nobody, client.Delegate{}) },
			"events with a nil context":           func() error { return first(nobody, m) },
			"cancel nothing":                      func() error { return m.Cancel(ctx, "") },
			"cancel a dot":                        func() error { return m.Cancel(ctx, "..") },
			"cancel something over-long":          func() error { return m.Cancel(ctx, strings.Repeat("x", long)) },
			"cancel what is not UTF-8":            func() error { return m.Cancel(ctx, "\xff\x00") },
			"cancel by identifier":                func() error { return m.Cancel(ctx, "waits") },
			"cancel what has finished":            func() error { return m.Cancel(ctx, finished.UniqueIdentifier) },
			"cancel what has failed":              func() error { return m.Cancel(ctx, failed.UniqueIdentifier) },
			"cancel another app's":                func() error { return m.Cancel(ctx, foreign) },
			"activate when closed":                func() error { return gone.SetActive(ctx, true) },
			"start foreground when closed":        func() error { _, err := gone.StartForeground(ctx, a.put("n", 1, false)); return err },
			"control when closed":                 func() error { return gone.WithExclusiveControl(ctx, nothing) },
			"events when closed":                  func() error { return first(ctx, gone) },
			"open without a socket":               func() error { _, err := client.Open(client.Options{}); return err },
			"a socket that is not there":          func() error { return onSocket(ctx, a.dir+"/nothing.sock") },
			"a socket that is a file":             func() error { return onSocket(ctx, a.dir+"/Info.json") },
			"an over-long socket":                 func() error { return onSocket(ctx, "/"+strings.Repeat("x", 5000)) },
			"a socket with a NUL":                 func() error { return onSocket(ctx, "/tmp/\x00") },
		}
		for what, call := range calls {
			typed(t, what, call())
		}
		gone.Close()
	}, a, b)
}

func first(ctx context.Context, m *client.DownloadManager) error {
	for _, err := range m.Events(ctx) {
		return err
	}
	return nil
}

func onSocket(ctx context.Context, path string) error {
	m, err := client.Open(client.Options{Socket: path})
	if err != nil {
		return err
	}
	defer m.Close()
	_, err = m.CurrentDownloads(ctx)
	return err
}

// The extension's calls back to the service, through the SDK and a real process.
func TestBadArgumentsOfAnExtension(t *testing.T) {
	t.Parallel()
	_, b := settledPair(t)
	a := newAppNamed(t, b.w, "c")
	a.w = b.w
	steps := []step{{Do: "release"}, {Do: "cancel"}, {Do: "cancel", Arg: strings.Repeat("x", long)}, {Do: "cancel", Arg: "good"}, {Do: "cancel", Arg: "bad"}, {Do: "cancel", Arg: "\x00"}}
	bad := badDownloads(a)
	delete(bad, "scheduled already") // not by this app
	for _, d := range bad {
		steps = append(steps, step{Do: "schedule", Download: &d})
	}
	a.script.On = map[string][]step{"finished": append(steps, step{Do: "take"})}
	a.launched(a.put("x", 10, true))
	a.untilDid("take", 1)
	seen := 0
	for _, h := range a.heard() {
		if h.Do == "" || h.Do == "take" {
			continue
		}
		seen++
		if h.Err == nil {
			t.Errorf("%s was taken: %s", h.Do, pretty(h))
			continue
		}
		typed(t, "from the extension: "+h.Do, h.Err)
	}
	if seen != len(steps) {
		t.Errorf("%d of %d steps were heard of", seen, len(steps))
	}
	if st := a.status(); len(st.Downloads) != 1 {
		t.Errorf("it made downloads: %s", pretty(st.Downloads))
	}
}

// What takes no service: the two ends of the extension protocol with nothing.
func TestBadArgumentsOfTheExtensionProtocol(t *testing.T) {
	t.Parallel()
	ctx, none := t.Context(), strings.NewReader("")
	var nobody context.Context
	for what, err := range map[string]error{
		"run without a context":    extension.Run(nobody, none, io.Discard, loader{}, extension.Config{}),
		"run without a reader":     extension.Run(ctx, nil, io.Discard, loader{}, extension.Config{}),
		"run without a writer":     extension.Run(ctx, none, nil, loader{}, extension.Config{}),
		"run without an extension": extension.Run(ctx, none, io.Discard, nil, extension.Config{}),
	} {
		typed(t, what, err)
	}
	reader, writer := io.Pipe()
	defer writer.Close()
	for name, s := range map[string]*extension.Session{"nothing at the other end": extension.NewSession(nil, nil, nil), "nobody answers": extension.NewSession(reader, io.Discard, nil)} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for _, ctx := range []context.Context{nobody, ctx} {
			calls := map[string]func() error{
				"initialize": func() error { _, err := s.Initialize(ctx); return err },
				"downloads":  func() error { return s.Downloads(ctx, extension.DownloadsRequest{}, nil) },
				"finished":   func() error { return s.BackgroundDownloadFinished(ctx, asset.Download{}, "") },
				"failed":     func() error { return s.BackgroundDownloadFailed(ctx, asset.Download{}, nil) },
				"challenge":  func() error { _, err := s.ReceivedChallenge(ctx, asset.Download{}, extension.Challenge{}); return err },
				"should":     func() error { _, err := s.ShouldDownload(ctx, extension.AssetPack{}, ""); return err },
			}
			for what, call := range calls {
				if err := call(); !errors.Is(err, context.DeadlineExceeded) {
					typed(t, name+": "+what, err)
				}
			}
		}
		if err := s.WillTerminate(nobody); err == nil {
			t.Errorf("%s: told without a context", name)
		}
		s.Close()
		s.Close()
	}
}
