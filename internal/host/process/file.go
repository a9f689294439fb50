package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"larder/asset"
	"larder/internal/host/catalog"
	"larder/internal/host/staging"
)

// Committed has a file judged whose parts are all there. It belongs to the transaction
// that seals the file.
func Committed(tx catalog.Tx, f catalog.File, now time.Time) error {
	f.State = catalog.UploadComplete
	if err := tx.SetFile(f); err != nil {
		return err
	}
	if f.Type == catalog.Manifest {
		return tx.Enqueue(jobManifest, f.ID, now)
	}
	v, err := tx.Version(f.Version)
	if err != nil {
		return err
	}
	v.State = catalog.Processing
	if err := tx.SetVersion(v); err != nil {
		return err
	}
	return tx.Enqueue(jobFile, f.ID, now)
}

// upload is a file with what it belongs to.
type upload struct {
	file     catalog.File
	version  catalog.Version
	pack     catalog.Pack
	app      catalog.App
	manifest *catalog.File // of the version, if it has one
	parts    map[int]string
}

func (w *Worker) upload(ctx context.Context, id string) (u upload, err error) {
	return u, w.Catalog.Read(ctx, func(tx catalog.Tx) (err error) {
		if u.file, err = tx.File(id); err != nil {
			return err
		}
		if u.version, err = tx.Version(u.file.Version); err != nil {
			return err
		}
		if u.pack, err = tx.Pack(u.version.Pack); err != nil {
			return err
		}
		if u.app, err = tx.App(u.pack.App); err != nil {
			return err
		}
		files, err := tx.Files(u.version.ID)
		for _, f := range files {
			if f.Type == catalog.Manifest {
				u.manifest = &f
			}
		}
		if err == nil {
			u.parts, err = tx.PartSums(id)
		}
		return err
	})
}

// problem is a fault of what was uploaded: for the uploader, and final.
type problem struct{ code, text string }

func (p problem) Error() string { return p.text }

func wrong(code, format string, args ...any) error {
	return problem{code, fmt.Sprintf(format, args...)}
}

var errArchived = problem{"PACK_ARCHIVED", "the pack was archived before this version was complete"}

// file judges a file that came.
func (w *Worker) file(ctx context.Context, j catalog.Job) error {
	u, err := w.upload(ctx, j.Subject)
	if err != nil {
		return err
	}
	switch {
	case u.file.State != catalog.UploadComplete:
		return w.finish(ctx, j, nil) // it was done when the host died
	case u.pack.Archived:
		err = errArchived
	case u.version.State == catalog.Failed:
		err = wrong("VERSION_FAILED", "the version failed by another of its files")
	case u.file.Type == catalog.Manifest:
		err = w.manifest(ctx, j, u)
	case u.manifest != nil && u.manifest.State == catalog.UploadComplete:
		return postponed(100 * time.Millisecond) // its own job is under way
	default:
		err = w.asset(ctx, j, u)
	}
	var p problem
	if errors.As(err, &p) {
		return w.fail(ctx, j, u, p)
	}
	return err
}

// fail makes the file and its version fail for good. Its bytes are collected.
func (w *Worker) fail(ctx context.Context, j catalog.Job, u upload, p problem) error {
	told := []catalog.Detail{{Code: p.code, Description: p.text}}
	err := w.finish(ctx, j, func(tx catalog.Tx) error {
		u.file.State, u.file.Problems.Errors = catalog.Failed, told
		if err := tx.SetFile(u.file); err != nil {
			return err
		}
		v, err := tx.Version(u.version.ID)
		if err != nil {
			return err
		}
		if v.State != catalog.Failed {
			v.Details.Errors = append(v.Details.Errors, told...)
		}
		v.State, v.Blob, v.Offer = catalog.Failed, "", nil
		if err := tx.SetVersion(v); err != nil {
			return err
		}
		if err := tx.DropParts(u.file.ID); err != nil {
			return err
		}
		return tx.Enqueue(jobCollect, "", w.Now())
	})
	w.At("failure noted")
	return err
}

// maxManifest is what of a packaging manifest is read.
const maxManifest = 1 << 20

// manifest judges a packaging manifest that came before its archive.
func (w *Worker) manifest(ctx context.Context, j catalog.Job, u upload) error {
	if err := w.sums(ctx, u, nil); err != nil {
		return err
	}
	data, err := w.Staging.Get(u.file.ID, maxManifest+1)
	if err != nil {
		return err
	}
	m, err := asset.ParsePackagingManifest(data)
	if err != nil {
		return wrong("MANIFEST_INVALID", "the packaging manifest cannot be accepted: %v", err)
	}
	if m.AssetPackID != u.pack.Identifier {
		return wrong("MANIFEST_OTHER_PACK", "the packaging manifest is of %q, and this pack is %q", m.AssetPackID, u.pack.Identifier)
	}
	w.At("manifest judged")
	if err := w.finish(ctx, j, func(tx catalog.Tx) error {
		u.file.State, u.file.Content = catalog.Complete, string(m.Canonical())
		if err := tx.DropParts(u.file.ID); err != nil {
			return err
		}
		return tx.SetFile(u.file)
	}); err != nil {
		return err
	}
	w.At("manifest noted")
	return w.Staging.Remove(u.file.ID)
}

