package process

import (
	"context"
	"os"

	"larder/internal/host/catalog"
)

// revive releases an earlier version again: deltas from what is live lead to it, as to any other.
func (w *Worker) revive(ctx context.Context, j catalog.Job) error {
	var u upload
	var r catalog.Release
	if err := w.Catalog.Read(ctx, func(tx catalog.Tx) (err error) {
		if r, err = tx.Release(j.Subject); err != nil {
			return err
		}
		if u.version, err = tx.Version(r.Version); err == nil {
			u.pack, err = tx.Pack(u.version.Pack)
		}
		return err
	}); err != nil {
		return err
	}
	if r.State != catalog.Accepted {
		return w.finish(ctx, j, nil)
	}
	f, err := os.Open(w.blobPath(u.version.Blob))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := w.deltas(ctx, j, f, &u); err != nil {
		return err
	}
	w.At("revival ready")
	return w.finish(ctx, j, func(tx catalog.Tx) error {
		if now, err := tx.Release(r.ID); err != nil || now.State != r.State { // archived meanwhile
			return err
		}
		if r.State = catalog.ProcessingForTesting; r.Channel == catalog.Production {
			r.State = catalog.ProcessingForDistribution
		}
		if err := tx.SetRelease(r); err != nil {
			return err
		}
		if err := tx.SetVersion(u.version); err != nil {
			return err
		}
		return Publish(tx, u.pack.App, r.Channel, w.Now())
	})
}
