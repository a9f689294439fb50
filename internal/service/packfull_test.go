package service

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/localapi"
)

// brim is a disk that is full exactly when a view is to be written.
type brim struct {
	fsx.FS
	full atomic.Bool
	torn atomic.Bool // some of it still fits
}

func (b *brim) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	view := b.full.Load() && filepath.Base(filepath.Dir(name)) == "views" && flag&os.O_CREATE != 0
	if view && !b.torn.Load() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
	}
	f, err := b.FS.OpenFile(name, flag, perm)
	if view && err == nil {
		return brimFile{f}, nil
	}
	return f, err
}

type brimFile struct{ fsx.File }

func (b brimFile) Write(p []byte) (int, error) {
	n, err := b.File.Write(p[:len(p)/2])
	if err == nil {
		err = syscall.ENOSPC
	}
	return n, err
}

// The disk fills up when all of an update lies on the shelf and only its view is to be written.
func TestADiskThatFillsAtTheCommitLeavesTheOldPacks(t *testing.T) {
	for _, torn := range []bool{false, true} {
		w := newWorld(t)
		disk := &brim{FS: fsx.OS()}
		disk.torn.Store(torn)
		w.config.FS = disk
		w.start()
		d := w.depot()
		d.issue(1)
		d.sell(managedApp(game, 1))
		d.open(game)
		still := d.manager(game)
		d.issue(2)
		disk.full.Store(true)
		if err := d.check(); err != nil {
			t.Fatal(err)
		}
		d.until(game, "it says why", func(a asset.AppStatus) bool {
			for _, s := range a.Downloads {
				if s.Reason != nil && s.Reason.Code == asset.WhyNoSpace && s.Reason.Message != "" && s.Reason.Unblock != "" {
					return true
				}
			}
			return false
		})
		for range 2 {
			if err := d.opens(); err != nil {
				t.Errorf("torn: %v: %v", torn, err)
			}
			if err := refreshes(still); err != nil {
				t.Errorf("torn: %v: %v", torn, err)
			}
			if got := d.onShelf(game, "rules/version.txt"); got != "1" {
				t.Errorf("torn: %v: the shelf shows version %q", torn, got)
			}
			w.stop() // a service that starts on the full disk shows the same
			w.start()
		}
		d.server.ResetLog()
		disk.full.Store(false)
		for l, err := range d.client.EnsurePacks(t.Context(), game, localapi.EnsureRequest{Packs: []string{"rules", "levels", "texts"}, Latest: true}) {
			if err != nil || l.Failed != nil {
				t.Fatalf("torn: %v: %+v, %v", torn, l, err)
			}
		}
		if got := d.onShelf(game, "rules/version.txt"); got != "2" {
			t.Errorf("torn: %v: with space again the shelf shows version %q", torn, got)
		}
		if err := d.opens(); err != nil {
			t.Error(err)
		}
		if sent := d.sent(); sent > 0 {
			t.Errorf("torn: %v: %d bytes came again: %v", torn, sent, d.fetched())
		}
		w.stop()
	}
}
