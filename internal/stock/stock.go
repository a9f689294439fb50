// Package stock brings one asset pack from a site to the shelf: its index first, then
// what the plan says is lacking, by ranges of the archive, and where a server has no
// ranges the archive as a whole. Where the site has a delta from what is installed, index
// and bytes come of that, if it is cheaper; a delta that fails costs bytes and nothing else. What was proved stays proved: after a crash or an
// interruption, and under another version that was published meanwhile, the next run
// goes on from it. Every byte on the shelf is proved against the index, and the index
// against the manifest.
//
// It knows neither queue nor policy: its caller says how bytes are fetched, and tries
// again. dispatch calls it.
package stock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/install"
	"larder/internal/shelf"
	"larder/internal/transfer"
	"larder/pack"
)

const op = "stock asset pack"

// Net fetches from the pack's URL, and from those of its deltas.
type Net interface {
	// Open gives a stretch of the archive.
	Open(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	// Delta gives a stretch of a delta.
	Delta(ctx context.Context, d asset.Delta, offset, length int64) (io.ReadCloser, error)
	// Requests is how many there may be at once, at least one.
	Requests() int
	// Whole brings the archive into the file, and goes on from what is in it.
	Whole(ctx context.Context, path string) error
}

// Job is one pack to stock. All fields are required but Planned, Made, Aside and Hold.
type Job struct {
	Pack asset.Pack
	// Base is the beginning of the names of the files kept between two runs; their folder
	// exists.
	Base  string
	FS    fsx.FS
	Net   Net
	Shelf *install.Store
	// Planned hears how many bytes the network will bring in all, and what the plan spares;
	// again when that changes.
	Planned func(network int64, f pack.Figures)
	// Made hears how many bytes more of those that Net brought, in this run or one before, the
	// tree is made of, its index and delta counted in, and how many file bytes were written.
	Made func(useful, written int64)
	// Aside hears why a delta is not used, or no more.
	Aside func(why error)
	// Hold is told of the pack when its tree is complete, and gives what is to be made visible
	// with it. False keeps it back, see ErrHeld. Without Hold it is made visible alone.
	Hold func(shelf.Pack) (with []shelf.Pack, now bool)
}

// ErrHeld is what Run returns when the pack is complete and was kept back. Run it again to
// make it visible; that fetches nothing.
var ErrHeld = errors.New("the pack is complete, and waits for others")

// Run does the job. Errors that come from Net keep their type; others are
// *asset.Error.
func Run(ctx context.Context, j Job) (pack.Result, error) {
	if j.Planned == nil {
		j.Planned = func(int64, pack.Figures) {}
	}
	if j.Made == nil {
		j.Made = func(int64, int64) {}
	}
	if j.Aside == nil {
		j.Aside = func(error) {}
	}
	if j.Pack.Index != "" && j.Pack.Index == j.Pack.Content { // as a host writes of what it does not look into (doc/host.md)
		return pack.Result{}, &asset.Error{Code: asset.CodeDoesNotFit, Op: op, Subject: string(j.Pack.ID), Message: "it is an Apple Archive, which Larder does not open",
			Help: "publish the pack as larder pack makes it, for this platform"}
	}
	var out pack.Result
	err := errNoIndex
	if j.Pack.Index != "" {
		out, err = j.byRanges(ctx)
	}
	if errors.Is(err, errNoIndex) || errors.Is(err, transfer.ErrNoRanges) {
		out, err = j.whole(ctx)
	}
	if err == nil {
		err = j.Clean()
	}
	return out, err
}

var errNoIndex = errors.New("the manifest names no index")

func (j *Job) index() string   { return j.Base + ".index-" + j.Pack.Index[:16] }
func (j *Job) archive() string { return j.Base + ".archive" }

// Clean removes what was kept between runs, of any version.
func (j *Job) Clean() error {
	entries, err := j.FS.ReadDir(filepath.Dir(j.Base))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return kept(err)
	}
	for _, e := range entries {
		name := filepath.Join(filepath.Dir(j.Base), e.Name())
		if ok, _ := filepath.Match(filepath.Base(j.Base)+".*", e.Name()); ok {
			if err := j.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return kept(err)
			}
		}
	}
	return nil
}

func kept(err error) error {
	return &asset.Error{Code: asset.CodeInternal, Op: op, Message: "the disk says", Err: err, Help: "check the disk and the permissions of the folder"}
}

