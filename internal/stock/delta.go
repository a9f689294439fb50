package stock

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"larder/asset"
	"larder/internal/install"
	"larder/internal/transfer"
	"larder/pack"
)

// delta leads from a version on the shelf to the pack. It is fetched from its beginning on: the
// head makes the index, and then the plan tells whether the rest is worth it.
type delta struct {
	*pack.Delta
	job  *Job
	row  asset.Delta
	part *part
	base *pack.Archive
	done func()
}

func (j *Job) deltaFile(d asset.Delta) string { return j.Base + ".delta-" + d.Hash[:16] }

// unfit is a file that says of a delta that it failed for good.
func (j *Job) unfit(d asset.Delta) string { return j.Base + ".unfit-" + d.Hash[:16] }

// openDelta opens the smallest delta that serves; nil if none does.
func (j *Job) openDelta(ctx context.Context) (*delta, error) {
	d, err := j.serving()
	if err != nil {
		j.Aside(err)
		return nil, nil
	}
	if d == nil {
		return nil, nil
	}
	d.part, err = j.openPart(ctx, j.deltaFile(d.row), d.row.Size, func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return j.Net.Delta(ctx, d.row, offset, d.row.Size-offset)
	})
	if err != nil {
		d.done()
		return nil, err
	}
	d.part.alone = true
	if err := d.open(); err != nil {
		err = d.fails(err)
		d.close()
		return nil, err
	}
	return d, nil
}

// serving picks the delta: its base is on the shelf, the pack is not, and nothing is known
// against it.
func (j *Job) serving() (best *delta, err error) {
	if there, done, err := j.installed(j.Pack.Content); err != nil || there != nil {
		if there != nil {
			done()
		}
		return nil, err
	}
	for _, row := range j.Pack.Deltas {
		if row.Size < 1 || row.Size >= j.Pack.DownloadSize || best != nil && row.Size >= best.row.Size {
			continue
		}
		if _, err := j.FS.Stat(j.unfit(row)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		base, done, err := j.installed(row.From)
		if base == nil {
			if err != nil {
				return best, err
			}
			continue
		}
		if best != nil {
			best.done()
		}
		best = &delta{job: j, row: row, base: base, done: done}
	}
	return best, nil
}

func (j *Job) installed(content string) (*pack.Archive, func(), error) {
	var h pack.Hash
	if err := h.UnmarshalText([]byte(content)); err != nil {
		return nil, nil, nil // the manifest does not name it
	}
	return j.Shelf.Installed(j.Pack.ID, h)
}

// open reads the head. What an interruption left of it may be spoiled.
func (d *delta) open() (err error) {
	for {
		fresh := d.part.fresh
		d.Delta, err = pack.OpenDelta(d.part, d.row.Size)
		if err == nil && (d.Base().String() != d.row.From || d.Index().String() != d.job.Pack.Index) {
			err = &asset.Error{Code: asset.CodeHashMismatch, Op: op, Subject: string(d.job.Pack.ID), Message: "its delta is for other versions than the manifest says",
				Help: "publish the pack anew"}
		}
		if err == nil || fresh || d.part.failed != nil {
			return err
		}
		if err := d.part.again(); err != nil {
			return err
		}
	}
}

// patched fetches what is lacking of the delta, if that and the frames which it does not
// make are less than the frames without it. It gives none where the pack is to come
// without.
func (j *Job) patched(ctx context.Context, d *delta, t install.Target, told int64) ([]*pack.Delta, error) {
	if d == nil {
		return nil, nil
	}
	without, err := j.Shelf.Plan(ctx, t)
	if err != nil {
		return nil, err
	}
	t.Deltas = []*pack.Delta{d.Delta}
	with, err := j.Shelf.Plan(ctx, t)
	if err != nil {
		return nil, err
	}
	frames := with.Download - with.Delta
	if with.Delta == 0 || d.row.Size-d.part.have+frames >= without.Download {
		d.part.hangUp()
		return nil, nil
	}
	j.Planned(d.row.Size+told+frames, with)
	if why := d.part.complete(d.row.Hash); why != nil {
		return nil, d.fails(why)
	}
	return t.Deltas, nil
}

// fails judges what went wrong with a delta. The error, if any, is one after which to try again
// the same way: the network had brought a part of it, and will bring the rest. All others let
// the pack come without, and where the delta is to blame it is not asked for again.
func (d *delta) fails(why error) error {
	var f *transfer.Failure
	lost := errors.As(d.part.failed, &f)
	switch again := lost && (f.Kind == transfer.KindConnectivity || f.Kind == transfer.KindServer); {
	case d.part.ctx.Err() != nil && d.part.failed != nil:
		return d.part.failed
	case again && f.Progressed:
		return d.part.failed
	case again || lost && errors.Is(f, transfer.ErrNoRanges):
	default:
		_ = d.job.FS.Remove(d.job.deltaFile(d.row)) // Clean finds it
		if lost || d.part.failed == nil {           // else it was the disk
			d.job.note(d.row)
		}
	}
	d.job.Aside(why)
	return nil
}

// spent is how many bytes of it came.
func (d *delta) spent() int64 {
	if d == nil {
		return 0
	}
	return d.part.have
}

func (d *delta) close() {
	if d == nil {
		return
	}
	d.part.hangUp()
	_ = d.part.file.Close() // what was to be kept has been synced
	d.done()
}
