package stock

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"larder/asset"
	"larder/internal/install"
	"larder/internal/transfer"
	"larder/pack"
)

// A fine file is listed among the deltas, as the one from the pack's own content: who has that needs
// no delta, so that readers which do not know of it pass it over.

// fine is the fine file of the pack, as far as it has come.
type fine struct {
	*pack.Fine
	job  *Job
	row  asset.Delta
	rest *patches
}

func (j *Job) fineFile(d asset.Delta) string { return j.Base + ".fine-" + d.Hash[:16] }

// openFine opens the fine file, if the pack has one and an older version is here that it may go on
// from; else it gives nil.
func (j *Job) openFine(ctx context.Context) (*fine, error) {
	if _, older := j.Shelf.View().Pack(j.Pack.ID); !older {
		return nil, nil
	}
	for _, row := range j.Pack.Deltas {
		if row.From != j.Pack.Content || row.Size < 1 {
			continue
		}
		if _, err := j.FS.Stat(j.unfit(row)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		f := &fine{job: j, row: row}
		var err error
		if f.rest, err = j.openPatches(j.fineFile(row), row); err != nil {
			return nil, err
		}
		f.Fine = pack.NewFine(f.rest, row.Size)
		return f, ctx.Err()
	}
	return nil, nil
}

// byFine installs with the fine file, if frames of some size are lacking and it spares some. Not done
// means that the frames are to serve.
func (j *Job) byFine(ctx context.Context, t install.Target, beside int64) (out pack.Result, done bool, err error) {
	f, err := j.openFine(ctx)
	if f == nil {
		return out, false, err
	}
	defer f.close()
	without, err := j.Shelf.Plan(ctx, t)
	if err != nil || without.Download < pack.LeastFine {
		return out, false, err
	}
	t.Fine = f.Fine
	with, err := j.Shelf.Plan(ctx, t)
	if err != nil {
		return out, false, f.fails(ctx, err)
	}
	if with.Fine == 0 {
		return out, false, nil
	}
	out, err = j.install(ctx, t, fetcher{j.Net}, beside+with.Leaves)
	if err == nil || f.rest.failed() == nil {
		return out, true, err
	}
	return out, false, f.fails(ctx, err)
}

// fails judges what went wrong with a fine file, as with a delta: the error, if any, is one after
// which to try again the same way.
func (f *fine) fails(ctx context.Context, why error) error {
	var t *transfer.Failure
	failed := f.rest.failed()
	lost := errors.As(failed, &t)
	again := lost && (t.Kind == transfer.KindConnectivity || t.Kind == transfer.KindServer)
	switch {
	case ctx.Err() != nil:
		return why
	case failed != nil && asset.CodeOf(failed) == asset.CodeInternal, again && t.Progressed: // the disk, or a line that brought some
		return failed
	case again || lost && errors.Is(t, transfer.ErrNoRanges):
	default:
		_ = f.job.FS.Remove(f.job.fineFile(f.row)) // Clean finds it
		f.job.note(f.row)
	}
	f.job.Aside(why)
	return nil
}

func (f *fine) close() { f.rest.close() }

// note keeps the next run from asking for a delta or fine file. Without the note it fails again, no more.
func (j *Job) note(d asset.Delta) {
	if f, err := j.FS.OpenFile(j.unfit(d), os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
		_ = f.Close() // it is empty
	}
}
