package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"larder/asset"
	"larder/extension"
	"larder/internal/courier"
	"larder/internal/exthost"
	"larder/internal/localapi"
)

// actor is one app of a history: its extension, its process, and the person that
// launches it.
type actor struct {
	h                    *history
	id                   asset.AppID
	strict               bool
	allowance, essential int64
	files                []asset.Download
	left                 atomic.Bool // a process went, perhaps in the middle of a result

	// Guarded by the history's mutex.
	installed, launched bool
	build, installs     int
	holder              string // of the lock, as holders themselves see it
	process             *appProcess
}

// take is what app and extension do with a finished file that they want. It
// checks the bytes, if the file is still there.
func (a *actor) take(d asset.Download, path string) error {
	got, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the other one has it
	}
	if err != nil {
		return err
	}
	want, _ := io.ReadAll(content(d.Identifier, size(d.Identifier)).Reader())
	if !bytes.Equal(got, want) {
		a.h.fault("%s of %s has %d bytes, or other ones than the server's %d", d.Identifier, a.id, len(got), len(want))
	}
	a.h.told(d.UniqueIdentifier, a)
	if err := os.Rename(path, filepath.Join(a.h.dirs.Container(a.group()), d.Identifier)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (a *actor) group() asset.GroupID { return asset.GroupID("group." + a.id) }

// hold notes that who has the lock; it is the only one.
func (a *actor) hold(who string, fuse *fuse) {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	if fuse.dead.Load() || fuse != a.h.fuse {
		return // granted by a service that is no more
	}
	if a.holder != "" {
		a.h.faults = append(a.h.faults, "the lock of "+string(a.id)+" is held by "+a.holder+" and by "+who)
	}
	a.holder = who
}

func (a *actor) letGo(who string) {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	if a.holder == who {
		a.holder = ""
	}
}

// loaderOf is one session of an actor's extension.
type loaderOf struct {
	a    *actor
	fuse *fuse
	name string
	die  func()
}

// startLoader begins a session, through the real protocol.
func (h *history) startLoader(fuse *fuse) func(context.Context, exthost.Spec) (courier.Extension, error) {
	return func(ctx context.Context, spec exthost.Spec) (courier.Extension, error) {
		if err := fuse.burn(); err != nil {
			return nil, err
		}
		in, toExtension := io.Pipe()
		fromExtension, out := io.Pipe()
		x := &loaderOf{a: h.actor(spec.AppID), fuse: fuse, name: "extension " + h.name(), die: func() { in.CloseWithError(io.EOF); out.Close() }}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = extension.Run(context.Background(), in, out, x, extension.Config{})
			out.Close()
		}()
		s := extension.NewSession(fromExtension, toExtension, spec.Handler)
		end := func() {
			x.a.letGo(x.name)
			toExtension.Close()
			s.Close()
			in.Close()
			<-done
			fromExtension.Close()
		}
		if _, err := s.Initialize(ctx); err != nil {
			end()
			return nil, err
		}
		return mortalExtension{inProcess{s, end}, fuse, s.Err}, nil
	}
}

// dies ends the process in the middle of a call.
func (x *loaderOf) dies() error {
	x.a.letGo(x.name)
	x.die()
	return errors.New("it died")
}

func (x *loaderOf) Downloads(_ context.Context, r extension.Request) ([]asset.Download, error) {
	h := x.a.h
	if _, err := os.ReadFile(r.ManifestPath); err != nil {
		return nil, err
	}
	switch h.pick(12) {
	case 0:
		return nil, errors.New("not today")
	case 1:
		return nil, x.dies()
	}
	var list []asset.Download
	for _, d := range x.a.files {
		if h.pick(3) > 0 && (!d.Essential || r.ContentRequest.AllowsEssential() || h.pick(8) == 0) {
			d.Priority = asset.Priority(h.pick(3))
			list = append(list, d)
		}
	}
	return list, nil
}

