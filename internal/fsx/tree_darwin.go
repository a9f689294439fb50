package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// syncTree hands everything to the disk with fsync, which does not wait for the
// medium here, and then has the disk empty its cache once.
func syncTree(root *os.Root) error {
	err := syncEach(root, ".", os.O_RDONLY, func(f *os.File, _ bool) error {
		return unix.Fsync(int(f.Fd()))
	})
	if err != nil {
		return err
	}
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync() // F_FULLFSYNC
}

func clone(src *os.File, dir *os.Root, name string, perm fs.FileMode) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	switch err := unix.Fclonefileat(int(src.Fd()), int(d.Fd()), name, 0); {
	case err == nil:
		return dir.Chmod(name, perm)
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	default:
		return err
	}
}
