package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func syncTree(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	err = control(d, func(fd int) error { return unix.Syncfs(fd) })
	if errors.Is(err, unix.ENOSYS) {
		return syncEach(root, ".", os.O_RDONLY, func(f *os.File, _ bool) error { return f.Sync() })
	}
	if err != nil {
		return &fs.PathError{Op: "sync tree", Path: d.Name(), Err: err}
	}
	return nil
}

func clone(src *os.File, dir *os.Root, name string, perm fs.FileMode) error {
	dst, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	err = control(dst, func(to int) error {
		return control(src, func(from int) error { return unix.IoctlFileClone(to, from) })
	})
	if closeErr := dst.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		return nil
	}
	_ = dir.Remove(name) // the first error is the one that tells
	for _, unable := range []error{unix.EOPNOTSUPP, unix.ENOTTY, unix.EXDEV, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, unable) {
			return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
	}
	return err
}

// control runs fn with f's descriptor, again when a signal interrupts it.
func control(f *os.File, fn func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = conn.Control(func(fd uintptr) {
		for {
			if inner = fn(int(fd)); inner != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return inner
}
