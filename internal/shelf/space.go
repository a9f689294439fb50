package shelf

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// space is the trees of some packs laid over each other. Trees never change, so what
// was once found stays found: a directory that several packs have is listed once, the
// rest is never looked at.
type space struct {
	mounts []*mount // in the order that decides where several have a path
	top    *branch
}

// branch is a directory that several packs have.
type branch struct {
	path   string
	mounts []*mount

	mu    sync.RWMutex
	names map[string]*child // nil until listed
	wide  bool              // too many names to keep
}

// child is what a branch has under one name.
type child struct {
	mounts []*mount
	branch *branch // nil, unless it is a directory of several packs
}

// maxNames is how many names of one branch are kept, some 100 bytes each. In wider ones
// each pack is asked in turn. A variable for tests.
var maxNames = 1 << 16

func newSpace(mounts []*mount) *space {
	return &space{mounts: mounts, top: &branch{path: ".", mounts: mounts}}
}

// find tells who has a path: one pack, which may turn out not to; or, for a directory of
// several, the branch. Neither: nobody.
func (s *space) find(name string) (*mount, *branch, error) {
	b := s.top
	rest := name
	if rest == "." {
		rest = ""
	}
	for {
		switch len(b.mounts) {
		case 0:
			return nil, nil, nil
		case 1:
			return b.mounts[0], nil, nil
		}
		if rest == "" {
			return nil, b, nil
		}
		first := rest
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			first, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		c, err := b.child(first)
		switch {
		case err != nil || c == nil:
			return nil, nil, err
		case c.branch == nil:
			return c.mounts[0], nil, nil
		}
		b = c.branch
	}
}

func (b *branch) child(name string) (*child, error) {
	b.mu.RLock()
	c, known := b.names[name], b.names != nil
	wide := b.wide
	b.mu.RUnlock()
	switch {
	case wide:
		return b.ask(name)
	case known:
		return c, nil
	}
	if err := b.list(); err != nil {
		return nil, err
	}
	return b.child(name)
}

// list learns the names in the directory from all packs that have it.
func (b *branch) list() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.names != nil || b.wide {
		return nil
	}
	type found struct {
		mounts []*mount
		dir    bool
	}
	all := map[string]found{}
	for _, m := range b.mounts {
		err := m.each(b.path, func(e fs.DirEntry) bool {
			f := all[e.Name()]
			f.dir = f.dir || len(f.mounts) == 0 && e.IsDir()
			f.mounts = append(f.mounts, m)
			all[e.Name()] = f
			return len(all) <= maxNames
		})
		if err != nil {
			return err
		}
		if len(all) > maxNames {
			b.names, b.wide = map[string]*child{}, true
			return nil
		}
	}
	b.names = make(map[string]*child, len(all))
	for name, f := range all {
		b.names[strings.Clone(name)] = b.newChild(name, f.mounts, f.dir)
	}
	return nil
}

func (b *branch) newChild(name string, mounts []*mount, dir bool) *child {
	c := &child{mounts: slices.Clip(mounts)}
	if dir && len(mounts) > 1 {
		c.branch = &branch{path: path.Join(b.path, name), mounts: c.mounts}
	}
	return c
}

// ask looks for one name in each pack. Directories of several packs are kept, because
// they have names of their own to keep.
func (b *branch) ask(name string) (*child, error) {
	b.mu.RLock()
	c := b.names[name]
	b.mu.RUnlock()
	if c != nil {
		return c, nil
	}
	var mounts []*mount
	dir := false
	for _, m := range b.mounts {
		tree, err := m.open()
		if err != nil {
			return nil, err
		}
		info, err := tree.Root().Lstat(path.Join(b.path, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		dir = dir || len(mounts) == 0 && info.IsDir()
		mounts = append(mounts, m)
	}
	if len(mounts) == 0 {
		return nil, nil
	}
	c = b.newChild(name, mounts, dir)
	if c.branch == nil {
		return c, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.names[name]; known != nil {
		return known, nil
	}
	b.names[strings.Clone(name)] = c
	return c, nil
}

// each tells of what lies in a directory of the pack, until tell has enough. A
// directory that the pack lacks is empty.
func (m *mount) each(name string, tell func(fs.DirEntry) bool) error {
	tree, err := m.open()
	if err != nil {
		return err
	}
	d, err := tree.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(1024)
		for _, e := range entries {
			if !tell(e) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
