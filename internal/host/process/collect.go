package process

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"larder/internal/fsx"
	"larder/internal/host/catalog"
)

// collect takes away files that never came or were judged, and blobs that nothing has
// needed for a while.
func (w *Worker) collect(ctx context.Context, j catalog.Job) error {
	if err := w.expire(ctx); err != nil {
		return err
	}
	if err := w.sweepStaging(ctx); err != nil {
		return err
	}
	if err := w.sweepBlobs(ctx); err != nil {
		return err
	}
	return w.Catalog.Write(ctx, func(tx catalog.Tx) error {
		if err := tx.PruneDeliveries(w.Now().Add(-keepDeliveries), maxDeliveries); err != nil {
			return err
		}
		if err := tx.PruneStats(w.Now().Add(-keepStats)); err != nil {
			return err
		}
		return tx.Retry(j, w.Now().Add(w.Sweep))
	})
}

// What is kept of stats, and of the deliveries of a webhook.
const (
	keepStats      = 400 * 24 * time.Hour
	keepDeliveries = 30 * 24 * time.Hour
	maxDeliveries  = 1000
)

// tidy removes what a host that died was just making: nobody else makes anything yet.
func (w *Worker) tidy() error {
	entries, err := w.Disk.ReadDir(w.Scratch)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.Disk.RemoveAll(filepath.Join(w.Scratch, e.Name())); err != nil {
			return err
		}
	}
	err = filepath.WalkDir(filepath.Join(w.Site, "apps"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), fsx.TempPrefix) {
			return err
		}
		return w.Disk.Remove(name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // no app has been published
	}
	return err
}

// expire gives up files that were announced and never committed.
func (w *Worker) expire(ctx context.Context) error {
	return w.Catalog.Write(ctx, func(tx catalog.Tx) error {
		files, err := tx.FilesIn(catalog.AwaitingUpload)
		if err != nil {
			return err
		}
		for _, f := range files {
			if w.Now().Sub(f.Created) < w.Stale {
				continue
			}
			told := []catalog.Detail{{Code: "UPLOAD_EXPIRED", Description: "the file was announced and did not come in time"}}
			f.State, f.Problems.Errors = catalog.Failed, told
			v, err := tx.Version(f.Version)
			if err == nil {
				err = errors.Join(tx.SetFile(f), tx.DropParts(f.ID))
			}
			if err != nil {
				return err
			}
			if v.State == catalog.AwaitingUpload {
				v.State, v.Details.Errors = catalog.Failed, told
				if err := tx.SetVersion(v); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// sweepStaging removes what no file waits for. A file is made before its row is asked
// here only by a writer who found the row open, and rows are never opened again.
func (w *Worker) sweepStaging(ctx context.Context) error {
	ids, err := w.Staging.List()
	if err != nil {
		return err
	}
	for _, id := range ids {
		var open bool
		if err := w.Catalog.Read(ctx, func(tx catalog.Tx) error {
			f, err := tx.File(id)
			if errors.Is(err, catalog.ErrNone) {
				return nil
			}
			open = f.State == catalog.AwaitingUpload || f.State == catalog.UploadComplete
			return err
		}); err != nil {
			return err
		}
		if open {
			continue
		}
		if err := w.Staging.Remove(id); err != nil {
			return err
		}
		w.At("staged file removed")
	}
	return nil
}

// sweepBlobs removes blobs that were not needed for the time of grace.
func (w *Worker) sweepBlobs(ctx context.Context) error {
	var need map[string]bool
	if err := w.Catalog.Read(ctx, func(tx catalog.Tx) (err error) { need, err = tx.Blobs(); return err }); err != nil {
		return err
	}
	dirs, err := w.Disk.ReadDir(filepath.Join(w.Site, "blobs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		names, err := w.Disk.ReadDir(filepath.Join(w.Site, "blobs", dir.Name()))
		if err != nil {
			return err
		}
		for _, e := range names {
			if hash := e.Name(); !need[hash] && len(hash) == 64 && !strings.HasPrefix(hash, ".") {
				if err := w.sweepBlob(ctx, hash); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// sweepBlob asks once more under the lock under which blobs get their names.
func (w *Worker) sweepBlob(ctx context.Context, hash string) error {
	w.blobs.Lock()
	defer w.blobs.Unlock()
	due := false
	if err := w.Catalog.Write(ctx, func(tx catalog.Tx) error {
		needs, err := tx.Needs(hash)
		if err != nil {
			return err
		}
		if needs {
			return tx.Adopt(hash)
		}
		since, err := tx.Orphan(hash, w.Now())
		due = w.Now().Sub(since) >= w.Grace
		return err
	}); err != nil || !due {
		return err
	}
	w.At("blob condemned")
	if err := w.Disk.Remove(w.blobPath(hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w.At("blob removed")
	return w.Catalog.Write(ctx, func(tx catalog.Tx) error { return tx.Adopt(hash) })
}
