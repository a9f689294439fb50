// Package clients tests the Python and Node packages below it against a running
// service: each package's own tests run on the app's socket as it is, and once
// more as a later service might answer, with fields and events that nobody knows
// yet. It promises nothing to other packages.
package clients

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/dirs"
	"larder/internal/extensiontest"
	"larder/internal/fault"
	"larder/internal/localapi"
	"larder/internal/service"
)

// The test binary is also the extension of the test app.
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "loader") {
		extensiontest.Main(loader{})
	}
	os.Exit(m.Run())
}

// loader downloads nothing of its own and takes what no delegate took.
type loader struct{}

func (loader) Downloads(context.Context, extension.Request) ([]asset.Download, error) {
	return nil, nil
}

func (loader) BackgroundDownloadFinished(_ context.Context, d asset.Download, path string, _ extension.Service) error {
	return os.Rename(path, d.Identifier)
}

func (loader) BackgroundDownloadFailed(_ context.Context, d asset.Download, cause *asset.Error, _ extension.Service) error {
	return os.WriteFile(d.Identifier+".failed", []byte(cause.Error()), 0o600)
}

func TestPythonAgainstARunningService(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Python's standard library has no sockets for named pipes")
	}
	run(t, nothing, "python", "python3", "-B", "test_larder.py", "-v")
}

func TestNodeAgainstARunningService(t *testing.T) {
	run(t, nothing, "node", "node", "larder.test.js")
}

func nothing(*world) {}

// run runs tests of a package, in worlds that are prepared for them.
func run(t *testing.T, prepare func(*world), dir, program string, args ...string) {
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(program, "is needed")
		}
		t.Skip("no", program, "on this machine")
	}
	for name, at := range map[string]func(w *world) string{"as it is": (*world).socket, "as a later service": (*world).later} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, path, args...)
			cmd.Dir, cmd.WaitDelay = dir, time.Second
			cmd.Env = append(os.Environ(), "LARDER_SOCKET="+at(w), "LARDER_GROUP_CONTAINER="+w.dirs.Container("group.org.example.game"),
				"LARDER_TEST_SERVER="+w.server.URL, "LARDER_TEST_CLASSIC="+w.dirs.AppSocket("org.example.game"), "LARDER_TEST_CODES="+codes(t))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// codes gives all error codes by name, as JSON.
func codes(t *testing.T) string {
	all := map[string]int{}
	for c := range asset.Code(2000) {
		if name := c.String(); !strings.HasPrefix(name, "code ") {
			all[name] = int(c)
		}
	}
	text, err := json.Marshal(all)
	if err != nil || len(all) < 20 {
		t.Fatal(err, len(all))
	}
	return string(text)
}

// world is one service with one app that was launched, and a server of files.
type world struct {
	*testing.T
	dirs   dirs.Dirs
	server *fault.Server
	app    asset.AppID // whose tests run
	stop   func() error
}

func newWorld(t *testing.T) *world {
	d, err := dirs.Find(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, dirs: d, server: fault.Start(), app: "org.example.game"}
	t.Cleanup(w.server.Close)
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	})
	w.server.Put("/manifest.json", fault.File{Content: fault.Content(1, 10)})
	w.server.Put("/level", fault.File{Content: fault.Content(2, 3<<20)})
	w.server.Put("/slow", fault.File{Content: fault.Content(3, 4<<20), Rate: 4 << 20})
	w.server.Put("/endless", fault.File{Content: fault.Content(4, 1<<30), Rate: 1 << 20})
	w.server.Put("/missing", fault.File{Content: fault.Content(5, 10), Script: "status=404:*"})
	for _, name := range []string{"/guarded-py", "/guarded-js", "/guarded-py-ext", "/guarded-js-ext"} { // a realm for each: what is answered once is not asked again
		w.server.Handle(name, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "ann" || password != "sesame" {
				rw.Header().Set("WWW-Authenticate", `Basic realm="`+map[bool]string{true: "other", false: "vault"}[strings.HasSuffix(name, "-ext")]+`"`)
				rw.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = rw.Write([]byte("0123456789"))
		}))
	}
	w.server.Handle("/restart", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if err := errors.Join(w.stop(), w.start()); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
	}))
	w.server.Handle("/purge", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, err := localapi.NewClient(w.dirs).Purge(r.Context(), ""); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
	}))
	w.install()
	return w
}

