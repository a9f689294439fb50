package conformance

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/asset"
	"larder/client"
	"larder/internal/fault"
	"larder/internal/localapi"
)

// patience bounds every wait of a test for something that should come.
const patience = time.Minute

// app is one test app with a web server of its own, beside others in one world.
type app struct {
	*testing.T
	w      *world
	server *fault.Server
	id     asset.AppID
	dir    string         // its bundle
	keys   map[string]any // of Info.json; nil removes a key
	build  int
	script script
	bare   bool // it has neither manifest nor extension
}

// newApp prepares an app named for its test; install takes it from there.
func newApp(t *testing.T, w *world) *app {
	t.Helper()
	return newAppNamed(t, w, "a")
}

func newAppNamed(t *testing.T, w *world, name string) *app {
	t.Helper()
	words := strings.ToLower(strings.NewReplacer("_", "-", "/", "-").Replace(t.Name()))
	a := &app{T: t, w: w, server: fault.Start(), id: asset.AppID(words[max(0, len(words)-80):] + "." + name), dir: filepath.Join(t.TempDir(), "bundle"), build: 1}
	a.id = asset.AppID(strings.TrimLeft(string(a.id), "-"))
	t.Cleanup(a.server.Close)
	if w.shared {
		t.Cleanup(a.leave)
	}
	a.keys = map[string]any{}
	a.serve("/manifest", "what "+string(a.id)+" has")
	return a
}

// leave removes the app from its world, if the test has not done so.
func (a *app) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.w.owner.Uninstall(ctx, a.id); err != nil && asset.CodeOf(err) != asset.CodeNotFound {
		a.Errorf("leaving: %v", err)
	}
}

func (a *app) serve(path, text string) {
	a.server.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
}

// restrict sets the allowances and, if any are given, the hosts.
func (a *app) restrict(allowance, essential int64, hosts ...string) {
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1", "localhost"}
	}
	a.keys["BAInitialDownloadRestrictions"] = map[string]any{"BADownloadAllowance": allowance, "BAEssentialDownloadAllowance": essential, "BADownloadDomainAllowList": hosts}
}

// bundle writes the app's bundle as it now is.
func (a *app) bundle() string {
	a.Helper()
	info := map[string]any{
		"CFBundleIdentifier": a.id, "CFBundleShortVersionString": "1.0.0", "CFBundleVersion": strconv.Itoa(a.build), "CFBundleExecutable": "game",
		"BAManifestURL": a.server.URL + "/manifest", "BAMaxInstallSize": 1 << 40, "BAEssentialMaxInstallSize": 1 << 40,
		"BAInitialDownloadRestrictions": map[string]any{"BADownloadAllowance": 1 << 40, "BAEssentialDownloadAllowance": 1 << 40, "BADownloadDomainAllowList": []string{"127.0.0.1", "localhost"}},
	}
	for k, v := range a.keys {
		if info[k] = v; v == nil {
			delete(info, k)
		}
	}
	if a.bare {
		for _, k := range []string{"BAManifestURL", "BAMaxInstallSize", "BAEssentialMaxInstallSize", "BAInitialDownloadRestrictions"} {
			delete(info, k)
		}
		a.writeJSON(filepath.Join(a.dir, "Info.json"), info)
		link(a.T, filepath.Join(a.dir, "game"))
		return a.dir
	}
	ext := filepath.Join(a.dir, "Extensions", "Loader.appex")
	a.writeJSON(filepath.Join(a.dir, "Info.json"), info)
	a.writeJSON(filepath.Join(ext, "Info.json"), map[string]any{
		"CFBundleIdentifier": a.id + ".loader", "CFBundleExecutable": "loader", "CFBundleVersion": "1",
		"EXAppExtensionAttributes": map[string]any{"EXExtensionPointIdentifier": "com.apple.background-asset-downloader-extension"}})
	for _, path := range []string{filepath.Join(a.dir, "game"), filepath.Join(ext, "loader")} {
		if _, err := os.Stat(path); err != nil {
			link(a.T, path)
		}
	}
	a.tell()
	return a.dir
}

// tell gives the extension its script, from the next call on.
func (a *app) tell() {
	a.Helper()
	a.writeJSON(filepath.Join(a.dir, "Extensions", "Loader.appex", "script.json"), a.script)
}

func (a *app) writeJSON(path string, v any) {
	a.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		a.Fatal(err)
	}
	writeFile(a.T, path, text)
}

// put serves a file and gives a download of it.
func (a *app) put(name string, size int64, essential bool) asset.Download {
	return a.file(name, fault.File{Content: content(name, size)}, essential)
}

func (a *app) file(name string, f fault.File, essential bool) asset.Download {
	a.server.Put("/"+name, f)
	return asset.Download{Identifier: name, URL: a.server.URL + "/" + name, FileSize: f.Content.Size, Essential: essential}
}