// sums holds a file in the staging area to its size and checksums.
func (w *Worker) sums(ctx context.Context, u upload, sha256 *string) error {
	c := u.file.Checksums
	asked := c.Plain != "" || c.File != nil && c.File.Algorithm == "MD5"
	s, size, err := w.Staging.Sum(ctx, u.file.ID, asked)
	if errors.Is(err, fs.ErrNotExist) {
		return wrong("UPLOAD_LOST", "what was uploaded is not here any more: the host was restored from a backup. Upload it again, as a new version")
	}
	if err != nil {
		return err
	}
	if size != u.file.Size {
		return wrong("SIZE_MISMATCH", "%d bytes came, and %d were announced", size, u.file.Size)
	}
	if sha256 != nil {
		*sha256 = s.SHA256
	}
	told := func(name, have, want string) error {
		if want == "" || have == want {
			return nil
		}
		return wrong("CHECKSUM_MISMATCH", "the %s of what came is %s, and %s was given", name, have, want)
	}
	if err := told("MD5", s.MD5, c.Plain); err != nil {
		return err
	}
	if c.File != nil {
		have := s.MD5
		if c.File.Algorithm == "SHA_256" {
			have = s.SHA256
		}
		if err := told(c.File.Algorithm, have, c.File.Hash); err != nil {
			return err
		}
	}
	if c.Composite != nil {
		var list []string
		for n := range u.file.Parts() {
			list = append(list, u.parts[n+1])
		}
		have, err := staging.Composite(list)
		if err != nil {
			return err
		}
		return told("composite MD5", have, c.Composite.Hash)
	}
	return nil
}

// asset judges an archive, gives it its place as a blob, and has it released to internal testers.
func (w *Worker) asset(ctx context.Context, j catalog.Job, u upload) error {
	if err := w.place(ctx, j, &u); err != nil {
		return err
	}
	f, err := os.Open(w.blobPath(u.version.Blob))
	if err != nil {
		return err
	}
	defer f.Close()
	v := &u.version
	if err := judge(ctx, f, &u); err != nil {
		return err
	}
	w.At("pack judged")
	if err := w.deltas(ctx, j, f, &u); err != nil {
		return err
	}
	return w.finish(ctx, j, func(tx catalog.Tx) error {
		if p, err := tx.Pack(u.pack.ID); err != nil || p.Archived {
			return errors.Join(err, errArchived)
		}
		u.file.State = catalog.Complete
		if err := tx.SetFile(u.file); err != nil {
			return err
		}
		if err := tx.SetVersion(*v); err != nil {
			return err
		}
		for _, r := range []catalog.Release{{Channel: catalog.Internal, State: catalog.ProcessingForTesting},
			{Channel: catalog.External, State: catalog.ReadyForBetaSubmission}, {Channel: catalog.Production, State: catalog.PrepareForSubmission}} {
			r.Version, r.Created = v.ID, w.Now()
			if _, err := tx.AddRelease(r); err != nil {
				return err
			}
		}
		if err := tx.DropParts(u.file.ID); err != nil {
			return err
		}
		return Publish(tx, u.app.ID, catalog.Internal, w.Now())
	})
}

// place makes a blob of the file: first the row that names it, so that nothing takes it
// for abandoned, then the rename.
func (w *Worker) place(ctx context.Context, j catalog.Job, u *upload) error {
	id := u.file.ID
	hash := u.version.Blob
	if hash == "" {
		if err := w.sums(ctx, *u, &hash); err != nil {
			return err
		}
	}
	w.At("file hashed")
	w.blobs.RLock()
	defer w.blobs.RUnlock()
	u.version.Blob, u.version.Size = hash, u.file.Size
	if err := w.Catalog.Write(ctx, func(tx catalog.Tx) error {
		if err := tx.Hold(j); err != nil {
			return err
		}
		return tx.SetVersion(u.version)
	}); err != nil {
		return err
	}
	w.At("blob named")
	if w.hasBlob(hash) { // the same archive came before, or the host died after the rename
		return w.Staging.Remove(id)
	}
	if err := w.Staging.Move(id, w.blobPath(hash)); err != nil {
		return err
	}
	w.At("blob placed")
	return nil
}

// platformNames are those of the API, in the order of [asset.Platforms].
var platformNames = map[asset.Platform]string{asset.PlatformIOS: "IOS", asset.PlatformMacOS: "MAC_OS", asset.PlatformTVOS: "TV_OS",
	asset.PlatformVisionOS: "VISION_OS", asset.PlatformLinux: "LINUX", asset.PlatformWindows: "WINDOWS"}

// platforms of a pack, spelled as the API does; one that is for all has all.
func platforms(list []asset.Platform) (names []string) {
	for _, p := range asset.Platforms() {
		if len(list) == 0 || slices.Contains(list, p) {
			names = append(names, platformNames[p])
		}
	}
	return names
}
