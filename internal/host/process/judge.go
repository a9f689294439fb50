package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/host/catalog"
	"larder/internal/packing"
	"larder/internal/patching"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/pack"
)

// judge proves an archive and makes its row for download manifests.
func judge(ctx context.Context, f *os.File, u *upload) error {
	v := &u.version
	v.Details = catalog.Details{}
	opaque, err := isAppleArchive(f)
	if err != nil {
		return err
	}
	var offer asset.Pack
	if opaque {
		offer, err = judgeOpaque(u)
	} else {
		offer, err = judgePack(ctx, f, u)
	}
	if err != nil {
		return err
	}
	offer.Version, offer.URL, offer.DownloadSize = v.Number, site.BlobURL(v.Blob), v.Size
	v.Offer, v.Platforms, v.Locale = &offer, platforms(offer.Platforms), offer.Language
	return nil
}

func judgePack(ctx context.Context, f *os.File, u *upload) (offer asset.Pack, err error) {
	a, err := pack.Open(f, u.version.Size)
	if err != nil {
		return offer, fault("ARCHIVE_INVALID", err)
	}
	if !a.Whole() {
		return offer, wrong("ARCHIVE_INVALID", "it is the index of a pack alone, not the pack")
	}
	found, err := a.Verify(ctx)
	if err != nil {
		return offer, fault("ARCHIVE_INVALID", err)
	}
	if len(found) > 0 {
		return offer, wrong("ARCHIVE_DAMAGED", "the pack is damaged in %d places; the first: %s", len(found), found[0])
	}
	if offer, err = packing.Offer(f, u.version.Size, "", 0); err != nil {
		return offer, fault("ARCHIVE_INVALID", err)
	}
	if offer.ID != u.pack.Identifier {
		return offer, wrong("ARCHIVE_OTHER_PACK", "the archive is of the pack %q, and this pack is %q", offer.ID, u.pack.Identifier)
	}
	if u.manifest != nil && u.manifest.State == catalog.Complete {
		m, err := asset.ParsePackagingManifest(a.Metadata())
		if err != nil {
			return offer, fault("ARCHIVE_INVALID", err)
		}
		if !bytes.Equal(m.Canonical(), []byte(u.manifest.Content)) {
			return offer, wrong("MANIFEST_DISAGREES", "the packaging manifest that was uploaded is not the one in the archive")
		}
	}
	return offer, nil
}

// fault is a problem if the archive is to blame, and otherwise what it was: the disk's, or the end.
func fault(code string, err error) error {
	var typed *asset.Error
	var faults *asset.Faults
	if errors.As(err, &typed) && typed.Code != asset.CodeInternal || errors.As(err, &faults) {
		return problem{code, "the archive cannot be accepted: " + err.Error()}
	}
	return err
}

// isAppleArchive looks for the first bytes of an Apple Archive (managed §9.1).
func isAppleArchive(r io.ReaderAt) (bool, error) {
	var head [4]byte
	if n, err := r.ReadAt(head[:], 0); n < len(head) {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return false, err
	}
	s := string(head[:])
	return s == "AA01" || s == "YAA1" || s[:3] == "pbz", nil
}

// apples are the platforms that open an Apple Archive.
var apples = []asset.Platform{asset.PlatformIOS, asset.PlatformMacOS, asset.PlatformTVOS, asset.PlatformVisionOS}

// judgeOpaque makes the row of an Apple Archive, which is not looked into. What would
// name its index names all of it, so that a signature holds all of its bytes.
func judgeOpaque(u *upload) (offer asset.Pack, err error) {
	v := &u.version
	offer = asset.Pack{ID: u.pack.Identifier, Host: asset.ThirdPartyHost, DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyOnDemand},
		Platforms: slices.Clone(apples),
		Content:   v.Blob, Index: v.Blob, IndexSize: v.Size}
	v.Details.Infos = append(v.Details.Infos, catalog.Detail{Code: "OPAQUE_ARCHIVE",
		Description: "this is an Apple Archive: it is stored and delivered as it is, whole, without chunks and deltas, and devices with Larder cannot open it"})
	if u.manifest == nil || u.manifest.State != catalog.Complete {
		v.Details.Warnings = append(v.Details.Warnings, catalog.Detail{Code: "NO_MANIFEST",
			Description: "no packaging manifest was uploaded beside it, so it is onDemand, for iOS, macOS, tvOS and visionOS"})
		return offer, nil
	}
	m, err := asset.ParsePackagingManifest([]byte(u.manifest.Content))
	if err != nil {
		return offer, err
	}
	offer.DownloadPolicy, offer.Language, offer.UserInfo = m.DownloadPolicy, m.Language, m.UserInfo
	if len(m.Platforms) > 0 { // to others it is not even offered: an essential pack would fail there
		offer.Platforms = slices.DeleteFunc(offer.Platforms, func(p asset.Platform) bool { return !slices.Contains(m.Platforms, p) })
	}
	if len(offer.Platforms) == 0 {
		return offer, wrong("ARCHIVE_INVALID", "an Apple Archive is for Apple's platforms alone, and the packaging manifest names none of them")
	}
	return offer, nil
}

