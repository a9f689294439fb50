// Package host is a server that has an app's asset packs uploaded, judged, released and
// delivered, as Apple hosts them, in one directory of one machine.
//
// It promises that devices read only a site, whose delivery asks no database; that what it
// answered to a publisher is on the disk; and that after a crash at any moment the next
// start goes on where it was. It owns its directory: a second host on it is refused. What it
// answers is in api, what it does by itself in process, what it knows in catalog.
//
// The command line runs it.
package host

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/front"
	"larder/internal/fsx"
	"larder/internal/host/access"
	"larder/internal/host/api"
	"larder/internal/host/catalog"
	"larder/internal/host/process"
	"larder/internal/host/staging"
	"larder/internal/host/trace"
	"larder/internal/host/webhook"
	"larder/internal/site"
)

// Options of a host. Dir, Base and Log are required.
type Options struct {
	Dir  string
	Base string // the URL by which callers and devices reach it
	Log  *slog.Logger
	// Admin is given the key of the host's administrator when the directory is new, before
	// the host accepts it: it exists nowhere else.
	Admin    func(access.Credential) error
	Limits   api.Limits
	Settings process.Settings
	Webhooks webhook.Allowed // receivers beside all public ones
	Trace    *trace.Tracer   // may be nil
	Now      func() time.Time
	// At is told which step was just done, and Commit asked before each commit: a test may
	// let the host die there.
	At     func(point string)
	Commit func() error
}

// Host is an open host.
type Host struct {
	Options
	lock    *fsx.FileLock
	catalog *catalog.Catalog
	worker  *process.Worker
	site    *os.Root
	handler http.Handler
	counts  counts
	tally   tally
}

const op = "host"

// Open opens the directory, or makes it.
func Open(ctx context.Context, o Options) (h *Host, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.At == nil {
		o.At = func(string) {}
	}
	o.Base = strings.TrimSuffix(o.Base, "/")
	h = &Host{Options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	disk := fsx.OS()
	for _, dir := range []string{"site", "work"} {
		if err := fsx.MkdirAll(disk, filepath.Join(o.Dir, dir), 0o755); err != nil {
			return h, told(o.Dir, err)
		}
	}
	if err := os.Chmod(o.Dir, 0o700); err != nil { // keys lie below it
		return h, told(o.Dir, err)
	}
	if h.lock, err = fsx.Lock(filepath.Join(o.Dir, "lock")); errors.Is(err, fsx.ErrLocked) {
		return h, &asset.Error{Code: asset.CodeState, Op: op, Subject: o.Dir, Message: err.Error(), Help: "another host runs on this directory: stop it, or name another directory"}
	} else if err != nil {
		return h, told(o.Dir, err)
	}
	if h.catalog, err = catalog.Open(ctx, filepath.Join(o.Dir, "host.db"), o.Commit); err != nil {
		return h, err
	}
	h.catalog.Now = h.Now
	if h.site, err = os.OpenRoot(filepath.Join(o.Dir, "site")); err != nil {
		return h, told(o.Dir, err)
	}
	return h, h.assemble(ctx, disk)
}

func (h *Host) assemble(ctx context.Context, disk fsx.FS) error {
	var issuer, secret string
	if err := h.catalog.Write(ctx, func(tx catalog.Tx) (err error) {
		if issuer, err = tx.Fact("issuer", catalog.NewID); err == nil {
			secret, err = tx.Fact("uploads", api.NewSecret)
		}
		return err
	}); err != nil {
		return told(h.Dir, err)
	}
	if err := h.firstKey(ctx, issuer); err != nil {
		return err
	}
	area := &staging.Area{Dir: filepath.Join(h.Dir, "uploads"), Disk: disk}
	h.worker = &process.Worker{Catalog: h.catalog, Staging: area, Site: filepath.Join(h.Dir, "site"), Keys: filepath.Join(h.Dir, "keys"),
		Scratch: filepath.Join(h.Dir, "work"), Disk: disk, Now: h.Now, Log: h.Log, Settings: h.Settings, At: h.At,
		Trace: h.Trace, Hooks: webhook.Sender{Allowed: h.Webhooks, Base: h.Base, Now: h.Now}}
	asking := (&api.API{Catalog: h.catalog, Staging: area, Issuer: issuer, Secret: []byte(secret), Base: h.Base, Now: h.Now, Log: h.Log, Wake: h.worker.Wake,
		Free: func() (int64, error) { return fsx.Free(h.Dir) }, Note: h.note, At: h.At, Limits: h.Limits, Webhooks: h.Webhooks, Trace: h.Trace}).Handler()
	fetching := h.counts.watched(devices, http.StripPrefix(strings.TrimSuffix(site.Prefix, "/"), site.Handler(h.site)), h.tally.answered)
	asking = h.counts.watched(publishers, asking, nil)
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case forDevices(r.URL.Path):
			fetching.ServeHTTP(w, r)
		case r.URL.Path == "/healthz":
			h.healthy(w, r)
		case r.URL.Path == "/readyz":
			h.ready(w, r)
		default:
			asking.ServeHTTP(w, r)
		}
	})
	return nil
}

