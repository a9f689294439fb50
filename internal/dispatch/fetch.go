package dispatch

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"larder/asset"
	"larder/internal/db"
	"larder/internal/fsx"
	"larder/internal/purge"
	"larder/internal/queue"
	"larder/internal/stock"
	"larder/internal/transfer"
)

// quiet is the least time between two progress events of one download.
const quiet = 200 * time.Millisecond

// start marks the row and lets a goroutine fetch.
func (d *Dispatcher) start(ctx context.Context, s started) error {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &run{started: s, begun: time.Now(), cancel: cancel, done: make(chan struct{})}
	r.bytes.Store(d.there(&s.Entry))
	r.total.Store(s.Expected())
	r.bound = s.app.Allowances().Restricted
	r.traffic.Store(s.Traffic)
	if !d.running.add(r) {
		cancel(nil)
		return nil
	}
	granted := func() {}
	err := d.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if err := queue.Start(tx, s.UniqueIdentifier, d.Boot); err != nil {
			return err
		}
		granted, err = d.begin(tx, r)
		return err
	})
	if err != nil {
		cancel(nil)
		d.running.remove(r)
		if asset.CodeOf(err) != asset.CodeInternal {
			return nil // cancelled or removed since the candidates were read
		}
		return err
	}
	granted()
	d.observe(asset.EventBegan, r, asset.StateDownloading, nil)
	go func() {
		defer cancel(nil)
		d.fetch(ctx, r)
		d.running.remove(r)
		d.Changed()
	}()
	return nil
}

// fetch makes one attempt and settles what came of it.
func (d *Dispatcher) fetch(ctx context.Context, r *run) {
	if r.Kind == queue.Pack {
		d.stock(ctx, r)
		return
	}
	path, inbox := d.partial(&r.Entry), d.inbox(&r.Entry)
	if size, ok := d.moved(&r.Entry, inbox); ok {
		d.finished(r, inbox, size)
		return
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(inbox)} {
		if err := fsx.MkdirAll(d.FS, dir, 0o700); err != nil {
			d.failed(ctx, r, transfer.Held{}, diskFailure(dir, err))
			return
		}
	}
	if fail := d.unreachable(r); fail != nil {
		d.failed(ctx, r, transfer.Held{}, fail)
		return
	}
	if over := d.exhausted(r); over != nil {
		d.failed(ctx, r, transfer.Held{}, &transfer.Failure{Kind: transfer.KindPermanent, Err: over})
		return
	}
	transport, err := d.transport(r)
	if err != nil {
		d.failed(ctx, r, transfer.Held{}, &transfer.Failure{Kind: transfer.KindPermanent, Err: asset.AsError(err)})
		return
	}
	job := transfer.Job{ID: r.UniqueIdentifier, URL: r.URL, Method: r.Method, Headers: r.Headers, Body: r.Body, Path: path,
		Held: d.trusted(&r.Entry, path), Size: r.FileSize, Allow: r.allow, Pace: d.pace(r), Floor: r.floor(), Events: d.events(r),
		Transport: transport, Challenge: d.challenge(r)}
	switch {
	case r.Kind == queue.Manifest:
		job.MaxBytes, job.Unless, job.Events.Named = cmp.Or(r.MaxBytes, MaxManifest), r.Unless, func(validator string) { r.named = validator }
	case r.FileSize == 0: // nobody said how much will come: it may not fill the disk
		free, err := d.Free(d.Dirs.Data)
		if err != nil {
			d.failed(ctx, r, job.Held, diskFailure(path, err))
			return
		}
		job.MaxBytes = job.Held.Bytes + max(free-d.Reserve, 1)
	}
	if r.bound {
		job.Allowance = meter{d, r}
	}
	held, err := d.fetcher.Fetch(ctx, job)
	if errors.Is(err, transfer.ErrUnchanged) {
		r.named = r.Unless
		d.finished(r, "", 0)
		return
	}
	var fail *transfer.Failure
	if errors.As(err, &fail) {
		if r.Kind == queue.Manifest && errors.Is(fail, transfer.ErrSlow) {
			fail = r.crawling(fail)
		}
		d.failed(ctx, r, held, fail)
		return
	}
	if r.Kind == queue.File {
		_ = purge.Mark(path) // one that cannot be marked is never purged
	}
	if err := fsx.Move(d.FS, path, inbox); err != nil {
		d.failed(ctx, r, held, diskFailure(inbox, err))
		return
	}
	d.finished(r, inbox, held.Bytes)
}

