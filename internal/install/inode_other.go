//go:build !unix

package install

import (
	"errors"
	"io/fs"
	"syscall"
)

// inodeOf has no answer that costs less than opening the file; so files are hashed.
func inodeOf(fs.FileInfo) (uint64, bool) { return 0, false }

// full reports ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL.
func full(err error) bool {
	return errors.Is(err, syscall.Errno(112)) || errors.Is(err, syscall.Errno(39))
}