// forDevices reports whether a path is one of the site: a blob, or a document of an app.
func forDevices(path string) bool {
	rest, ours := strings.CutPrefix(path, site.Prefix)
	return ours && (strings.HasPrefix(rest, "blobs/") || strings.HasPrefix(rest, "apps/") && strings.Count(rest, "/") >= 3)
}

// firstKey makes the administrator's key when there is none.
func (h *Host) firstKey(ctx context.Context, issuer string) error {
	var keys []catalog.Key
	if err := h.catalog.Read(ctx, func(tx catalog.Tx) (err error) { keys, err = tx.Keys(); return err }); err != nil || len(keys) > 0 || h.Admin == nil {
		return err
	}
	return addAdmin(ctx, h.catalog, issuer, "made at the first start", h.Admin, h.Now())
}

// addAdmin makes a key for an administrator, and gives it to take before the host accepts it.
func addAdmin(ctx context.Context, c *catalog.Catalog, issuer, name string, take func(access.Credential) error, now time.Time) error {
	made, err := access.New(issuer)
	if err != nil {
		return err
	}
	public, err := made.Public()
	if err != nil {
		return err
	}
	if err := take(made); err != nil {
		return err
	}
	return c.Write(ctx, func(tx catalog.Tx) error {
		return tx.AddKey(catalog.Key{ID: made.KeyID, Name: name, Role: access.Admin, Public: public, Created: now})
	})
}

// NewAdmin makes one more key of an administrator, for a host whose key was lost; the host may run. Who
// may write the directory may do this.
func NewAdmin(ctx context.Context, dir string, take func(access.Credential) error, now time.Time) (err error) {
	if err := isHost(dir); err != nil {
		return err
	}
	c, err := catalog.Open(ctx, filepath.Join(dir, "host.db"), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	issuer := ""
	if err := c.Write(ctx, func(tx catalog.Tx) (err error) { issuer, err = tx.Fact("issuer", catalog.NewID); return err }); err != nil {
		return told(dir, err)
	}
	return addAdmin(ctx, c, issuer, "made by hand", take, now)
}

// isHost refuses a directory that no host has.
func isHost(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "host.db")); err != nil {
		return &asset.Error{Code: asset.CodeNotFound, Op: op, Subject: dir, Message: "it is not the directory of a host", Help: "name the one that \"larder host --dir\" has"}
	}
	return nil
}

// Handler serves publishers and devices.
func (h *Host) Handler() http.Handler { return h.handler }

// Run does the host's work until ctx ends, and serves l if it is not nil. Requests under
// way have some seconds to end.
func (h *Host) Run(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	worked := make(chan error, 1)
	go func() { worked <- h.worker.Run(ctx) }()
	var beside sync.WaitGroup
	beside.Go(func() { h.noting(ctx) })
	if h.Trace != nil {
		beside.Go(func() { h.Trace.Run(ctx) })
	}
	end := func(err error) error {
		err = errors.Join(err, <-worked)
		cancel()
		beside.Wait()
		return errors.Join(err, h.note(context.WithoutCancel(ctx)))
	}
	if l == nil {
		return end(nil)
	}
	server := &front.Server{Quick: forDevices, Handler: h.handler, Rest: &http.Server{Handler: h.handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(h.Log.Handler(), slog.LevelDebug)}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		patience, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		if server.Shutdown(patience) != nil {
			err = server.Close()
		}
		<-served
	}
	cancel()
	return end(err)
}

// Close closes it. Run must have ended.
func (h *Host) Close() (err error) {
	if h.site != nil {
		err = h.site.Close()
	}
	if h.catalog != nil {
		err = errors.Join(err, h.catalog.Close())
	}
	if h.lock != nil {
		err = errors.Join(err, h.lock.Unlock())
	}
	return err
}

func told(dir string, err error) error {
	if err == nil || asset.CodeOf(err) != asset.CodeInternal {
		return err
	}
	return &asset.Error{Code: asset.CodeInternal, Op: op, Subject: dir, Message: "the disk says", Err: err, Help: "check that the folder is writable and its disk has space"}
}