func (w *world) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := service.Open(ctx, service.Config{Dirs: w.dirs, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		cancel()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.stop = func() error { cancel(); return <-ended }
	return nil
}

func (w *world) install() {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "game")
	ext := filepath.Join(dir, "Extensions", "Loader.appex")
	w.writeJSON(filepath.Join(dir, "Info.json"), map[string]any{
		"CFBundleIdentifier": "org.example.game", "CFBundleShortVersionString": "1.0.0", "CFBundleVersion": "1", "CFBundleExecutable": "game",
		"BAManifestURL": w.server.URL + "/manifest.json", "BAMaxInstallSize": 1 << 30, "BAEssentialMaxInstallSize": 1 << 30,
		"BAInitialDownloadRestrictions": map[string]any{"BADownloadAllowance": 1 << 30, "BAEssentialDownloadAllowance": 1 << 30, "BADownloadDomainAllowList": []string{"127.0.0.1"}},
	})
	w.writeJSON(filepath.Join(ext, "Info.json"), map[string]any{
		"CFBundleIdentifier": "org.example.game.loader", "CFBundleExecutable": "loader", "CFBundleVersion": "1",
		"EXAppExtensionAttributes": map[string]any{"EXExtensionPointIdentifier": "com.apple.background-asset-downloader-extension"}})
	self, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err := errors.Join(err, os.WriteFile(filepath.Join(ext, "loader"), binary, 0o755), os.WriteFile(filepath.Join(dir, "game"), nil, 0o755)); err != nil {
		w.Fatal(err)
	}
	owner := localapi.NewClient(w.dirs)
	if _, err := owner.Install(w.Context(), localapi.InstallRequest{Bundle: dir}); err != nil {
		w.Fatal(err)
	}
	for _, err := range owner.Progress(w.Context(), "org.example.game") {
		if err != nil {
			w.Fatal(err)
		}
	}
	if _, err := owner.Launch(w.Context(), "org.example.game", localapi.LaunchRequest{}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) writeJSON(path string, v any) {
	w.Helper()
	text, err := json.Marshal(v)
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) socket() string { return w.dirs.AppSocket(w.app) }

// later is a socket behind which the service knows more than this one.
func (w *world) later() string {
	w.Helper()
	path := filepath.Join(w.dirs.Run, "later.sock")
	ln, err := localapi.Listen(path)
	if err != nil {
		w.Fatal(err)
	}
	dial := localapi.DialSocket(w.socket())
	later := &http.Server{Handler: future(&http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }})}
	go func() { _ = later.Serve(ln) }()
	w.Cleanup(func() { later.Close() })
	return path
}

func TestTheLaterServiceSaysMore(t *testing.T) {
	w := newWorld(t)
	api := localapi.NewAppClient(w.later())
	first := true
	for l, err := range api.Connect(t.Context(), asset.EventFinished) {
		if err != nil {
			t.Fatal(err)
		}
		if first {
			first = false
			d := asset.Download{Identifier: "level", URL: w.server.URL + "/level", FileSize: 3 << 20}
			if _, err := api.Schedule(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if l.Type != unknownEvent {
			t.Errorf("the line after the first is %q, not an event that nobody knows", l.Type)
		}
		break
	}
	if text := string(more([]byte(`{"a":[{"b":1},null]}`))); text != `{"a":[{"b":1,"future":{"is":[1,null]}},null],"future":{"is":[1,null]}}` {
		t.Errorf("more gives %s", text)
	}
}
