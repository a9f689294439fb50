package service

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/courier"
	"larder/internal/db"
	"larder/internal/dirs"
	"larder/internal/exthost"
	"larder/internal/fault"
	"larder/internal/localapi"
	"larder/internal/localapi/localapitest"
	"larder/internal/transfer"
)

// planned is a world in simulated time, whose apps have extensions that run
// inside the test, through the real protocol over pipes. What an app's extension
// does is told by plan; what it was asked is in log.
type planned struct {
	*world
	s         *Service
	tell      chan asset.Facts
	transport *http.Transport

	mu      sync.Mutex
	offline bool
	files   map[asset.AppID][]asset.Download
	log     []ask
	taken   map[string]int    // files handed over, by identifier
	notify  func(asset.AppID) // when the extension is asked
}

type ask struct {
	app     asset.AppID
	request asset.ContentRequest
	at      time.Time
	info    asset.ExtensionInfo
}

// bubbleWith runs f, which must use p as its testing.T, in simulated time over a database as safe as options say.
func bubbleWith(t *testing.T, options db.Options, f func(p *planned)) {
	dir := t.TempDir()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && options.Unsafe {
		if memory, err := os.MkdirTemp("/dev/shm", "larder-test-"); err == nil {
			dir = memory
			t.Cleanup(func() { os.RemoveAll(memory) })
		}
	}
	synctest.Test(t, func(t *testing.T) {
		d, err := dirs.Find(dir)
		if err != nil {
			t.Fatal(err)
		}
		pipe := fault.NewPipe()
		p := &planned{world: &world{T: t, dirs: d, server: fault.Serve(pipe)}, tell: make(chan asset.Facts), files: map[asset.AppID][]asset.Download{}, taken: map[string]int{}}
		p.server.URL = "http://127.0.0.1"
		p.transport = transfer.NewTransport(func(ctx context.Context, network, address string) (net.Conn, error) {
			if p.isOffline() {
				return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("there is no network")}
			}
			return pipe.Dial(ctx, network, address)
		})
		if options.Unsafe { // and is not made to give memory back at each rest
			if options.Opened, err = db.Open(t.Context(), filepath.Join(dir, "lent.db"), options); err != nil {
				t.Fatal(err)
			}
			defer options.Opened.Close()
		}
		p.s, err = Open(t.Context(), Config{Dirs: d, Transport: p.transport, DB: options, Device: p, Extensions: p.start,
			Listen: func(string) (net.Listener, error) { return localapitest.New(), nil }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.s.Run(ctx) }()
		defer func() { // also when f ends with Fatal
			cancel()
			<-done
			p.server.Close()
			p.transport.CloseIdleConnections()
		}()
		f(p)
	})
}

// Watch makes p the device of its service.
func (p *planned) Watch(ctx context.Context, tell func(asset.Facts)) {
	for {
		select {
		case f := <-p.tell:
			tell(f)
		case <-ctx.Done():
			return
		}
	}
}

// setOffline cuts the network, or joins it; transfers that run keep theirs.
func (p *planned) setOffline(off bool) {
	p.mu.Lock()
	p.offline = off
	p.mu.Unlock()
	p.transport.CloseIdleConnections()
}

func (p *planned) isOffline() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offline
}

func (p *planned) start(ctx context.Context, spec exthost.Spec) (courier.Extension, error) {
	in, toExtension := io.Pipe()
	fromExtension, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		extension.Run(context.Background(), in, out, planner{p, spec}, extension.Config{})
		out.Close()
	}()
	s := extension.NewSession(fromExtension, toExtension, spec.Handler)
	x := inProcess{s, func() { toExtension.Close(); s.Close(); <-done; fromExtension.Close() }}
	if _, err := s.Initialize(ctx); err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

type inProcess struct {
	*extension.Session
	close func()
}

func (x inProcess) Close() { x.close() }

// planner is the extension of every app.
type planner struct {
	p    *planned
	spec exthost.Spec
}

func (x planner) Downloads(_ context.Context, r extension.Request) ([]asset.Download, error) {
	if _, err := os.ReadFile(r.ManifestPath); err != nil {
		return nil, err
	}
	x.p.mu.Lock()
	notify := x.p.notify
	x.p.log = append(x.p.log, ask{x.spec.AppID, r.ContentRequest, time.Now(), r.Info})
	var list []asset.Download
	for _, d := range x.p.files[x.spec.AppID] {
		if x.p.taken[d.Identifier] == 0 {
			list = append(list, d)
		}
	}
	x.p.mu.Unlock()
	if notify != nil {
		notify(x.spec.AppID)
	}
	return list, nil
}

func (x planner) BackgroundDownloadFinished(_ context.Context, d asset.Download, path string, _ extension.Service) error {
	x.p.mu.Lock()
	x.p.taken[d.Identifier]++
	x.p.mu.Unlock()
	return os.Remove(path)
}

func (x planner) BackgroundDownloadFailed(context.Context, asset.Download, *asset.Error, extension.Service) error {
	return nil
}

// app installs an app with an extension and waits until it is ready.
func (p *planned) app(id asset.AppID) asset.AppID {
	p.Helper()
	dir := p.bundle(app{id: id, bare: true})
	ext := filepath.Join(dir, "Extensions", "Loader.appex")
	p.writeJSON(filepath.Join(ext, "Info.json"), map[string]any{"CFBundleIdentifier": id + ".loader", "CFBundleExecutable": "loader", "CFBundleVersion": "1",
		"EXAppExtensionAttributes": map[string]any{"EXExtensionPointIdentifier": "com.apple.background-asset-downloader-extension"}})
	p.write(filepath.Join(ext, "loader"), []byte("in process"), 0o755)
	if _, err := p.s.Install(p.Context(), localapi.InstallRequest{Bundle: dir}); err != nil {
		p.Fatal(err)
	}
	synctest.Wait()
	return id
}

func (p *planned) launch(id asset.AppID) {
	p.Helper()
	if _, err := p.s.Launch(p.Context(), id, localapi.LaunchRequest{Anyway: true}); err != nil {
		p.Fatal(err)
	}
}

// offer lets the extension of id name one file more from now on.
func (p *planned) offer(id asset.AppID, d asset.Download) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[id] = append(p.files[id], d)
}

// asks gives what extensions were asked, of one app or of all.
func (p *planned) asks(id asset.AppID) (out []ask) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.log {
		if id == "" || a.app == id {
			out = append(out, a)
		}
	}
	return out
}

func (p *planned) status(id asset.AppID) asset.AppStatus {
	p.Helper()
	synctest.Wait()
	st, err := p.s.one(p.Context(), id)
	if err != nil {
		p.Fatal(err)
	}
	return st
}

// manifestAnswers replaces the server's answer to manifest requests of id.
func (p *planned) manifestAnswers(id asset.AppID, f http.HandlerFunc) {
	p.server.Handle("/"+string(id)+"/manifest.json", f)
}

func (p *planned) device(f asset.Facts) {
	p.tell <- f
	synctest.Wait()
}

// pass lets time pass, and all that it brings happen.
func (p *planned) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
