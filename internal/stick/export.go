package stick

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"time"

	"larder/asset"
	"larder/internal/site"
	"larder/internal/trust"
)

// Target is where an export writes: a publish.Folder, or [Tar].
type Target interface {
	Has(ctx context.Context, name string, size int64) (bool, error)
	Put(ctx context.Context, name string, r io.Reader, size int64) error
}

// always is a time for reading what is signed whatever its age: devices judge that.
var always = time.Unix(0, 0)

// Export copies an app of a site: all that is live in any context. With since, the blobs that a signed site
// named at that version are left out: whoever imports has them.
func Export(ctx context.Context, from Source, app asset.AppID, to Target, since int64, tell Progress) (*Report, error) {
	read := func(name string, limit int64) ([]byte, error) { return from.Get(ctx, site.AppPath(app, name), limit) }
	w, err := open(ctx, from, app, read)
	if err != nil {
		return nil, err
	}
	r := &Report{App: app, Contexts: slices.Sorted(maps.Keys(w.texts)), Packs: len(w.packs), Signed: w.repo != nil}
	skip := map[string]int64{}
	switch {
	case since > 0 && w.repo == nil:
		return nil, fault(asset.CodeBadRequest, string(app), "nothing is signed there, so it has no versions to count from", "export everything")
	case since > 0:
		old, err := w.repo.ManifestsAt(since)
		if err != nil {
			return nil, err
		}
		for _, text := range old {
			m, err := asset.ParseDownloadManifest(text)
			if err != nil {
				return nil, err
			}
			maps.Copy(skip, blobs(m.Packs))
		}
	}
	all := blobs(w.packs)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		_, left := skip[name]
		if !left {
			if left, err = to.Has(ctx, name, all[name]); err != nil {
				return nil, err
			}
		}
		if left {
			r.Left++
			continue
		}
		if err := copyBlob(ctx, from, to.Put, name, all[name], tell); err != nil {
			return nil, err
		}
		r.Blobs, r.Copied = r.Blobs+1, r.Copied+all[name]
	}
	files, err := w.files()
	if err != nil {
		return nil, err
	}
	if w.repo != nil {
		r.Version = w.repo.Version()
	}
	for _, f := range files {
		if err := to.Put(ctx, f.Name, bytes.NewReader(f.Bytes), int64(len(f.Bytes))); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// open looks at an app from the first root that its site shows.
func open(ctx context.Context, from Source, app asset.AppID, read trust.Read) (*whole, error) {
	root, err := read(firstRoot, maxRoot)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return look(ctx, from, app, root, read)
}

const (
	firstRoot = trust.Directory + "/1.root.json"
	maxRoot   = 256 << 10
)

// files are the documents of an app, in the order in which they must be written.
func (w *whole) files() (all []trust.File, err error) {
	var signed []trust.File
	if w.repo != nil {
		if signed, err = w.repo.Documents(); err != nil {
			return nil, err
		}
	}
	add := func(files ...trust.File) {
		for _, f := range files {
			all = append(all, trust.File{Name: site.AppPath(w.app, f.Name), Bytes: f.Bytes})
		}
	}
	contexts := slices.Sorted(maps.Keys(w.texts))
	if w.repo != nil {
		for _, c := range contexts {
			add(trust.File{Name: trust.ManifestFile(c, sum(w.texts[c])), Bytes: w.texts[c]})
		}
		add(signed[:len(signed)-1]...)
	}
	for _, c := range contexts {
		all = append(all, trust.File{Name: site.ManifestPath(w.app, c), Bytes: w.texts[c]})
	}
	if w.repo != nil {
		add(signed[len(signed)-1])
	}
	return all, nil
}
