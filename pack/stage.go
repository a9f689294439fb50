package pack

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"larder/asset"
)

// stage writes below one directory and nowhere else. Its methods may be called
// from several goroutines for different files.
type stage struct {
	op   string
	root *os.Root
}

// nearby opens directories below root and keeps the last one, because files come
// mostly directory by directory and every part of a longer path costs a call.
type nearby struct {
	root *os.Root
	name string
	dir  *os.Root
}

func (n *nearby) close() {
	if n.dir != nil {
		_ = n.dir.Close() // nothing is written through it
	}
	n.dir = nil
}

// of opens the directory that p lies in.
func (n *nearby) of(p string) (*os.Root, error) {
	name := path.Dir(p)
	if n.dir != nil && n.name == name {
		return n.dir, nil
	}
	n.close()
	dir, err := n.root.OpenRoot(name)
	n.dir, n.name = dir, name
	return dir, err
}

// hand writes files. One goroutine has it.
type hand struct {
	stage
	near nearby
}

func newHand(s stage) *hand { return &hand{stage: s, near: nearby{root: s.root}} }

func (h *hand) close() { h.near.close() }

// open makes the directory of p if need be and opens it.
func (h *hand) open(p string) (*os.Root, error) {
	dir, err := h.near.of(p)
	if errors.Is(err, fs.ErrNotExist) {
		if err = h.root.MkdirAll(path.Dir(p), 0o755); err == nil {
			dir, err = h.near.of(p)
		}
	}
	return dir, err
}

// write puts bytes at their place in a file, and makes the file.
func (h *hand) write(e *Entry, offset int64, b []byte) error {
	dir, err := h.open(e.Path)
	if err != nil {
		return disk(h.op, quote(e.Path), err)
	}
	f, err := dir.OpenFile(path.Base(e.Path), os.O_WRONLY|os.O_CREATE, perm(e.Kind))
	if err != nil {
		return disk(h.op, quote(e.Path), err)
	}
	if len(b) > 0 {
		_, err = f.WriteAt(b, offset)
	}
	return disk(h.op, quote(e.Path), errors.Join(err, f.Close()))
}

func perm(k Kind) fs.FileMode {
	if k == KindExecutable {
		return 0o755
	}
	return 0o644
}

func (s stage) mkdir(name string) error {
	return disk(s.op, quote(name), s.root.MkdirAll(name, 0o755))
}

// link makes a symbolic link. They come last, so that nothing is written through one.
func (s stage) link(e Entry) error {
	err := s.mkdir(path.Dir(e.Path))
	if err == nil {
		err = s.root.Symlink(e.Target, e.Path)
	}
	if errors.Is(err, fs.ErrExist) { // of an earlier run
		if old, readErr := s.root.Readlink(e.Path); readErr == nil && old == e.Target {
			return nil
		}
	}
	return disk(s.op, quote(e.Path), err)
}

// empty refuses a directory that holds something.
func (s stage) empty() error {
	d, err := s.root.Open(".")
	if err != nil {
		return disk(s.op, quote(s.root.Name()), err)
	}
	defer d.Close()
	if names, _ := d.Readdirnames(1); len(names) > 0 {
		return fault(asset.CodeState, s.op, quote(s.root.Name()), "the directory is not empty")
	}
	return nil
}