// deltas makes what devices need that have a version which is live now. A version waits for
// them for a bounded time, and goes live without those that took longer.
func (w *Worker) deltas(ctx context.Context, j catalog.Job, f *os.File, u *upload) error {
	v := &u.version
	if v.Offer.Content == v.Blob { // opaque
		return nil
	}
	bases, err := w.live(ctx, u.pack.ID)
	if err != nil {
		return err
	}
	target, err := pack.Open(f, v.Size)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, w.DeltaTime)
	defer cancel()
	done := map[string]bool{v.Offer.Content: true}
	for _, base := range bases {
		if base.Offer == nil || base.Offer.Content == base.Blob || done[base.Offer.Content] {
			continue
		}
		done[base.Offer.Content] = true
		d, spares, err := w.delta(limited, base, target)
		if limited.Err() != nil && ctx.Err() == nil {
			v.Details.Warnings = append(v.Details.Warnings, catalog.Detail{Code: "DELTA_TIMEOUT", Description: "a delta took too long; devices fetch what they lack from the archive"})
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was superseded meanwhile, and collected
		}
		if err != nil {
			return err
		}
		if !spares {
			continue
		}
		if err := w.placeDelta(ctx, j, v.ID, d); err != nil {
			return err
		}
	}
	if len(done) == 1 || !publish.WorthFine(target, publish.FineMost) {
		return nil
	}
	d, err := w.refine(limited, v.Offer.Content, target)
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		return nil // the next version's will be in time
	case err != nil:
		return err
	}
	return w.placeDelta(ctx, j, v.ID, d)
}

// live lists the versions of a pack that devices may have.
func (w *Worker) live(ctx context.Context, packID string) (list []catalog.Version, err error) {
	err = w.Catalog.Read(ctx, func(tx catalog.Tx) error {
		for _, channel := range publish.Contexts {
			all, err := tx.ReleasesOf(packID, channel)
			if err != nil {
				return err
			}
			for _, r := range all {
				if !isLive(r.State) {
					continue
				}
				v, err := tx.Version(r.Version)
				if err != nil {
					return err
				}
				list = append(list, v)
			}
		}
		return nil
	})
	return list, err
}

// scratchDelta is the name, in the scratch directory, of a delta that is being made.
const scratchDelta = "delta"

// delta makes a delta in the scratch directory, and tells whether it is worth keeping.
func (w *Worker) delta(ctx context.Context, base catalog.Version, target *pack.Archive) (d catalog.Delta, spares bool, err error) {
	old, err := os.Open(w.blobPath(base.Blob))
	if err != nil {
		return d, false, err
	}
	defer old.Close()
	from, err := pack.Open(old, base.Size)
	if err != nil {
		return d, false, err
	}
	d, err = w.scratch(base.Offer.Content, func(out fsx.File) (int64, error) {
		sum, err := pack.WriteDelta(ctx, out, from, target, pack.DeltaOptions{})
		if err == nil {
			spares, err = worth(ctx, from, target, out, sum.Size)
		}
		return sum.Size, err
	})
	return d, spares, err
}

// refine makes the fine file in the scratch directory: among the deltas it is the one from the
// version itself.
func (w *Worker) refine(ctx context.Context, content string, target *pack.Archive) (catalog.Delta, error) {
	return w.scratch(content, func(out fsx.File) (int64, error) {
		sum, err := pack.WriteFine(ctx, out, target, pack.FineOptions{})
		return sum.Size, err
	})
}

func (w *Worker) scratch(base string, write func(fsx.File) (size int64, err error)) (d catalog.Delta, err error) {
	out, err := w.Disk.OpenFile(filepath.Join(w.Scratch, scratchDelta), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return d, err
	}
	d.Base = base
	if d.Size, err = write(out); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return d, err
	}
	d.Blob, err = hashOf(filepath.Join(w.Scratch, scratchDelta))
	return d, err
}

// worth reports whether the delta in a file is worth keeping, by the rule of every publisher.
func worth(ctx context.Context, old, now *pack.Archive, file io.ReaderAt, size int64) (bool, error) {
	d, err := pack.OpenDelta(file, size)
	if err != nil {
		return false, err
	}
	without, _, err := patching.Without(ctx, old, now)
	if err != nil {
		return false, err
	}
	with, err := patching.With(ctx, old, now, d, size)
	return patching.Spares(with, without), err
}
