package demo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// part is a run of bytes of an asset: data, or a whole file of the tree.
type part struct {
	start int64 // where it begins in the asset
	size  int64
	data  []byte
	path  string // when data is nil
}

// content is the bytes of one asset, put together while they are read: nothing
// of the tree is copied for serving it.
type content struct {
	fsys  fs.FS
	parts []part
	size  int64
}

func (c *content) addData(data []byte) {
	if len(data) == 0 {
		return
	}
	c.parts = append(c.parts, part{start: c.size, size: int64(len(data)), data: data})
	c.size += int64(len(data))
}

func (c *content) addFile(f file) {
	if f.size == 0 {
		return
	}
	c.parts = append(c.parts, part{start: c.size, size: f.size, path: f.path})
	c.size += f.size
}

// reader is an io.ReadSeekCloser of a content, for one goroutine.
type reader struct {
	*content
	pos  int64
	open fs.File // the file of parts[at]
	at   int
}

var errChanged = errors.New("a file of the tree changed since it was read")

func (r *reader) Read(p []byte) (int, error) {
	n := r.find()
	if n == len(r.parts) {
		return 0, io.EOF
	}
	here := r.parts[n]
	from := r.pos - here.start
	p = p[:min(int64(len(p)), here.size-from)]
	if here.data != nil {
		copy(p, here.data[from:])
	} else if err := r.readFile(n, p, from); err != nil {
		return 0, err
	}
	r.pos += int64(len(p))
	return len(p), nil
}

// find is the index of the part that pos is in, or len(parts) at the end.
func (r *reader) find() int {
	n, _ := slices.BinarySearchFunc(r.parts, r.pos, func(p part, pos int64) int {
		if p.start+p.size <= pos {
			return -1
		}
		return 1
	})
	return n
}

func (r *reader) readFile(n int, p []byte, from int64) error {
	if r.open == nil || r.at != n {
		r.Close()
		f, err := r.fsys.Open(r.parts[n].path)
		if err != nil {
			return err
		}
		r.open, r.at = f, n
	}
	f, ok := r.open.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("read %s: its file system reads no ranges", r.parts[n].path)
	}
	if got, err := f.ReadAt(p, from); got < len(p) {
		if err == io.EOF {
			return errChanged
		}
		return err
	}
	return nil
}

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	r.pos = offset
	return offset, nil
}

func (r *reader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}
