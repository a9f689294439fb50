package crash

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"larder/internal/fsx"
)

// ErrPowerCut is what every call fails with once the power is cut, inside an
// *fs.PathError.
var ErrPowerCut = errors.New("the power is cut")

// ErrOutside refuses a path outside the root, the root itself where it would be
// removed or renamed, and the private folder.
var ErrOutside = errors.New("outside of the crashable directory")

// asideDir, in the root, holds removed files as long as they may come back.
const asideDir = ".crash"

// FS is a crashable file system. It is safe for concurrent use; calls are served
// one after the other.
type FS struct {
	base fsx.FS
	root string

	mu     sync.Mutex
	cut    bool
	left   bool // the directory shows what the cut left
	steps  int
	cutAt  int // the step that cuts the power, 0 for none
	haltAt int // the step that takes it without deciding what is left
	off    func()
	keep   Keep
	top    *node
	log    []*change // not yet durable, oldest first
	dirty  []*node   // files with unsynced bytes, in order of their first one
	open   map[*file]struct{}
	asides int

	foreign []string // patterns of directories that others write
	watched []*node  // those directories
}

// New makes the existing directory root crashable. All that it holds now is
// durable. Only one FS may be at work in a directory.
func New(base fsx.FS, root string) *FS {
	if abs, err := filepath.Abs(root); err == nil {
		root = abs
	}
	return &FS{base: base, root: root, top: &node{dir: true}, open: map[*file]struct{}{}}
}

// locate is the real path of name and its elements below the root.
func (c *FS) locate(op, name string) (string, []string, error) {
	if c.cut {
		return "", nil, &fs.PathError{Op: op, Path: name, Err: ErrPowerCut}
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", nil, err
	}
	rel, err := filepath.Rel(c.root, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", nil, &fs.PathError{Op: op, Path: name, Err: ErrOutside}
	}
	if rel == "." {
		return abs, nil, nil
	}
	elems := strings.Split(rel, string(filepath.Separator))
	if elems[0] == asideDir {
		return "", nil, &fs.PathError{Op: op, Path: name, Err: ErrOutside}
	}
	return abs, elems, nil
}

// locateEntry is locate for what may be removed or renamed.
func (c *FS) locateEntry(op, name string) (string, []string, error) {
	path, elems, err := c.locate(op, name)
	if err == nil && len(elems) == 0 {
		err = &fs.PathError{Op: op, Path: name, Err: ErrOutside}
	}
	return path, elems, err
}

// OpenFile opens a file as os.OpenFile does. A file to be written is opened for
// reading too, behind the scenes, to remember what is overwritten.
func (c *FS) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, elems, err := c.locate("open", name)
	if err != nil {
		return nil, err
	}
	_, statErr := c.base.Stat(path)
	creates := statErr != nil && flag&os.O_CREATE != 0
	writable := flag&(os.O_WRONLY|os.O_RDWR) != 0
	if creates {
		if err := c.step("open", name); err != nil {
			return nil, err
		}
	}
	baseFlag := flag &^ (os.O_APPEND | os.O_TRUNC)
	if writable {
		baseFlag = baseFlag&^os.O_WRONLY | os.O_RDWR
	}
	f, err := c.base.OpenFile(path, baseFlag, perm)
	if err != nil {
		return nil, err
	}
	n := c.lookup(elems)
	if creates {
		c.record(&change{n: n, to: n.slot()})
	}
	h := &file{fs: c, f: f, n: n, name: name, flag: flag}
	c.open[h] = struct{}{}
	if flag&os.O_TRUNC != 0 && !creates && writable {
		if err := h.truncate(0); err != nil {
			h.close()
			return nil, err
		}
	}
	return h, nil
}

// MkdirAll makes the directory and its parents, each a step.
func (c *FS) MkdirAll(name string, perm fs.FileMode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, elems, err := c.locate("mkdir", name)
	if err != nil {
		return err
	}
	path := c.root
	for i, elem := range elems {
		path = filepath.Join(path, elem)
		if st, err := c.base.Stat(path); err == nil && st.IsDir() {
			continue
		}
		if err := c.step("mkdir", name); err != nil {
			return err
		}
		if err := c.base.MkdirAll(path, perm); err != nil {
			return err
		}
		n := c.lookup(elems[:i+1])
		n.dir = true
		c.record(&change{n: n, to: n.slot()})
		if err := c.adopt(elems[:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// Stat is os.Stat.
func (c *FS) Stat(name string) (fs.FileInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, _, err := c.locate("stat", name)
	if err != nil {
		return nil, err
	}
	return c.base.Stat(path)
}

// ReadDir is os.ReadDir, less the private folder.
func (c *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, elems, err := c.locate("readdir", name)
	if err != nil {
		return nil, err
	}
	all, err := c.base.ReadDir(path)
	if len(elems) > 0 {
		return all, err
	}
	shown := all[:0]
	for _, entry := range all {
		if entry.Name() != asideDir {
			shown = append(shown, entry)
		}
	}
	return shown, err
}

// SyncDir makes the entries of a directory durable.
func (c *FS) SyncDir(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, elems, err := c.locate("sync", name)
	if err != nil {
		return err
	}
	st, err := c.base.Stat(path)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return &fs.PathError{Op: "sync", Path: name, Err: errors.New("not a directory")}
	}
	if err := c.step("sync", name); err != nil {
		return err
	}
	c.settle(c.lookup(elems))
	return nil
}

// SyncTree makes everything below a directory durable: bytes and names.
func (c *FS) SyncTree(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, elems, err := c.locate("sync", name)
	if err != nil {
		return err
	}
	if st, err := c.base.Stat(path); err != nil {
		return err
	} else if !st.IsDir() {
		return &fs.PathError{Op: "sync", Path: name, Err: errors.New("not a directory")}
	}
	if err := c.step("sync", name); err != nil {
		return err
	}
	return c.settleTree(c.lookup(elems))
}

func (c *FS) settleTree(n *node) error {
	c.clean(n)
	for _, child := range n.children {
		if err := c.settleTree(child); err != nil {
			return err
		}
	}
	if n.dir {
		c.settle(n)
	}
	if n.others == nil {
		return nil
	}
	return c.remember(n)
}
