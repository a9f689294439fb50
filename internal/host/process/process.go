// Package process does what a host has to do by itself: it judges files that came,
// makes deltas, brings releases onto the site, and takes away what nobody needs.
//
// It promises that each piece of work is a job in the catalog, so that it is done after a crash
// at any moment, and once: its effects on the catalog are one transaction of a holder who
// still holds it, and its effects on the disk may be repeated. The order is: bytes durable,
// then the row that names them; a row that names a blob before the blob has its name; the
// site before the state that says so. Nothing that came is executed, and of a pack nothing
// is unpacked.
//
// It does not decide who may release what: api does. The host runs it.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"larder/internal/fsx"
	"larder/internal/host/catalog"
	"larder/internal/host/staging"
	"larder/internal/host/trace"
	"larder/internal/host/webhook"
	"larder/internal/publish"
	"larder/internal/site"
)

// Kinds of jobs, each with its subject; and [catalog.JobDeliver].
const (
	jobFile     = "file"     // judge an archive that came; its file's ID
	jobManifest = "manifest" // judge a packaging manifest that came; its file's ID
	jobPublish  = "publish"  // bring a context onto the site; APP/CONTEXT
	jobResign   = "resign"   // sign a context's time again; APP/CONTEXT
	jobRevive   = "revive"   // bring an earlier version back; its release's ID
	jobCollect  = "collect"  // take away what nobody needs; ""
)

// lanes are the kinds of jobs that are done one after the other. What hashes, makes deltas or reads the whole
// disk takes long, and a gigabyte of memory: one at a time, and no release waits for it. What
// signs is short, and the signed metadata have one writer. A receiver of webhooks may be slow: several are
// told at once.
var lanes = [][]string{{jobFile, jobRevive, jobCollect}, {jobPublish, jobResign, jobManifest},
	{catalog.JobDeliver}, {catalog.JobDeliver}, {catalog.JobDeliver}, {catalog.JobDeliver}}

// Worker does the jobs of a host. All fields but At and Trace are required.
type Worker struct {
	Catalog *catalog.Catalog
	Staging *staging.Area
	Site    string // the directory of the site
	Keys    string // the directory of the apps' signing keys, one each
	Scratch string // a directory on the site's file system, for what is being made
	Disk    fsx.FS
	Now     func() time.Time
	Log     *slog.Logger
	Hooks   webhook.Sender
	Trace   *trace.Tracer // may be nil
	Settings
	// At is told which step was just done: a test may let the host die there.
	At func(point string)

	wake  [6]chan struct{} // by lane
	once  sync.Once
	blobs sync.RWMutex // read: a blob is getting a name that a row has; written: one is deleted
	sites sync.Mutex   // the signed metadata of an app has one writer
}

// Settings of the work; zero values are replaced.
type Settings struct {
	Lease     time.Duration // of a job: how long a holder that died is waited for
	DeltaTime time.Duration // that a version waits for its deltas
	Grace     time.Duration // how long a blob stays after nothing needs it: devices may be at it
	Stale     time.Duration // after which a file that never came is given up
	Sweep     time.Duration // between two collections
	Resend    time.Duration // after the first attempt to tell a webhook; later ones are farther apart
}

func (s Settings) withDefaults() Settings {
	or := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	or(&s.Lease, time.Minute)
	or(&s.DeltaTime, 10*time.Minute)
	or(&s.Grace, 24*time.Hour)
	or(&s.Stale, 7*24*time.Hour)
	or(&s.Sweep, time.Hour)
	or(&s.Resend, 10*time.Second)
	return s
}

func (w *Worker) init() {
	w.once.Do(func() {
		w.Settings = w.Settings.withDefaults()
		for i := range w.wake {
			w.wake[i] = make(chan struct{}, 1)
		}
		if w.At == nil {
			w.At = func(string) {}
		}
	})
}

// Wake has the worker look for jobs at once.
func (w *Worker) Wake() {
	w.init()
	for _, lane := range w.wake {
		select {
		case lane <- struct{}{}:
		default:
		}
	}
}

// Recover makes good what a host left that died: jobs it held, and files that it was making. No
// other holder of jobs can be alive.
func (w *Worker) Recover(ctx context.Context) error {
	w.init()
	if err := w.tidy(); err != nil {
		return err
	}
	return w.Catalog.Write(ctx, func(tx catalog.Tx) error {
		if err := tx.FreeJobs(); err != nil {
			return err
		}
		return tx.Enqueue(jobCollect, "", w.Now())
	})
}

// Run recovers, and then does jobs until ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.Recover(ctx); err != nil {
		return err
	}
	var working sync.WaitGroup
	for i, kinds := range lanes {
		working.Go(func() { w.work(ctx, w.wake[i], kinds) })
	}
	working.Wait()
	return nil
}

