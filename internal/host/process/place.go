package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"larder/internal/fsx"
	"larder/internal/host/catalog"
)

func hashOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// placeDelta makes a blob of the delta in the scratch directory, in the order of place.
func (w *Worker) placeDelta(ctx context.Context, j catalog.Job, version string, d catalog.Delta) error {
	w.At("delta made")
	w.blobs.RLock()
	defer w.blobs.RUnlock()
	if err := w.Catalog.Write(ctx, func(tx catalog.Tx) error {
		if err := tx.Hold(j); err != nil {
			return err
		}
		return tx.PutDelta(version, d)
	}); err != nil {
		return err
	}
	w.At("delta named")
	at := w.blobPath(d.Blob)
	if err := fsx.MkdirAll(w.Disk, filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if err := fsx.Move(w.Disk, filepath.Join(w.Scratch, scratchDelta), at); err != nil {
		return err
	}
	w.At("delta placed")
	return nil
}