func (j *Job) byRanges(ctx context.Context) (pack.Result, error) {
	shelved, err := j.shelved()
	if err != nil {
		return pack.Result{}, err
	}
	var d *delta
	if !shelved {
		if d, err = j.openDelta(ctx); err != nil {
			return pack.Result{}, err
		}
	}
	defer d.close()
	f, told, err := j.haveIndex(ctx, d)
	if err != nil {
		return pack.Result{}, err
	}
	defer f.Close()
	a, err := j.open(f, j.Pack.IndexSize)
	if err != nil {
		return pack.Result{}, err
	}
	t := j.target(a, f, j.Pack.IndexSize)
	if t.Deltas, err = j.patched(ctx, d, t, told); err != nil {
		return pack.Result{}, err
	}
	t.Planned = func(f pack.Figures) {
		frames, rest := f.Download-f.Delta, d.spent()
		if t.Deltas != nil {
			rest = d.row.Size
		}
		j.Planned(rest+told+f.Leaves+frames, f)
	}
	beside := int64(0) // what served of the delta, but for its blocks
	if d != nil && (t.Deltas != nil || told == 0) {
		beside = d.Head()
	}
	if t.Deltas == nil && !shelved {
		out, done, err := j.byFine(ctx, t, beside)
		if done || err != nil {
			return out, err
		}
	}
	return j.install(ctx, t, fetcher{j.Net}, beside)
}

type fetcher struct{ Net }

func (f fetcher) Fetch(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	return f.Open(ctx, offset, length)
}

func (j *Job) target(a *pack.Archive, index io.ReaderAt, size int64) install.Target {
	return install.Target{ID: j.Pack.ID, Version: j.Pack.Version, Language: j.Pack.Language, Content: a.Content(), Index: index, Size: size, Made: j.Made}
}

// install stages the pack and makes it visible. beside are fetched bytes that served
// beside frames and blocks.
func (j *Job) install(ctx context.Context, t install.Target, from pack.Fetcher, beside int64) (pack.Result, error) {
	staged, err := j.Shelf.Stage(ctx, t, from)
	if err != nil {
		return staged.Result, err
	}
	if staged.Ready {
		t.Planned(pack.Figures{})
	} else {
		j.Made(beside, 0)
	}
	all := []shelf.Pack{staged.Pack}
	if j.Hold != nil {
		with, now := j.Hold(staged.Pack)
		if !now {
			return staged.Result, ErrHeld
		}
		all = append(all, with...)
	}
	_, err = j.Shelf.Commit(ctx, all, nil)
	return staged.Result, err
}

// open reads the index and holds it against the manifest.
func (j *Job) open(r io.ReaderAt, size int64) (*pack.Archive, error) {
	a, err := pack.Open(r, size)
	if err != nil {
		return nil, err
	}
	if got := a.Content().String(); j.Pack.Content != "" && got != j.Pack.Content {
		return nil, j.disagrees("content", j.Pack.Content, got)
	}
	if got := a.Totals().Size; got != j.Pack.DownloadSize {
		return nil, j.disagrees("downloadSize", fmt.Sprint(j.Pack.DownloadSize), fmt.Sprint(got))
	}
	return a, nil
}

func (j *Job) disagrees(member, manifest, index string) error {
	return &asset.Error{Code: asset.CodeHashMismatch, Op: op, Subject: string(j.Pack.ID), Message: fmt.Sprintf("the manifest and the index of the pack disagree on %s: %.64s, %.64s", member, manifest, index),
		Help: "publish the manifest anew from the pack itself"}
}

// whole fetches the archive and installs from it.
func (j *Job) whole(ctx context.Context) (pack.Result, error) {
	planned := func(f pack.Figures) { j.Planned(j.Pack.DownloadSize, f) }
	planned(pack.Figures{})
	if err := j.Net.Whole(ctx, j.archive()); err != nil {
		return pack.Result{}, err
	}
	f, err := j.FS.OpenFile(j.archive(), os.O_RDONLY, 0)
	if err != nil {
		return pack.Result{}, kept(err)
	}
	defer f.Close()
	a, err := j.open(f, j.Pack.DownloadSize)
	if err == nil {
		var out pack.Result
		t := j.target(a, f, j.Pack.DownloadSize)
		t.Planned = planned
		if out, err = j.install(ctx, t, pack.FetchFrom(f), a.Totals().IndexSize); err == nil {
			return out, nil
		}
	}
	if code := asset.CodeOf(err); code == asset.CodeHashMismatch || code == asset.CodeSizeMismatch {
		_ = j.FS.Remove(j.archive()) // the next run fetches another
	}
	return pack.Result{}, err
}
