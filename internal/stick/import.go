package stick

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// ImportOptions of an import. All but Root and Progress are required.
type ImportOptions struct {
	From    Source
	App     asset.AppID
	To      publish.Store
	Scratch string // a directory of its own
	Now     time.Time
	// Root that must have signed all, as the app's bundle carries it. Else it is the site's, and where
	// the site is new, the stick's own: devices judge it by theirs in any case.
	Root     []byte
	Progress Progress
}

// Import brings an app from a stick onto a site. What the site had before is the measure: a stick with an older
// state, or one of another developer, is refused (1005), and one whose time has run out (1006).
func Import(ctx context.Context, o ImportOptions) (*Report, error) {
	stick := func(name string, limit int64) ([]byte, error) {
		return o.From.Get(ctx, site.AppPath(o.App, name), limit)
	}
	there := func(name string, limit int64) ([]byte, error) { return o.To.Get(ctx, site.AppPath(o.App, name), limit) }
	old, err := there(trust.TimestampFile, trust.MaxTimestamp)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	root := o.Root
	for _, read := range []trust.Read{there, stick} {
		if root == nil {
			if root, err = read(firstRoot, maxRoot); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	w, err := look(ctx, o.From, o.App, root, stick)
	if err != nil {
		return nil, err
	}
	r := &Report{App: o.App, Contexts: slices.Sorted(maps.Keys(w.texts)), Packs: len(w.packs), Signed: w.repo != nil}
	if w.repo != nil {
		r.Version = w.repo.Version()
		if err := o.judge(ctx, w, root, old != nil); err != nil {
			return nil, err
		}
	}
	if err := o.blobs(ctx, w, r); err != nil {
		return nil, err
	}
	return r, o.point(ctx, w, r, old)
}

// judge looks at the stick as a device would that had followed the site so far.
func (o *ImportOptions) judge(ctx context.Context, w *whole, root []byte, before bool) error {
	device := trust.Client{Anchor: root, Dir: filepath.Join(o.Scratch, "trust"), Disk: fsx.OS()}
	for _, c := range slices.Sorted(maps.Keys(w.texts)) {
		device.Context = c
		if before {
			device.Now, device.Fetcher = func() time.Time { return time.Time{} }, publish.Fetcher{From: o.To, App: o.App} // however old it is
			if _, err := device.Refresh(ctx); err != nil && asset.CodeOf(err) != asset.CodeSignature {
				return err // a context that the site never had, or a damaged site, is no measure
			}
		}
		device.Now, device.Fetcher = func() time.Time { return o.Now }, publish.Fetcher{From: o.From, App: o.App}
		if _, err := device.Refresh(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (o *ImportOptions) blobs(ctx context.Context, w *whole, r *Report) error {
	all := blobs(w.packs)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		have, err := o.To.Has(ctx, name, all[name])
		if err != nil {
			return err
		}
		if have {
			r.Left++
			continue
		}
		if err := copyBlob(ctx, o.From, o.To.Put, name, all[name], o.Progress); err != nil {
			return err
		}
		r.Blobs, r.Copied = r.Blobs+1, r.Copied+all[name]
	}
	return nil
}

// point makes what came live, when all of it is there.
func (o *ImportOptions) point(ctx context.Context, w *whole, r *Report, stamp []byte) error {
	files, err := w.files()
	if err != nil {
		return err
	}
	for _, f := range files {
		var old []byte
		pointer := true
		switch path.Base(f.Name) {
		case path.Base(trust.TimestampFile):
			old = stamp
		case path.Base(site.ManifestPath(o.App, "")):
			if old, err = o.To.Get(ctx, f.Name, asset.MaxDownloadManifest); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		default:
			pointer = false
		}
		r.Changed = r.Changed || pointer && string(old) != string(f.Bytes)
		if err := o.To.Replace(ctx, f.Name, old, f.Bytes); errors.Is(err, publish.ErrChanged) {
			return &asset.Error{Code: asset.CodeState, Op: "carry site", Subject: f.Name, Message: "the site has another one", Err: err,
				Help: "somebody else publishes there: import again, or publish there in place of importing"}
		} else if err != nil {
			return err
		}
	}
	return nil
}