// moved tells that an earlier run died between the move to the inbox and the row.
func (d *Dispatcher) moved(e *queue.Entry, inbox string) (int64, bool) {
	info, err := d.FS.Stat(inbox)
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), info.Size() == e.Bytes
}

// trusted says what is held. Within one boot the file's own length counts, since
// kill -9 loses nothing that was written; after a power cut only synced bytes do.
func (d *Dispatcher) trusted(e *queue.Entry, path string) transfer.Held {
	h := transfer.Held{Bytes: e.Bytes, Validator: e.Validator, Total: e.Total}
	if d.Boot == "" || e.Boot != d.Boot || e.Validator == "" {
		return h
	}
	info, err := d.FS.Stat(path)
	if err != nil {
		return h
	}
	if n := info.Size(); n > h.Bytes && (h.Total == 0 || n <= h.Total) {
		h.Bytes = n
	}
	return h
}

// there is how many bytes of a download a transfer goes on from.
func (d *Dispatcher) there(e *queue.Entry) int64 {
	if e.Kind != queue.File {
		return e.Bytes
	}
	path := d.partial(e)
	info, err := d.FS.Stat(path)
	if err != nil {
		return 0
	}
	return min(info.Size(), d.trusted(e, path).Bytes)
}

func (d *Dispatcher) events(r *run) transfer.Events {
	var told time.Time
	return transfer.Events{
		NotBefore: d.notBefore(r),
		Began: func(offset, total int64) {
			d.hosts.reached(r.Host)
			r.bytes.Store(offset)
			r.total.Store(max(total, r.FileSize))
			r.resumable.Store(r.Method != "POST")
		},
		Reset: func(string) { r.bytes.Store(0) },
		Progress: func(bytes, total int64) {
			d.running.serve(r.App, bytes-r.bytes.Swap(bytes))
			if now := time.Now(); now.Sub(told) >= quiet {
				told = now
				d.observe(asset.EventProgress, r, asset.StateDownloading, nil)
			}
		},
	}
}

func (d *Dispatcher) observe(t asset.EventType, r *run, state asset.DownloadState, reason *asset.Reason) {
	if d.Observe == nil {
		return
	}
	st := r.Status()
	st.State, st.Bytes, st.TotalBytes, st.Reason, st.FilePath, st.Traffic = state, r.bytes.Load(), r.total.Load(), reason, "", r.traffic.Load()
	d.Observe(t, r.App, st)
}

func (d *Dispatcher) partial(e *queue.Entry) string {
	return filepath.Join(d.Dirs.Partial(e.Group, e.App), e.UniqueIdentifier)
}

func (d *Dispatcher) inbox(e *queue.Entry) string {
	return filepath.Join(d.Dirs.Inbox(e.Group, e.App), e.UniqueIdentifier)
}

// Discard removes the bytes of downloads that were cancelled or dropped. What there
// is of a pack stays: it is proved, and serves the next try.
func (d *Dispatcher) Discard(e *queue.Entry) error {
	if e.Kind == queue.Pack {
		j := stock.Job{Base: d.partial(e), FS: d.FS}
		return j.Clean()
	}
	var errs []error
	for _, p := range []string{d.partial(e), d.inbox(e)} {
		if err := d.FS.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func diskFailure(path string, err error) *transfer.Failure {
	return &transfer.Failure{Kind: transfer.KindDisk, Err: &asset.Error{Code: asset.CodeInternal, Domain: asset.DomainLarder, Op: "store download", Subject: path,
		Message: "the disk says", Err: err, Help: "check the disk and the permissions of the folder"}}
}