// work does the jobs of a lane.
func (w *Worker) work(ctx context.Context, wake <-chan struct{}, kinds []string) {
	for ctx.Err() == nil {
		did, next, err := w.step(ctx, kinds...)
		if err != nil && ctx.Err() == nil {
			w.Log.Error("the jobs cannot be read; it is tried again", "error", err)
			did, next = false, w.Now().Add(time.Second)
		}
		if did {
			w.Wake() // others may have jobs by it
		} else {
			w.wait(ctx, wake, next)
		}
	}
}

func (w *Worker) wait(ctx context.Context, wake <-chan struct{}, next time.Time) {
	pause := time.Hour
	if !next.IsZero() {
		pause = min(pause, max(next.Sub(w.Now()), 10*time.Millisecond))
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

// Step does one job that is due, if there is one; otherwise it tells when the next will be.
// What goes wrong with the job is logged, and the job tried again later.
func (w *Worker) Step(ctx context.Context) (did bool, next time.Time, err error) {
	w.init()
	return w.step(ctx)
}

func (w *Worker) step(ctx context.Context, kinds ...string) (did bool, next time.Time, err error) {
	var j catalog.Job
	err = w.Catalog.Write(ctx, func(tx catalog.Tx) (err error) {
		j, err = tx.Claim(w.Now(), w.Lease, kinds...)
		return err
	})
	if errors.Is(err, catalog.ErrNone) {
		err = w.Catalog.Read(ctx, func(tx catalog.Tx) (err error) { next, err = tx.Next(kinds...); return err })
		return false, next, err
	}
	if err != nil {
		return false, next, err
	}
	w.At("job claimed")
	end := w.Trace.Begin("job "+j.Kind, trace.Internal, "")
	err = w.held(ctx, j, w.do)
	var later postponed
	end(err != nil && !errors.As(err, &later), "larder.job.kind", j.Kind, "larder.job.attempt", strconv.Itoa(j.Attempts))
	switch {
	case err == nil, errors.Is(err, catalog.ErrLost), ctx.Err() != nil:
		return true, next, ctx.Err()
	case errors.As(err, &later):
		err = w.Catalog.Write(ctx, func(tx catalog.Tx) error { return tx.Retry(j, w.Now().Add(time.Duration(later))) })
	default:
		again := min(time.Hour, time.Second<<min(j.Attempts, 12))
		w.Log.Error("a job failed and is tried again", "job", j.Kind, "subject", j.Subject, "attempt", j.Attempts, "again", again, "error", err)
		err = w.Catalog.Write(ctx, func(tx catalog.Tx) error { return tx.Retry(j, w.Now().Add(again)) })
	}
	if errors.Is(err, catalog.ErrLost) {
		err = nil
	}
	return true, next, err
}

// postponed is no failure: the job waits for something else.
type postponed time.Duration

func (p postponed) Error() string { return "it waits for something else" }

func (w *Worker) do(ctx context.Context, j catalog.Job) error {
	switch j.Kind {
	case jobFile, jobManifest:
		return w.file(ctx, j)
	case jobPublish, jobResign:
		return w.publish(ctx, j)
	case jobRevive:
		return w.revive(ctx, j)
	case jobCollect:
		return w.collect(ctx, j)
	case catalog.JobDeliver:
		return w.deliver(ctx, j)
	}
	return fmt.Errorf("job of an unknown kind %q", j.Kind)
}

// held does a job and prolongs its lease meanwhile. It ends the work when the job was lost.
func (w *Worker) held(ctx context.Context, j catalog.Job, do func(context.Context, catalog.Job) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(w.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				err := w.Catalog.Write(ctx, func(tx catalog.Tx) error { return tx.Extend(j, w.Now().Add(w.Lease)) })
				if errors.Is(err, catalog.ErrLost) {
					cancel(err)
					return
				}
			}
		}
	}()
	err := do(ctx, j)
	cancel(nil)
	<-ended
	return err
}

// finish is the last transaction of a job.
func (w *Worker) finish(ctx context.Context, j catalog.Job, f func(catalog.Tx) error) error {
	return w.Catalog.Write(ctx, func(tx catalog.Tx) error {
		if err := tx.Hold(j); err != nil {
			return err
		}
		if f != nil {
			if err := f(tx); err != nil {
				return err
			}
		}
		return tx.Finish(j)
	})
}

func (w *Worker) folder() publish.Folder { return publish.Folder{Dir: w.Site, Disk: w.Disk} }

func (w *Worker) blobPath(hash string) string {
	return filepath.Join(w.Site, filepath.FromSlash(site.BlobPath(hash)))
}

func (w *Worker) hasBlob(hash string) bool {
	info, err := w.Disk.Stat(w.blobPath(hash))
	return err == nil && info.Mode().IsRegular()
}
