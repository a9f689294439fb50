package stock

import (
	"context"
	"errors"
	"io"
	"os"

	"larder/asset"
	"larder/internal/fsx"
)

// haveIndex has the index in a file, proved: as it was found, made by the delta if there
// is one, or fetched. told is how many bytes of it the network has to bring beside those
// of the delta.
func (j *Job) haveIndex(ctx context.Context, d *delta) (f fsx.File, told int64, err error) {
	size := j.Pack.IndexSize
	made, err := j.makeIndex(ctx, d)
	if err != nil {
		return nil, 0, err
	}
	p, err := j.openPart(ctx, j.index(), size, func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return j.Net.Open(ctx, j.Pack.DownloadSize-size+offset, size-offset)
	})
	if err != nil {
		return nil, 0, err
	}
	if err := p.complete(j.Pack.Index); err != nil {
		p.hangUp()
		_ = p.file.Close() // nothing in it counts that is not proved anew
		if errors.Is(err, errWrong) {
			err = &asset.Error{Code: asset.CodeHashMismatch, Op: op, Subject: string(j.Pack.ID), Message: "its index is not the one that the manifest names",
				Help: "publish the pack and its manifest anew"}
		}
		return nil, 0, err
	}
	if !made {
		told = size
	}
	if p.came > 0 {
		j.Made(size, 0)
	}
	return p.file, told, nil
}

// shelved takes the index from the shelf, if the pack is there already: another one's commit
// showed it, or the power went before that was noted.
func (j *Job) shelved() (bool, error) {
	there, done, err := j.installed(j.Pack.Content)
	if err != nil || there == nil {
		return false, err
	}
	defer done()
	name := j.index() + ".made"
	f, err := j.FS.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return false, kept(err)
	}
	ok, err := j.Shelf.CopyIndex(j.Pack.ID, there.Content(), f)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = kept(closeErr)
	}
	if err != nil || !ok {
		return false, errors.Join(err, j.FS.Remove(name))
	}
	if err := j.FS.Rename(name, j.index()); err != nil {
		return false, kept(err)
	}
	return true, nil
}

// makeIndex lets the delta make the index, unless all of that is there. What was fetched
// of it stays where it is until the new one is whole.
func (j *Job) makeIndex(ctx context.Context, d *delta) (made bool, err error) {
	if d == nil {
		return false, nil
	}
	if info, err := j.FS.Stat(j.index()); err == nil && info.Size() == j.Pack.IndexSize {
		return true, nil
	}
	name := j.index() + ".made"
	f, err := j.FS.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return false, kept(err)
	}
	why := d.WriteIndex(ctx, io.NewOffsetWriter(f, 0), d.base)
	if err := f.Close(); why == nil && err != nil {
		return false, kept(err)
	}
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case d.part.failed != nil:
		return false, d.fails(why)
	case why != nil:
		j.Aside(why) // its blocks may serve all the same
		return false, nil
	}
	if err := j.FS.Rename(name, j.index()); err != nil {
		return false, kept(err)
	}
	return true, nil
}
