// Package service is the background service: one short loop that looks at what
// is durable and does what comes next (fetch a manifest, ask an extension, hand
// over results, run downloads), and the local API over it. It alone writes the
// data directory. It may be killed at any moment: everything it needs is in the
// database and on the disk, and every step may be done twice.
package service

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/courier"
	"larder/internal/db"
	"larder/internal/device"
	"larder/internal/dirs"
	"larder/internal/dispatch"
	"larder/internal/exthost"
	"larder/internal/fence"
	"larder/internal/fsx"
	"larder/internal/localapi"
	"larder/internal/policy"
	"larder/internal/queue"
)

// Config says where and how a service runs. Only Dirs is required.
type Config struct {
	Dirs    dirs.Dirs
	Version string
	Log     *slog.Logger
	FS      fsx.FS // nil: the operating system's
	// Transport fetches; nil for the network.
	Transport http.RoundTripper
	// Listen makes the sockets; nil for localapi.Listen.
	Listen func(path string) (net.Listener, error)
	// Boot names the machine's boot; nil asks the system.
	Boot func() string
	// Free tells the free bytes of a disk; nil asks the disk.
	Free func(dir string) (int64, error)
	// Stall and Deadline as in transfer.Fetcher and courier.Courier.
	Stall    time.Duration
	Deadline time.Duration
	Limits   policy.Limits
	// Critical is how many bytes must be free: downloads leave them, and below
	// them purgeable files are deleted. 0 means 64 MiB.
	Critical int64
	// Device tells facts of the device; nil: all are unknown.
	Device device.Source
	// Extensions begins sessions with extensions; nil runs processes.
	Extensions func(context.Context, exthost.Spec) (courier.Extension, error)
	DB         db.Options
	// Languages are those that the person reads, best first, as tags or POSIX
	// locales; nil asks the environment.
	Languages func() []string
	// Idle is called each time work has come to an end; nil does nothing.
	Idle func()
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.FS == nil {
		c.FS = fsx.OS()
	}
	if c.Listen == nil {
		c.Listen = localapi.Listen
	}
	if c.Boot == nil {
		c.Boot = fsx.BootID
	}
	if c.Critical == 0 {
		c.Critical = defaultCritical
	}
	if c.Languages == nil {
		c.Languages = systemLanguages
	}
	if c.Idle == nil {
		c.Idle = func() {}
	}
	return c
}

// Service is an opened service.
type Service struct {
	config     Config
	db         *db.DB
	lock       *fsx.FileLock
	hub        localapi.Hub
	server     *localapi.Server
	dispatcher *dispatch.Dispatcher
	courier    *courier.Courier
	sockets    sockets
	device     device.Monitor
	network    network
	lull       lull
	locks      apps.Locks
	processes  processes
	catalogue  catalogue
	rounds     rounds
	shelves    shelves
	signatures signatures

	wake    chan struct{} // one slot: something changed
	disk    chan bool     // one slot: look at the free space; true: whatever was found before
	closing atomic.Bool
	busy    busy // extensions that run
	work    sync.WaitGroup
}

