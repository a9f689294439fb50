package dispatch

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync/atomic"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/fsx"
	"larder/internal/install"
	"larder/internal/queue"
	"larder/internal/stock"
	"larder/internal/transfer"
	"larder/pack"
)

// Shelves gives the shelf of an app, for packs.
type Shelves func(app *apps.App) (*install.Store, error)

// stock lets a pack come onto its app's shelf, and settles what came of it. Its bytes
// on record are for the eye: what counts lies, proved, in the staging tree.
func (d *Dispatcher) stock(ctx context.Context, r *run) {
	unlock, err := d.oneAtATime(ctx, r)
	if err != nil {
		d.failed(ctx, r, transfer.Held{}, &transfer.Failure{Kind: transfer.KindCancelled, Err: asset.AsError(err)})
		return
	}
	defer unlock()
	if fail := d.unreachable(r); fail != nil {
		d.failed(ctx, r, transfer.Held{}, fail)
		return
	}
	dir := filepath.Dir(d.partial(&r.Entry))
	if err := fsx.MkdirAll(d.FS, dir, 0o700); err != nil {
		d.failed(ctx, r, transfer.Held{}, diskFailure(dir, err))
		return
	}
	shelf, err := d.Shelves(&r.app)
	if err != nil {
		d.failed(ctx, r, transfer.Held{}, packFailure(err, false))
		return
	}
	w := &wire{d: d, r: r, ctx: ctx, floor: r.floor()}
	m := &meeting{d: d, r: r}
	j := stock.Job{Pack: *r.Pack, Base: d.partial(&r.Entry), FS: d.FS, Net: w, Shelf: shelf, Planned: w.planned, Hold: m.hold, Aside: func(why error) {
		if d.Aside != nil && ctx.Err() == nil {
			d.Aside(r.App, r.Pack.ID, why)
		}
	}}
	result, err := stock.Run(ctx, j)
	r.traffic.Store(&asset.Traffic{Network: w.got.Load(), Useful: w.got.Load(), Reused: w.reused.Load(), Written: result.Written})
	switch {
	case errors.Is(err, stock.ErrHeld):
		d.keepBack(r)
	case err != nil && m.apart():
		d.wait(r, nil, r.Attempts, time.Time{}) // once more, alone
	case err != nil:
		d.failed(ctx, r, transfer.Held{}, packFailure(err, w.got.Load() > 0))
	default:
		d.finished(r, "", r.total.Load())
		m.finished()
	}
}

// oneAtATime waits until no other run works on the same pack: a version that was
// replaced in the middle may still be stopping.
func (d *Dispatcher) oneAtATime(ctx context.Context, r *run) (unlock func(), err error) {
	key := string(r.App) + " " + r.Identifier
	for {
		d.packs.mu.Lock()
		busy := d.packs.busy[key]
		if busy == nil {
			mine := make(chan struct{})
			if d.packs.busy == nil {
				d.packs.busy = map[string]chan struct{}{}
			}
			d.packs.busy[key] = mine
			d.packs.mu.Unlock()
			return func() {
				d.packs.mu.Lock()
				delete(d.packs.busy, key)
				d.packs.mu.Unlock()
				close(mine)
			}, nil
		}
		d.packs.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// packFailure groups what stopped a pack by what is done next.
func packFailure(err error, progressed bool) *transfer.Failure {
	var f *transfer.Failure
	if errors.As(err, &f) {
		f.Progressed = f.Progressed || progressed
		return f
	}
	e := asset.AsError(err)
	kind := transfer.KindPermanent
	switch e.Code {
	case asset.CodeNoSpace:
		kind = transfer.KindSpace
	case asset.CodeHashMismatch, asset.CodeInternal:
		kind, progressed = transfer.KindDisk, false // a few times more: wrong bytes may come right
	}
	if errors.Is(err, context.Canceled) {
		kind = transfer.KindCancelled
	}
	return &transfer.Failure{Kind: kind, Err: e, Progressed: progressed}
}

// wire is the network of one pack, under the rules for its download.
type wire struct {
	d      *Dispatcher
	r      *run
	ctx    context.Context
	floor  *transfer.Floor
	began  bool
	held   int64 // bytes on record when the run began
	got    atomic.Int64
	reused atomic.Int64
	events transfer.Events
	marked int64 // of got, when the row was written last
}

// each is how many bytes of a pack come between two writings of its row.
const each = 8 << 20

// planned tells how much there is to fetch. What an earlier run brought is staged
// and need not come again.
func (w *wire) planned(network int64, f pack.Figures) {
	if w.r.Total > 0 && w.r.Bytes == w.r.Total {
		network = w.r.Total // it was complete, and waited for others
	}
	w.reused.Store(f.Reused + f.Kept)
	w.r.total.Store(network)
	err := w.d.write(func(tx *db.Tx) error {
		return queue.Planned(tx, w.r.UniqueIdentifier, network)
	})
	if err != nil {
		w.d.lost(w.r, err)
	}
	w.begin()
}

func (w *wire) begin() {
	if w.began {
		return
	}
	w.began = true
	w.held = w.r.Bytes
	w.events = w.d.events(w.r)
	w.r.resumable.Store(true)
	w.d.hosts.reached(w.r.Host)
	w.d.observe(asset.EventBegan, w.r, asset.StateDownloading, nil)
}

func (w *wire) received(n int) {
	got := w.got.Add(int64(n))
	w.r.traffic.Store(&asset.Traffic{Network: got, Useful: got, Reused: w.reused.Load()})
	w.begin()
	total := w.r.total.Load()
	bytes := min(w.held+got, total)
	w.events.Progress(bytes, total)
	if got-w.marked >= each {
		w.marked = got
		_ = w.d.writeBooked([]*run{w.r}, true, func(tx *db.Tx, _ []*booking) error { // for the eye, and to say that bytes move
			return queue.Mark(tx, w.r.UniqueIdentifier, bytes, total, "", w.d.Boot, time.Now())
		})
	}
}

// job is what every request of the pack is made under.
func (w *wire) job() (transfer.Job, error) {
	transport, err := w.d.transport(w.r)
	j := transfer.Job{ID: w.r.UniqueIdentifier, URL: w.r.URL, Size: w.r.FileSize, Allow: w.r.allow, Pace: w.d.pace(w.r), Floor: w.floor, Transport: transport, Challenge: w.d.challenge(w.r)}
	if w.r.bound {
		j.Allowance = meter{w.d, w.r}
	}
	return j, err
}

// Open gives a stretch of the archive.
func (w *wire) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	j, err := w.job()
	if err != nil {
		return nil, err
	}
	return w.d.fetcher.Open(ctx, transfer.Stretch{Job: j, Offset: offset, Length: length, Received: w.received})
}

// Delta gives the bytes of a delta from offset on.
func (w *wire) Delta(ctx context.Context, d asset.Delta, offset int64) (io.ReadCloser, error) {
	j, err := w.job()
	if err != nil {
		return nil, err
	}
	j.URL, j.Size = d.URL, d.Size
	return w.d.fetcher.Open(ctx, transfer.Stretch{Job: j, Offset: offset, Length: d.Size - offset, Received: w.received})
}

// Whole brings the whole archive into a file.
func (w *wire) Whole(ctx context.Context, path string) error {
	j, err := w.job()
	if err != nil {
		return err
	}
	j.Path, j.Held, j.Events = path, w.d.trusted(&w.r.Entry, path), w.d.events(w.r)
	held, err := w.d.fetcher.Fetch(ctx, j)
	w.got.Store(held.Bytes)
	return err
}
