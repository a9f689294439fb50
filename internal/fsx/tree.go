package fsx

import (
	"io/fs"
	"os"
)

// SyncTree makes everything below root durable, names and bytes, with one wait
// instead of one for each file: on Linux the whole file system is synced, which
// may write what others have left to write there too. Elsewhere each file and
// directory is handed to the disk; on macOS the disk is told once to put all
// of it on the medium. What changes while it runs may be lost.
func SyncTree(root *os.Root) error { return syncTree(root) }

// Clone makes name, directly in dir, a new file that shares the bytes of src until
// one of them is written to. Where the file system cannot do that (or src
// lies on another), the error is an errors.ErrUnsupported and there is no file.
// The name must not exist. It is not durable; see [SyncTree].
func Clone(src *os.File, dir *os.Root, name string, perm fs.FileMode) error {
	if err := clone(src, dir, name, perm); err != nil {
		return &os.LinkError{Op: "clone", Old: src.Name(), New: name, Err: err}
	}
	return nil
}

// syncEach calls sync for each file and directory below root, what lies in a
// directory before the directory.
func syncEach(root *os.Root, dir string, flag int, sync func(f *os.File, isDir bool) error) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range names {
		name := dir + "/" + e.Name()
		switch {
		case e.IsDir():
			err = syncEach(root, name, flag, sync)
		case e.Type().IsRegular():
			err = syncOne(root, name, flag, sync)
		}
		if err != nil {
			return err
		}
	}
	return sync(d, true)
}

func syncOne(root *os.Root, name string, flag int, sync func(f *os.File, isDir bool) error) error {
	f, err := root.OpenFile(name, flag, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return sync(f, false)
}