func (x *loaderOf) BackgroundDownloadFinished(ctx context.Context, d asset.Download, path string, s extension.Service) error {
	h := x.a.h
	if x.a.strict {
		h.told(d.UniqueIdentifier, x.a) // now, or never
	}
	switch h.pick(12) {
	case 0:
		return errors.New("not now")
	case 1:
		return x.dies()
	case 2: // it takes the file, and dies before it can say so
		return errors.Join(x.a.take(d, path), x.dies())
	case 3: // it does not want it: to return is to let it go
		h.told(d.UniqueIdentifier, x.a)
		return nil
	case 4, 5:
		if err := s.AcquireExclusiveControl(ctx, time.Now().Add(time.Duration(h.pick(2000))*time.Millisecond)); err != nil {
			return err
		}
		x.a.hold(x.name, x.fuse)
		time.Sleep(time.Duration(h.pick(3000)) * time.Millisecond)
		if h.pick(4) == 0 {
			return x.dies()
		}
		err := x.a.take(d, path)
		x.a.letGo(x.name)
		return errors.Join(err, s.ReleaseExclusiveControl(ctx))
	}
	return x.a.take(d, path)
}

func (x *loaderOf) BackgroundDownloadFailed(ctx context.Context, d asset.Download, _ *asset.Error, s extension.Service) error {
	h := x.a.h
	if x.a.strict {
		h.told(d.UniqueIdentifier, x.a)
	}
	switch h.pick(8) {
	case 0:
		return errors.New("not now")
	case 1:
		return x.dies()
	case 2:
		if !d.Manifest && x.a.serves(d.Identifier) {
			_ = s.ScheduleDownload(ctx, d.RemovingEssential()) // it may be refused
		}
	}
	h.told(d.UniqueIdentifier, x.a)
	return nil
}

func (a *actor) serves(identifier string) bool { return strings.Contains(identifier, "-") }

// appProcess is a running process of an app, on the app's own socket.
type appProcess struct {
	a       *actor
	fuse    *fuse
	name    string
	api     *localapi.Client
	end     context.CancelFunc
	session chan string
	over    chan struct{}
	gone    atomic.Bool
}

// connect starts a process whose delegate handles some events.
func (a *actor) connect(handles ...asset.EventType) {
	h := a.h
	ctx, cancel := context.WithCancel(context.Background())
	p := &appProcess{a: a, fuse: h.fuse, name: "app " + h.name(), api: h.client(h.dirs.AppSocket(a.id)), end: cancel, session: make(chan string, 1), over: make(chan struct{})}
	a.process = p
	go func() {
		defer close(p.over)
		defer a.left.Store(true)
		for l, err := range p.api.Connect(ctx, handles...) {
			switch {
			case err != nil || p.fuse.dead.Load():
				return
			case l.Session != "":
				p.session <- l.Session
			case l.Type == asset.EventFinished || l.Type == asset.EventFailed:
				if !p.result(ctx, l) {
					p.gone.Store(true)
					a.letGo(p.name)
					return
				}
			}
		}
	}()
}

// result handles one result; false when the process leaves in the middle of it.
func (p *appProcess) result(ctx context.Context, l localapi.SessionLine) bool {
	h := p.a.h
	switch h.pick(8) {
	case 0:
		return false
	case 1:
		time.Sleep(time.Duration(h.pick(5000)) * time.Millisecond)
	}
	if ctx.Err() != nil {
		return false
	}
	if l.Type == asset.EventFailed {
		h.told(l.Download.UniqueIdentifier, p.a)
	} else if err := p.a.take(*l.Download, l.Status.FilePath); err != nil {
		h.fault("taking %s: %v", l.Download.Identifier, err)
	}
	if h.pick(8) == 0 {
		return false // before it could say so
	}
	_ = p.api.Acknowledge(ctx, l.Download.UniqueIdentifier) // the service may be gone
	return true
}

// dies ends the process without goodbye.
func (p *appProcess) dies() {
	p.gone.Store(true)
	p.a.letGo(p.name)
	p.end()
	<-p.over
	p.a.process = nil
}

// named is the session, "" if it never began.
func (p *appProcess) named() string {
	select {
	case s := <-p.session:
		p.session <- s
		return s
	case <-p.over:
		return ""
	}
}

// control takes the lock for a while, if it gets it.
func (p *appProcess) control(ctx context.Context, wait, keep time.Duration, release bool) {
	s := p.named()
	if s == "" {
		return
	}
	deadline := time.Now().Add(wait)
	if p.api.AcquireControl(ctx, s, localapi.ControlRequest{Deadline: &deadline}) != nil {
		return
	}
	if p.gone.Load() {
		return // it was granted to a process that is no more
	}
	p.a.hold(p.name, p.fuse)
	if p.gone.Load() {
		p.a.letGo(p.name)
	}
	time.Sleep(keep)
	if release {
		p.a.letGo(p.name)
		_ = p.api.ReleaseControl(ctx, s) // the service may be gone
	}
}
