package client

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"larder/internal/shelf"
)

// tree is the merged namespace as an fs.FS.
type tree struct{ shelf *shelf.Shelf }

// Open opens a file, or a directory of all packs together.
func (t tree) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := t.shelf.Open(name, shelf.In{})
	if err == nil {
		info, err := f.Stat()
		if err != nil {
			_ = f.Close() // the first error is the one that tells
			return nil, pathError("open", name, err)
		}
		if !info.IsDir() {
			return file{f, plain(info, name)}, nil
		}
		_ = f.Close() // it is listed with those of other packs
	}
	entries, lerr := t.ReadDir(name)
	if lerr != nil {
		if err == nil {
			err = lerr
		}
		return nil, pathError("open", name, err)
	}
	return &directory{info: folder(name), entries: entries}, nil
}

// ReadDir lists a directory.
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	list, err := t.shelf.ReadDir(name, shelf.In{})
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	out := make([]fs.DirEntry, 0, len(list))
	for _, e := range list {
		full := path.Join(name, e.Name())
		switch {
		case e.IsDir():
			out = append(out, fs.FileInfoToDirEntry(folder(full)))
		case e.Type()&fs.ModeSymlink != 0:
			info, err := t.Stat(full)
			if err != nil {
				continue // it leads nowhere
			}
			out = append(out, fs.FileInfoToDirEntry(info))
		default:
			out = append(out, lazy{e, full})
		}
	}
	return out, nil
}

// Stat describes a file or directory.
func (t tree) Stat(name string) (fs.FileInfo, error) {
	f, err := t.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

func pathError(op, name string, err error) error {
	for _, known := range []error{fs.ErrNotExist, fs.ErrInvalid, fs.ErrClosed, fs.ErrPermission} {
		if errors.Is(err, known) {
			err = errors.Join(known, err)
			break
		}
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// info is what an app may know of a file: nothing of owners, and that it cannot be written.
type info struct {
	name string
	size int64
	mode fs.FileMode
	at   time.Time
}

func plain(i fs.FileInfo, name string) info {
	return info{path.Base(name), i.Size(), i.Mode().Perm() &^ 0o222, i.ModTime()}
}

func folder(name string) info { return info{name: path.Base(name), mode: fs.ModeDir | 0o555} }

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.at }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

// lazy is an entry whose details are asked for when they are wanted.
type lazy struct {
	fs.DirEntry
	name string
}

func (l lazy) Info() (fs.FileInfo, error) {
	i, err := l.DirEntry.Info()
	if err != nil {
		return nil, err
	}
	return plain(i, l.name), nil
}

type opened interface {
	fs.File
	io.ReaderAt
	io.Seeker
}

// file is an open file, with seek and reads at an offset.
type file struct {
	opened
	info info
}

func (f file) Stat() (fs.FileInfo, error) { return f.info, nil }

// directory is an open directory.
type directory struct {
	info    info
	entries []fs.DirEntry
	at      int
}

func (d *directory) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *directory) Close() error               { return nil }
func (d *directory) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: errors.New("is a directory")}
}

func (d *directory) ReadDir(n int) ([]fs.DirEntry, error) {
	left := d.entries[d.at:]
	switch {
	case n <= 0:
		n = len(left)
	case len(left) == 0:
		return nil, io.EOF
	}
	left = left[:min(n, len(left))]
	d.at += len(left)
	return slices.Clone(left), nil
}
