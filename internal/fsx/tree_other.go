//go:build !linux && !darwin

package fsx

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// syncTree opens files for writing on Windows, which syncs no others; directories
// cannot be synced there.
func syncTree(root *os.Root) error {
	windows, flag := runtime.GOOS == "windows", os.O_RDONLY
	if windows {
		flag = os.O_RDWR
	}
	return syncEach(root, ".", flag, func(f *os.File, isDir bool) error {
		if isDir && windows {
			return nil
		}
		return f.Sync()
	})
}

func clone(*os.File, *os.Root, string, fs.FileMode) error { return errors.ErrUnsupported }
