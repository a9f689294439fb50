package publish

import (
	"bytes"
	"context"
	"io"

	"larder/internal/site"
)

// tally counts what the site lacks.
func (p *publication) tally(ctx context.Context) error {
	return p.lacking(ctx, func(in *input, name string) error { return nil })
}

// upload brings the blobs that the site lacks.
func (p *publication) upload(ctx context.Context) error {
	return p.lacking(ctx, func(in *input, name string) error {
		var r io.Reader = io.NewSectionReader(in.file, 0, in.size)
		if p.Events.Uploading != nil {
			advance, end := p.Events.Uploading(in.name, in.size)
			defer end()
			r = counted{io.NopCloser(r), advance}
		}
		return told(name, p.To.Put(ctx, name, r, in.size))
	})
}

func (p *publication) lacking(ctx context.Context, each func(in *input, name string) error) error {
	for _, in := range p.inputs {
		name := site.BlobPath(in.hash)
		have, err := p.To.Has(ctx, name, in.size)
		if err != nil {
			return told(name, err)
		}
		if have {
			continue
		}
		if err := each(in, name); err != nil {
			return err
		}
		p.report.Blobs++
		p.report.Uploaded += in.size
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
	put := func(name string, b []byte) error {
		return told(name, p.To.Put(ctx, name, bytes.NewReader(b), int64(len(b))))
	}
	for i, f := range files {
		if i == len(files)-1 && p.report.Changed {
			if err := put(site.ManifestPath(p.App, p.Context), p.text); err != nil {
				return err
			}
		}
		if err := put(site.AppPath(p.App, f.Name), f.Bytes); err != nil {
			return err
		}
	}
	if len(files) == 0 && p.report.Changed {
		if err := put(site.ManifestPath(p.App, p.Context), p.text); err != nil {
			return err
		}
	}
	return p.check(ctx)
}
