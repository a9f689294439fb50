package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/internal/dirs"
	"larder/internal/fsx"
	"larder/internal/localapi"
	"larder/internal/policy"
	"larder/internal/service"
	"larder/internal/transfer"
)

// world is one running service.
type world struct {
	dirs   dirs.Dirs
	owner  *localapi.Client
	dial   func(socket string) localapi.Dialer // in a bubble
	config service.Config
	log    logged
	shared bool
	stop   func() error // nil while no service runs inside this process
}

// logged is the service's log, which a test may read while it grows.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string { return l.from(0) }

// from is what was written after the first n bytes.
func (l *logged) from(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()[n:]
}

func prepare(data string) (*world, error) {
	d, err := dirs.Find(data)
	if err != nil {
		return nil, err
	}
	w := &world{dirs: d, owner: localapi.NewClient(d)}
	w.config = service.Config{Dirs: d, Version: "test", Deadline: 40 * time.Second, Transport: homeward(), Log: slog.New(slog.NewTextHandler(&w.log, nil))}
	return w, nil
}

// homeward is the service's own transport, with every name below .localhost
// leading to this machine whatever the resolver says.
func homeward() *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	t := transfer.NewTransport(func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(strings.ToLower(host), "localhost") {
			address = net.JoinHostPort("127.0.0.1", port)
		}
		return dialer.DialContext(ctx, network, address)
	})
	t.Proxy = nil
	return t
}

// start runs the service inside this process.
func (w *world) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := service.Open(ctx, w.config)
	if err != nil {
		cancel()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.stop = func() error {
		w.stop = nil
		cancel()
		return <-ended
	}
	return nil
}

// newWorld is a service of the test's own, for what concerns all its apps.
func newWorld(t *testing.T, change ...func(*service.Config)) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "conf") // a short name: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w, err := prepare(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&w.config)
	}
	w.restart(t)
	t.Cleanup(func() {
		if w.stop != nil {
			if err := w.stop(); err != nil {
				t.Error("the service ended with", err)
			}
		}
		if t.Failed() {
			t.Logf("the service's log:\n%s", &w.log)
		}
	})
	return w
}

// restart ends the service, if one runs, and starts another.
func (w *world) restart(t *testing.T) {
	t.Helper()
	if w.stop != nil {
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
	}
	// A process that another test is just starting holds a copy of our lock until
	// it has become itself.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := w.start()
		if err == nil {
			return
		}
		if !errors.Is(err, fsx.ErrLocked) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// single is a service that fetches one download per server at a time, so that
// order shows.
func single(c *service.Config) { c.Limits = policy.Limits{PerHost: 1} }

// stallSoon is a service that gives up on a silent connection after a second.
func stallSoon(c *service.Config) { c.Stall = time.Second }

// The rows that do not mind others beside them share a few services (each runs
// two extensions at a time), with places enough that no app waits for another's
// connections.
var sharing struct {
	sync.Mutex
	worlds []*world
	dirs   []string
	turn   int
}

const sharedWorlds = 3

// shared is one of them. The apps of a test leave it with the test: one whose server has gone
// would go on asking for it, and another test's server may have its port by then.
func shared(t *testing.T) *world {
	t.Helper()
	w := nextShared(t)
	before := len(w.log.String())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the service's log meanwhile:\n%s", w.log.from(before))
		}
	})
	return w
}

func nextShared(t *testing.T) *world {
	t.Helper()
	sharing.Lock()
	defer sharing.Unlock()
	sharing.turn++
	if len(sharing.worlds) == sharedWorlds {
		return sharing.worlds[sharing.turn%sharedWorlds]
	}
	dir, err := os.MkdirTemp("", "conf")
	if err != nil {
		t.Fatal(err)
	}
	sharing.dirs = append(sharing.dirs, dir)
	w, err := prepare(dir)
	if err != nil {
		t.Fatal(err)
	}
	w.shared, w.config.Limits = true, policy.Limits{Total: 64}
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	sharing.worlds = append(sharing.worlds, w)
	return w
}

func closeShared() {
	for _, w := range sharing.worlds {
		_ = w.stop()
	}
	for _, dir := range sharing.dirs {
		_ = os.RemoveAll(dir)
	}
}

// startProcess runs the service of a world as a process of its own, and gives
// its killer.
func (w *world) startProcess(t *testing.T) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "LARDER_CONFORMANCE_SERVICE="+w.dirs.Data)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := w.owner.Hello(t.Context()); err == nil {
			return kill
		} else if time.Now().After(deadline) {
			t.Fatal("the service does not answer:", err)
		}
	}
}

// link puts the test binary at path.
func link(t *testing.T, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if os.Link(self, path) == nil {
		return
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
