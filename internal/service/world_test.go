package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/dirs"
	"larder/internal/fault"
	"larder/internal/localapi"
)

var launchNow = localapi.LaunchRequest{}

// world is one service, one server, and any number of apps, all real.
type world struct {
	*testing.T
	dirs    dirs.Dirs
	server  *fault.Server
	config  Config
	client  *localapi.Client
	service *Service // when it runs inside the test process
	log     string   // of the real program
	stop    func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	d, err := dirs.Find(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, dirs: d, server: fault.Start(), client: localapi.NewClient(d)}
	t.Cleanup(w.server.Close)
	w.config = Config{Dirs: d, Version: "test", Deadline: 20 * time.Second}
	return w
}

// start runs the service inside the test process.
func (w *world) start() {
	w.Helper()
	var log bytes.Buffer
	w.config.Log = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Open(ctx, w.config)
	if err != nil {
		w.Fatal(err)
	}
	w.service = s
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.stop = func() {
		if w.stop == nil {
			return
		}
		w.stop = nil
		begun := time.Now()
		cancel()
		if err := <-ended; err != nil {
			w.Error("the service ended with", err)
		}
		if took := time.Since(begun); took > 20*time.Second { // a busy machine is slow; one that waits for a deadline is slower
			w.Errorf("the service took %v to stop", took)
		}
		if w.Failed() {
			w.Logf("the service's log:\n%s", log.String())
		}
	}
	w.Cleanup(func() {
		if w.stop != nil {
			w.stop()
		}
	})
}

// app writes a bundle whose extension is this test binary.
type app struct {
	id       asset.AppID
	build    int
	manifest manifest
	keys     map[string]any // replace or, when nil, remove keys of Info.json
	bare     bool           // no extension
	script   []byte         // is the extension, in place of this test binary
}

func (w *world) bundle(a app) string {
	w.Helper()
	if a.id == "" {
		a.id = "org.example.game"
	}
	dir := filepath.Join(w.dirs.Data, "..", "bundles", fmt.Sprint(a.id, "-", a.build))
	info := map[string]any{
		"CFBundleIdentifier": a.id, "CFBundleShortVersionString": "1.0.0", "CFBundleVersion": fmt.Sprint(a.build), "CFBundleExecutable": "game",
		"BAManifestURL":    w.server.URL + "/" + string(a.id) + "/manifest.json",
		"BAMaxInstallSize": 1 << 40, "BAEssentialMaxInstallSize": 1 << 40,
		"BAInitialDownloadRestrictions": map[string]any{"BADownloadAllowance": 1 << 40, "BAEssentialDownloadAllowance": 1 << 40, "BADownloadDomainAllowList": []string{"127.0.0.1", "localhost"}},
	}
	for k, v := range a.keys {
		if info[k] = v; v == nil {
			delete(info, k)
		}
	}
	w.writeJSON(filepath.Join(dir, "Info.json"), info)
	w.write(filepath.Join(dir, "game"), []byte("#!/bin/sh\necho playing \"$@\"\n"), 0o755)
	if !a.bare {
		ext := filepath.Join(dir, "Extensions", "Loader.appex")
		w.writeJSON(filepath.Join(ext, "Info.json"), map[string]any{
			"CFBundleIdentifier": a.id + ".loader", "CFBundleExecutable": "loader", "CFBundleVersion": "1",
			"EXAppExtensionAttributes": map[string]any{"EXExtensionPointIdentifier": "com.apple.background-asset-downloader-extension"}})
		if a.script != nil {
			w.write(filepath.Join(ext, "loader"), a.script, 0o755)
		} else {
			w.linkSelf(filepath.Join(ext, "loader"))
		}
	}
	text, err := json.Marshal(a.manifest)
	if err != nil {
		w.Fatal(err)
	}
	w.server.Handle("/"+string(a.id)+"/manifest.json", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write(text) }))
	return dir
}

func (w *world) writeJSON(path string, v any) {
	w.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		w.Fatal(err)
	}
	w.write(path, text, 0o644)
}

func (w *world) write(path string, text []byte, mode os.FileMode) {
	w.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, mode)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) linkSelf(path string) {
	w.Helper()
	self, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	os.Remove(path)
	if os.Link(self, path) == nil {
		return
	}
	from, err := os.Open(self)
	if err != nil {
		w.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil || to.Close() != nil {
		w.Fatal(err)
	}
}

// put serves content under a name and gives a download of it.
func (w *world) put(name string, size int64, essential bool, script string) asset.Download {
	c := content(name, size)
	w.server.Put("/"+name, fault.File{Content: c, Script: script})
	return asset.Download{Identifier: name, URL: w.server.URL + "/" + name, FileSize: size, Essential: essential}
}

func content(name string, size int64) fault.Bytes {
	var seed uint64
	for _, b := range []byte(name) {
		seed = seed*131 + uint64(b)
	}
	return fault.Content(seed, size)
}

func (w *world) install(a app) asset.AppID {
	w.Helper()
	if a.id == "" {
		a.id = "org.example.game"
	}
	if _, err := w.client.Install(w.Context(), localapi.InstallRequest{Bundle: w.bundle(a)}); err != nil {
		w.Fatal(err)
	}
	return a.id
}

// open waits until the gate is open and everything handed over, and gives the last progress.
func (w *world) open(id asset.AppID) asset.Progress {
	w.Helper()
	return w.openWithin(2*time.Minute, id)
}

func (w *world) openWithin(patience time.Duration, id asset.AppID) asset.Progress {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	var last asset.Progress
	for p, err := range w.client.Progress(ctx, id) {
		if err != nil {
			w.Fatalf("following %s: %v (last %s)", id, err, pretty(last))
		}
		last = p
	}
	if !last.Done {
		w.Fatalf("progress ended early: %+v", last)
	}
	return last
}

// until waits for a state of an app, looking again at each event.
func (w *world) until(id asset.AppID, what string, ok func(asset.AppStatus) bool) asset.AppStatus {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	var last asset.AppStatus
	for _, err := range w.client.Events(ctx, id) {
		if err != nil {
			w.Fatalf("waiting until %s: %v; last: %s", what, err, pretty(last))
		}
		if last, err = w.client.App(ctx, id); err != nil {
			w.Fatal(err)
		}
		if ok(last) {
			return last
		}
	}
	return last
}

func pretty(v any) string {
	text, _ := json.MarshalIndent(v, "", " ")
	return string(text)
}

func find(st asset.AppStatus, identifier string) asset.DownloadStatus {
	for _, d := range st.Downloads {
		if d.Identifier == identifier {
			return d
		}
	}
	return asset.DownloadStatus{}
}

// holds checks that the container has exactly the bytes that were served.
func (w *world) holds(id asset.AppID, name string, size int64) {
	w.Helper()
	f, err := os.Open(filepath.Join(w.dirs.Container("group."+asset.GroupID(id)), name))
	if err != nil {
		w.Error(err)
		return
	}
	defer f.Close()
	h := sha256.New()
	if n, err := io.Copy(h, f); err != nil || n != size {
		w.Errorf("%s has %d bytes, %v; want %d", name, n, err, size)
	}
	if want := content(name, size).Sum256(); !bytes.Equal(h.Sum(nil), want[:]) {
		w.Errorf("%s has other bytes than were served", name)
	}
}
