package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
	"larder/internal/localapi/localapitest"
)

func TestEventsBeginWithASnapshotAndGoOn(t *testing.T) {
	w := newWorld(t)
	seen := 0
	for ev, err := range w.owner.Events(t.Context(), game) {
		if err != nil {
			t.Fatal(err)
		}
		switch seen {
		case 0:
			if ev.Type != asset.EventSnapshot || len(ev.Status.Apps) != 1 || ev.Status.Apps[0].ID != game {
				t.Fatalf("first event = %+v", ev)
			}
			a := ev.Status.Apps[0]
			a.Downloads, a.Packs = nil, nil
			w.hub.Publish(asset.Event{Type: asset.EventApp, App: paint})
			w.hub.Publish(asset.Event{Type: asset.EventApp, App: game, AppState: &a})
			w.hub.Publish(asset.Event{Type: asset.EventFinished, App: game, Download: &asset.DownloadStatus{UniqueIdentifier: "u", State: asset.StateFinished}})
		case 1:
			if ev.Type != asset.EventApp || ev.AppState.ID != game {
				t.Fatalf("second event = %+v", ev)
			}
		case 2:
			if !ev.Terminal() || ev.Seq != 2 {
				t.Fatalf("third event = %+v", ev)
			}
		}
		if seen++; seen == 3 {
			break
		}
	}
	waitFor(t, "the subscription to end", func() bool {
		w.hub.mu.Lock()
		defer w.hub.mu.Unlock()
		return len(w.hub.subs) == 0
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

func TestASlowReaderIsToldToResync(t *testing.T) {
	w := newWorld(t)
	pad := strings.Repeat("x", 64<<10) // fills the socket's buffer soon
	started := false
	for ev, err := range w.owner.Events(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !started {
			started = true
			for range 2000 {
				w.hub.Publish(asset.Event{Type: asset.EventBegan, App: game, Download: &asset.DownloadStatus{Identifier: pad, State: asset.StateWaiting}})
			}
		}
		if ev.Type == asset.EventResync {
			return
		}
		if ev.Seq == 2000 {
			t.Fatal("2,000 large events were held for a slow reader")
		}
	}
}

func TestProgressEndsWhenDone(t *testing.T) {
	w := newWorld(t)
	var got []asset.Progress
	for p, err := range w.owner.Progress(t.Context(), game) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	if len(got) != 3 || !got[2].Done || *got[0].ETASeconds != 3 {
		t.Errorf("progress = %+v", got)
	}
}

func TestAFailureInTheMidstOfAStreamArrives(t *testing.T) {
	w := newWorld(t)
	gone := &asset.Error{Code: asset.CodeNotFound, Domain: asset.DomainLarder, Op: "follow", Subject: string(game), Message: "it was uninstalled"}
	w.progress = func(_ context.Context, send func(asset.Progress) error) error {
		if err := send(asset.Progress{App: game}); err != nil {
			return err
		}
		return gone
	}
	lines := 0
	var last error
	for _, err := range w.owner.Progress(t.Context(), game) {
		lines++
		last = err
	}
	if lines != 2 || !errors.Is(last, gone) || last.Error() != gone.Error() {
		t.Errorf("%d lines, then %v", lines, last)
	}
}

func TestCloseEndsStreamsWithinASecond(t *testing.T) {
	w := newWorld(t)
	w.progress = func(ctx context.Context, send func(asset.Progress) error) error {
		if err := send(asset.Progress{App: game}); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	app := w.appClient(game)
	begun, ended := make(chan struct{}, 3), make(chan error, 3)
	follow := func(next func(func(error) bool)) {
		var last error
		for err := range next {
			last = err
			if err == nil {
				begun <- struct{}{}
			}
		}
		ended <- last
	}
	ctx := t.Context()
	go follow(func(yield func(error) bool) {
		for _, err := range w.owner.Events(ctx, "") {
			yield(err)
		}
	})
	go follow(func(yield func(error) bool) {
		for _, err := range app.Events(ctx, "") {
			yield(err)
		}
	})
	go follow(func(yield func(error) bool) {
		for _, err := range w.owner.Progress(ctx, game) {
			yield(err)
		}
	})
	for range 3 {
		<-begun
	}
	start := time.Now()
	w.server.Close()
	for range 3 {
		if err := <-ended; !errors.Is(err, asset.Sentinel(asset.CodeConnectionInvalid)) {
			t.Errorf("the stream ended with %v", err)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("closing took %v", took)
	}
	if _, err := w.owner.Hello(ctx); !errors.Is(err, ErrNoService) {
		t.Errorf("a call after Close: %v", err)
	}
}

func TestCloseDoesNotWaitForAReaderThatStandsStill(t *testing.T) {
	w := newWorld(t)
	conn, err := DialSocket(w.dirs.OwnerSocket())(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	writing := make(chan struct{})
	w.progress = func(_ context.Context, send func(asset.Progress) error) error {
		pad := strings.Repeat("x", 1<<20)
		for {
			if err := send(asset.Progress{Reason: &asset.Reason{Message: pad}}); err != nil {
				return err
			}
			select {
			case <-writing:
			default:
				close(writing)
			}
		}
	}
	if _, err := io.WriteString(conn, "GET /v1/apps/org.example.game/progress HTTP/1.1\r\nHost: larder\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 2<<20)
	if _, err := io.ReadFull(conn, head[:1<<20]); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, head[:64<<10]); err != nil {
		t.Fatal(err)
	}
	<-writing
	start := time.Now()
	w.server.Close()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("closing took %v", took)
	}
}

func TestCloseAppEndsThatAppOnly(t *testing.T) {
	w := newWorld(t)
	app, other := w.appClient(game), w.appClient(paint)
	for _, err := range app.Events(t.Context(), "") {
		if err != nil {
			break
		}
		w.server.CloseApp(game)
	}
	if _, err := app.Hello(t.Context()); !errors.Is(err, ErrNoService) {
		t.Errorf("the closed app still gets an answer: %v", err)
	}
	if _, err := other.Hello(t.Context()); err != nil {
		t.Errorf("the other app: %v", err)
	}
}

func TestOneAppCannotHoldMoreConnectionsThanItsShare(t *testing.T) {
	w := newWorld(t)
	app := w.appClient(game)
	held := make([]net.Conn, 0, maxConns)
	for range maxConns {
		conn, err := DialSocket(w.dirs.AppSocket(game))(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	if _, err := app.Hello(t.Context()); !errors.Is(err, asset.Sentinel(asset.CodeConnectionInvalid)) {
		t.Errorf("one connection too many: %v", err)
	}
	if _, err := w.owner.Hello(t.Context()); err != nil {
		t.Errorf("the owner suffers: %v", err)
	}
	for _, conn := range held {
		conn.Close()
	}
	waitFor(t, "a free connection", func() bool { _, err := app.Hello(t.Context()); return err == nil })
}

func TestNothingRunsMeansErrNoService(t *testing.T) {
	c := NewAppClient(t.TempDir() + "/none.sock")
	_, err := c.Status(t.Context(), "")
	if !errors.Is(err, ErrNoService) || !errors.Is(err, asset.Sentinel(asset.CodeConnectionInvalid)) {
		t.Errorf("status = %v", err)
	}
	for _, err := range c.Events(t.Context(), "") {
		if !errors.Is(err, ErrNoService) {
			t.Errorf("events = %v", err)
		}
	}
}

func TestAnEndedContextIsItsOwnError(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := 0
	for _, err := range w.owner.Events(ctx, "") {
		if lines++; lines == 1 {
			cancel()
		} else if err != context.Canceled {
			t.Errorf("the stream ended with %v", err)
		}
	}
	if _, err := w.owner.Hello(ctx); err != context.Canceled {
		t.Errorf("hello = %v", err)
	}
}

func TestTheWholeRunsInABubbleOverPipes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, ln := new(Hub), localapitest.New()
		server := NewServer(newFake(), hub, asset.ServiceStatus{})
		served := make(chan error, 1)
		go func() { served <- server.ServeOwner(ln) }()
		client := NewClientOver(ln.Dial)
		ended := make(chan int, 1)
		go func() {
			lines := 0
			for _, err := range client.Events(t.Context(), "") {
				if err == nil {
					lines++
				}
			}
			ended <- lines
		}()
		synctest.Wait()
		time.Sleep(24 * time.Hour) // an idle stream lives as long as both ends
		hub.Publish(asset.Event{Type: asset.EventApp, App: game})
		synctest.Wait()
		start := time.Now()
		server.Close()
		if lines := <-ended; lines != 2 {
			t.Errorf("%d events, want 2", lines)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("closing took %v", took)
		}
	})
}

func TestABodyThatDoesNotComeEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := localapitest.New()
		server := NewServer(newFake(), new(Hub), asset.ServiceStatus{})
		go server.ServeOwner(ln)
		conn, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		io.WriteString(conn, "POST /v1/apps HTTP/1.1\r\nHost: larder\r\nContent-Length: 100\r\n\r\n{")
		answer, _ := io.ReadAll(conn)
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || time.Since(start) > 2*bodyTimeout {
			t.Errorf("after %v: %s", time.Since(start), answer)
		}
		server.Close()
		synctest.Wait()
	})
}

func TestCurlIsAClient(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("curl is needed")
		}
		t.Skip("no curl on this machine")
	}
	w := newWorld(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(curl, append([]string{"--silent", "--show-error", "--unix-socket", w.dirs.OwnerSocket()}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	var hello Hello
	if out := run("http://localhost/v1/hello"); json.Unmarshal([]byte(out), &hello) != nil || hello.Name != "larder" {
		t.Errorf("hello = %s", out)
	}
	if out := run("-d", `{"bundle":"/bundles/game"}`, "http://larder/v1/apps"); !strings.Contains(out, `"id":"org.example.game"`) {
		t.Errorf("install = %s", out)
	}
	if out := run("--no-buffer", "http://larder/v1/apps/org.example.game/progress"); strings.Count(out, "\n") != 3 || !strings.Contains(out, `"done":true`) {
		t.Errorf("progress = %s", out)
	}
	if out := run("-X", "POST", "-w", "%{http_code}", "http://larder/v1/apps/org.example.game/launch"); !strings.Contains(out, `"code":1015`) || !strings.HasSuffix(out, "409") {
		t.Errorf("launch = %s", out)
	}
}
