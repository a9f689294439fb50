package publish

import (
	"context"
	"errors"
	"io"
	"os"

	"larder/asset"
	"larder/internal/site"
)

// parcel is a file for the store.
type parcel struct {
	name string // for people
	file *os.File
	size int64
	hash string
}

// parcels are all blobs that the next manifest rests on: packs and the deltas to them.
func (p *publication) parcels() (all []parcel) {
	for _, in := range p.inputs {
		all = append(all, parcel{in.name, in.file, in.size, in.hash})
		for _, d := range in.deltas {
			all = append(all, parcel{in.name + ", " + d.what, d.file, d.row.Size, d.row.Hash})
		}
	}
	return all
}

// tally counts what the site lacks.
func (p *publication) tally(ctx context.Context) error {
	return p.lacking(ctx, func(parcel, string) error { return nil })
}

// upload brings the blobs that the site lacks.
func (p *publication) upload(ctx context.Context) error {
	return p.lacking(ctx, func(b parcel, name string) error {
		var r io.Reader = io.NewSectionReader(b.file, 0, b.size)
		if p.Events.Uploading != nil {
			advance, end := p.Events.Uploading(b.name, b.size)
			defer end()
			r = counted{io.NopCloser(r), advance}
		}
		return told(name, p.To.Put(ctx, name, r, b.size))
	})
}

func (p *publication) lacking(ctx context.Context, each func(b parcel, name string) error) error {
	for _, b := range p.parcels() {
		name := site.BlobPath(b.hash)
		have, err := p.To.Has(ctx, name, b.size)
		if err != nil {
			return told(name, err)
		}
		if have {
			continue
		}
		if err := each(b, name); err != nil {
			return err
		}
		p.report.Blobs++
		p.report.Uploaded += b.size
	}
	return nil
}

// point makes the next manifest the one that devices find: first all that is
// immutable, then the manifest, and the signed timestamp last.
func (p *publication) point(ctx context.Context) error {
	files, err := p.sign()
	if err != nil {
		return err
	}
	last := len(files) - 1
	for i, f := range files {
		if i < last {
			if err := p.replace(ctx, site.AppPath(p.App, f.Name), nil, f.Bytes); err != nil {
				return err
			}
		}
	}
	if p.report.Changed {
		if err := p.replace(ctx, site.ManifestPath(p.App, p.Context), p.texts[p.Context], p.text); err != nil {
			return err
		}
	}
	if last >= 0 {
		if err := p.replace(ctx, site.AppPath(p.App, files[last].Name), p.stamp, files[last].Bytes); err != nil {
			return err
		}
	}
	return p.check(ctx)
}

// replace writes a document if nobody else did since this run looked.
func (p *publication) replace(ctx context.Context, name string, old, new []byte) error {
	err := p.To.Replace(ctx, name, old, new)
	if errors.Is(err, ErrChanged) {
		return &asset.Error{Code: asset.CodeState, Op: op, Subject: name, Message: "somebody else publishes there at the same time, and was faster", Err: err,
			Help: "run the command again: it goes on from what they published"}
	}
	return told(name, err)
}