// trickle is a file that comes slowly until it is released.
func (a *app) trickle(name string, size int64, essential bool) (d asset.Download, release func()) {
	released := make(chan struct{})
	a.server.Handle("/"+name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		from := content(name, size).Reader()
		for {
			select {
			case <-released:
				_, _ = io.Copy(w, from)
				return
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
				_, _ = io.CopyN(w, from, 1<<10)
				_ = http.NewResponseController(w).Flush()
			}
		}
	}))
	return asset.Download{Identifier: name, URL: a.server.URL + "/" + name, FileSize: size, Essential: essential}, sync.OnceFunc(func() { close(released) })
}

func content(name string, size int64) fault.Bytes {
	var seed uint64
	for _, b := range []byte(name) {
		seed = seed*131 + uint64(b)
	}
	return fault.Content(seed, size)
}

// install begins to install the app, whose extension answers with list.
func (a *app) install(list ...asset.Download) {
	a.Helper()
	a.script.Answer = append(a.script.Answer, list...)
	if _, err := a.w.owner.Install(a.Context(), localapi.InstallRequest{Bundle: a.bundle()}); err != nil {
		a.Fatal(err)
	}
}

// update takes a new build of it, whose extension answers with list.
func (a *app) update(list ...asset.Download) {
	a.Helper()
	a.build++
	a.script.Answer = list
	if _, err := a.w.owner.Update(a.Context(), a.id, localapi.UpdateRequest{Bundle: a.bundle()}); err != nil {
		a.Fatal(err)
	}
}

// installed installs the app, and waits until its gate is open.
func (a *app) installed(list ...asset.Download) asset.Progress {
	a.Helper()
	a.install(list...)
	return a.open()
}

// launched is an app that was installed and launched once.
func (a *app) launched(list ...asset.Download) {
	a.Helper()
	a.installed(list...)
	a.launch()
}

// alone is an app without extension, launched: what it does, it does itself.
func alone(t *testing.T, w *world) *app {
	t.Helper()
	a := newApp(t, w)
	a.bare = true
	a.launched()
	return a
}

func (a *app) launch() localapi.Launch {
	a.Helper()
	l, err := a.w.owner.Launch(a.Context(), a.id, localapi.LaunchRequest{})
	if err != nil {
		a.Fatal(err)
	}
	return l
}

// open waits until the gate is open, and gives the last progress.
func (a *app) open() (last asset.Progress) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	for p, err := range a.w.owner.Progress(ctx, a.id) {
		if err != nil {
			a.Fatalf("following the installation: %v; last: %s", err, pretty(last))
		}
		last = p
	}
	return last
}

func (a *app) status() asset.AppStatus {
	a.Helper()
	st, err := a.w.owner.App(a.Context(), a.id)
	if err != nil {
		a.Fatal(err)
	}
	return st
}

// until waits for a state of the app, looking again at each event.
func (a *app) until(what string, ok func(asset.AppStatus) bool) (last asset.AppStatus) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	for _, err := range a.w.owner.Events(ctx, a.id) {
		if err != nil {
			a.Fatalf("waiting until %s: %v; last: %s; now: %s", what, err, pretty(last), a.now())
		}
		if last = a.status(); ok(last) {
			return last
		}
	}
	return last
}

// now tells what an installation waits for that may be stuck, the manifest included.
func (a *app) now() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience/6)
	defer cancel()
	for p, err := range a.w.owner.Progress(ctx, a.id) {
		if err != nil {
			return err.Error()
		}
		return pretty(p)
	}
	return "nothing"
}

func (a *app) untilState(identifier string, state asset.DownloadState) asset.DownloadStatus {
	a.Helper()
	return find(a.until(identifier+" is "+string(state), func(st asset.AppStatus) bool { return find(st, identifier).State == state }), identifier)
}

// untilFlowing waits until n bytes of a download are there.
func (a *app) untilFlowing(identifier string, n int64) asset.DownloadStatus {
	a.Helper()
	return find(a.until(identifier+" flows", func(st asset.AppStatus) bool { return find(st, identifier).Bytes >= n }), identifier)
}

// untilTaken waits until a finished file was handed over.
func (a *app) untilTaken(identifiers ...string) {
	a.Helper()
	a.until("all are handed over", func(st asset.AppStatus) bool {
		return !slices.ContainsFunc(identifiers, func(id string) bool {
			d := find(st, id)
			return d.State != asset.StateFinished || d.FilePath != ""
		})
	})
}

// manager is the download manager of one process of the app.
func (a *app) manager() *client.DownloadManager {
	a.Helper()
	m, err := client.Open(client.Options{Socket: a.w.dirs.AppSocket(a.id)})
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(m.Close)
	return m
}

// active is a manager of a process that a person looks at.
func (a *app) active() *client.DownloadManager {
	a.Helper()
	m := a.manager()
	if err := m.SetActive(a.Context(), true); err != nil {
		a.Fatal(err)
	}
	return m
}

func (a *app) schedule(m *client.DownloadManager, d asset.Download) asset.DownloadStatus {
	a.Helper()
	st, err := m.Schedule(a.Context(), d)
	if err != nil {
		a.Fatal(err)
	}
	return st
}
