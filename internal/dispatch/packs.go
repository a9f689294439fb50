package dispatch

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
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
	j := stock.Job{Pack: *r.Pack, Base: d.partial(&r.Entry), FS: d.FS, Net: w, Shelf: shelf, Planned: w.planned, Made: w.made, Hold: m.hold, Aside: func(why error) {
		if d.Aside != nil && ctx.Err() == nil {
			d.Aside(r.App, r.Pack.ID, why)
		}
	}}
	_, err = stock.Run(ctx, j)
	switch {
	case errors.Is(err, stock.ErrHeld):
		d.keepBack(r)
	case err != nil && m.apart():
		d.wait(r, nil, r.Attempts, time.Time{}) // once more, alone
	case err != nil:
		d.failed(ctx, r, transfer.Held{}, packFailure(err, w.got > 0))
	default:
		d.finished(r, "", r.total.Load())
		m.finished()
	}
}

// packKey names a pack, whatever its version.
func (r *run) packKey() string { return string(r.App) + " " + r.Identifier }

// busy reports whether a run works on the same pack.
func (d *Dispatcher) busy(r *run) bool {
	d.packs.mu.Lock()
	defer d.packs.mu.Unlock()
	return d.packs.busy[r.packKey()] != nil
}

// oneAtATime waits until no other run works on the same pack: a version that was
// replaced in the middle may still be stopping.
func (d *Dispatcher) oneAtATime(ctx context.Context, r *run) (unlock func(), err error) {
	key := r.packKey()
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
	got    int64 // by this run
	events transfer.Events
	marked int64 // of got, when the row was written last

	mu   sync.Mutex // of the run's traffic, which is counted from two sides
	line sync.Mutex // of began, held, got, events and marked: several requests may bring bytes
}

// count changes what the pack has cost.
func (w *wire) count(f func(t *asset.Traffic)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var t asset.Traffic
	if was := w.r.traffic.Load(); was != nil {
		t = *was
	}
	f(&t)
	w.r.traffic.Store(&t)
}

// made counts what became of fetched bytes. A power cut may have them come twice, and be
// proved twice.
func (w *wire) made(useful, written int64) {
	w.count(func(t *asset.Traffic) {
		t.Useful = min(t.Useful+useful, t.Network)
		t.Written += written
	})
}

// spent writes what packs have cost into their rows.
func spent(tx *db.Tx, runs []*run) error {
	for _, r := range runs {
		t := r.traffic.Load()
		if r.Kind != queue.Pack || t == nil {
			continue
		}
		if err := queue.Spend(tx, r.UniqueIdentifier, t); err != nil {
			return err
		}
	}
	return nil
}

// each is how many bytes of a pack come between two writings of its row.
const each = 8 << 20

// planned tells how much there is to fetch. What an earlier run brought is staged
// and need not come again.
func (w *wire) planned(network int64, f pack.Figures) {
	if w.r.Total > 0 && w.r.Bytes == w.r.Total {
		network = w.r.Total // it was complete, and waited for others
	}
	w.count(func(t *asset.Traffic) { t.Reused = f.Reused + f.Kept })
	w.r.total.Store(network)
	err := w.d.write(func(tx *db.Tx) error {
		return queue.Planned(tx, w.r.UniqueIdentifier, network)
	})
	if err != nil {
		w.d.lost(w.r, err)
	}
	w.line.Lock()
	defer w.line.Unlock()
	w.begin()
}

// begin is called with the line locked.
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
	w.line.Lock()
	defer w.line.Unlock()
	w.got += int64(n)
	w.count(func(t *asset.Traffic) { t.Network += int64(n) })
	w.begin()
	total := w.r.total.Load()
	bytes := min(w.held+w.got, total)
	w.events.Progress(bytes, total)
	if w.got-w.marked >= each {
		w.marked = w.got
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

// Delta gives a stretch of a delta.
func (w *wire) Delta(ctx context.Context, d asset.Delta, offset, length int64) (io.ReadCloser, error) {
	j, err := w.job()
	if err != nil {
		return nil, err
	}
	j.URL, j.Size = d.URL, d.Size
	return w.d.fetcher.Open(ctx, transfer.Stretch{Job: j, Offset: offset, Length: length, Received: w.received})
}

// Requests is how many may run at once. An allowance is drawn from by one at a time.
func (w *wire) Requests() int {
	if w.r.bound {
		return 1
	}
	return transfer.Connections
}

// Whole brings the whole archive into a file.
func (w *wire) Whole(ctx context.Context, path string) error {
	j, err := w.job()
	if err != nil {
		return err
	}
	j.Path, j.Held, j.Events = path, w.d.trusted(&w.r.Entry, path), w.d.events(w.r)
	at, told := int64(0), j.Events
	j.Events.Began = func(offset, total int64) {
		at = offset
		told.Began(offset, total)
	}
	j.Events.Progress = func(bytes, total int64) {
		w.got += bytes - at
		w.count(func(t *asset.Traffic) { t.Network += bytes - at })
		at = bytes
		told.Progress(bytes, total)
	}
	_, err = w.d.fetcher.Fetch(ctx, j)
	return err
}