// Open takes the data directory, brings database and folders into order after
// whatever happened before, and listens. Code 1015 when another service has it.
func Open(ctx context.Context, c Config) (*Service, error) {
	c = c.withDefaults()
	if err := fsx.MkdirAll(c.FS, c.Dirs.Data, 0o700); err != nil {
		return nil, configuration("make data directory", c.Dirs.Data, err)
	}
	lock, err := take(ctx, c.Dirs)
	if errors.Is(err, fsx.ErrLocked) {
		return nil, &asset.Error{Code: asset.CodeState, Op: "start service", Subject: c.Dirs.Data, Message: "another service runs on this data directory", Err: err,
			Help: "use that one, stop it first, or name another folder with --data"}
	}
	if err != nil {
		return nil, configuration("lock data directory", c.Dirs.Data, err)
	}
	s := &Service{config: c, lock: lock, wake: make(chan struct{}, 1), disk: make(chan bool, 1)}
	if s.db, err = db.Open(ctx, c.Dirs.Database(), c.DB); err != nil {
		lock.Unlock()
		return nil, err
	}
	s.dispatcher = &dispatch.Dispatcher{DB: s.db, Dirs: c.Dirs, FS: c.FS, Transport: c.Transport, Stall: c.Stall, Limits: c.Limits, Boot: c.Boot(), Free: s.spare, Reserve: c.Critical,
		Device: s.forbids, Offline: s.offline, Challenge: s.challenge, Changed: s.Wake, Observe: s.observe, Shelves: s.store,
		Aside: func(app asset.AppID, p asset.PackID, why error) {
			c.Log.Info("a pack comes without its delta", "app", app, "pack", p, "error", why)
		}}
	s.courier = &courier.Courier{DB: s.db, Dirs: c.Dirs, FS: c.FS, Locks: &s.locks, Allowances: s.dispatcher, Cancel: s.cancel, Scheduled: s.Wake, Deadline: c.Deadline,
		Start: c.Extensions, Background: s.prohibited,
		Log: func(app asset.AppID, line string) { c.Log.Info("extension", "app", app, "line", line) }}
	s.server = localapi.NewServer(s, &s.hub, s.self())
	if err := s.recover(ctx); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// takeover is how long Open waits for a service that has just ended: a process that
// it was starting holds the lock until it has become another program.
const takeover = time.Second

// take does not wait for one that is alive and listens: when that one is told to
// end, nobody shall stand ready in its place.
func take(ctx context.Context, d dirs.Dirs) (*fsx.FileLock, error) {
	for end := time.Now().Add(takeover); ; {
		lock, err := fsx.Lock(d.LockFile())
		var held *fsx.LockedError
		if !errors.As(err, &held) || time.Now().After(end) || alive(held.PID) && listens(d.OwnerSocket()) {
			return lock, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// alive may be wrong where processes take no signals: then nobody is.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return pid > 0 && err == nil && p.Signal(syscall.Signal(0)) == nil
}

func listens(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func configuration(op, subject string, err error) error {
	return &asset.Error{Code: asset.CodeConfiguration, Op: op, Subject: subject, Message: "it cannot be used", Err: err,
		Help: "check that the folder is yours and that its disk has space, or name another with --data"}
}

func (s *Service) self() asset.ServiceStatus {
	return asset.ServiceStatus{Version: s.config.Version, PID: os.Getpid(), DataDir: s.config.Dirs.Data}
}

// fenced is asked of the machine when somebody first wants to know: that takes a
// process.
var fenced = sync.OnceValue(func() *asset.FenceStatus {
	level := fence.Probe()
	f := &asset.FenceStatus{Level: level.Name, Missing: []asset.FenceGap{}}
	for _, m := range level.Missing {
		f.Missing = append(f.Missing, asset.FenceGap{What: m.What, Why: m.Why})
	}
	return f
})

// recover puts back what was running, and sweeps what belongs to no app.
func (s *Service) recover(ctx context.Context) error {
	var known []apps.App
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		if err := queue.Interrupted(tx); err != nil {
			return err
		}
		if err := s.dispatcher.Settle(tx); err != nil {
			return err
		}
		known, err = apps.List(tx)
		return err
	})
	if err != nil {
		return err
	}
	err = s.sweep(known)
	for _, app := range known {
		err = errors.Join(err, s.tidy(ctx, &app))
	}
	return err
}

// Run does the service's work until ctx ends, and returns nil then.
func (s *Service) Run(ctx context.Context) error {
	defer s.Close()
	s.followDevice(ctx)
	s.work.Go(func() { s.watchDisk(ctx) })
	for {
		next, err := s.pass(ctx)
		if err != nil && ctx.Err() == nil {
			s.config.Log.Error("pass failed; trying again", "error", err)
			next = time.Now().Add(time.Second)
		}
		if !s.sleep(ctx, next) {
			return nil
		}
	}
}

// calmAfter is how long nothing has to happen until the service counts as idle.
const calmAfter = 2 * time.Second

// sleep waits until something changes or next has come; false when ctx ended.
func (s *Service) sleep(ctx context.Context, next time.Time) bool {
	var alarm <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(max(time.Until(next), 0))
		defer t.Stop()
		alarm = t.C
	}
	var calm <-chan time.Time
	if !s.dispatcher.Busy() && !s.busy.any() {
		t := time.NewTimer(calmAfter)
		defer t.Stop()
		calm = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-s.wake:
			return true
		case <-alarm:
			return true
		case <-calm:
			s.rest(ctx)
		}
	}
}

// rest gives back what is only kept for the next piece of work.
func (s *Service) rest(ctx context.Context) {
	s.dispatcher.Rest()
	if err := s.db.Rest(ctx); err != nil && ctx.Err() == nil {
		s.config.Log.Warn("giving memory back failed", "error", err)
	}
	s.config.Idle()
}

// Wake makes the loop look again.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close stops transfers, keeping their bytes, ends extensions and sockets, and
// frees the data directory. Run calls it; it may be called twice.
func (s *Service) Close() {
	if s.lock == nil {
		return
	}
	s.closing.Store(true)
	s.server.Close()
	s.busy.stop()
	s.dispatcher.Close()
	s.work.Wait()
	s.shelves.closeAll()
	s.sockets.clear(s.config.Dirs.Run)
	s.db.Close()
	s.lock.Unlock()
	s.lock = nil
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
