package crash

import (
	"bytes"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Foreign says that others write past this FS in directories whose path below the
// root matches the pattern (of filepath.Match): a library on an os.Root, as in
// staging. What they write there is durable after SyncTree of that directory or one
// above it, and at no other time; until then a power cut takes it back, all of it or,
// with a random [Keep], any part: files and links come or not, torn or
// whole, and whatever was removed may be back. The directory itself must be made, moved
// and removed through the FS. Others must have stopped when the power is cut. What is
// there now is durable. It all is held in memory.
func (c *FS) Foreign(pattern string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.foreign = append(c.foreign, pattern)
	found, err := filepath.Glob(filepath.Join(c.root, pattern))
	if err != nil {
		return err
	}
	for _, path := range found {
		rel, err := filepath.Rel(c.root, path)
		if err != nil {
			return err
		}
		if err := c.adopt(strings.Split(rel, string(filepath.Separator))); err != nil {
			return err
		}
	}
	return nil
}

// adopt begins to watch an existing directory if it is one that others write.
func (c *FS) adopt(elems []string) error {
	for _, pattern := range c.foreign {
		if ok, _ := filepath.Match(pattern, filepath.Join(elems...)); !ok {
			continue
		}
		n := c.lookup(elems)
		n.dir = true
		if n.others == nil {
			c.watched = append(c.watched, n)
		}
		return c.remember(n)
	}
	return nil
}

// item is a file, directory or link that others made.
type item struct {
	mode   fs.FileMode
	data   []byte
	target string
}

func (i item) same(j item) bool {
	return i.mode == j.mode && i.target == j.target && bytes.Equal(i.data, j.data)
}

// remember takes what is in the directory for durable.
func (c *FS) remember(n *node) error {
	path, err := c.path(n)
	if err != nil {
		return err
	}
	n.others, err = look(path)
	return err
}

func look(dir string) (map[string]item, error) {
	all := map[string]item{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		it := item{mode: info.Mode()}
		switch {
		case info.Mode().IsRegular():
			it.data, err = os.ReadFile(path)
		case info.Mode()&fs.ModeSymlink != 0:
			it.target, err = os.Readlink(path)
		}
		all[path[len(dir)+1:]] = it
		return err
	})
	return all, err
}

// lose takes back what others wrote below dir since it was durable.
func lose(dir string, durable map[string]item, rnd *rand.Rand) error {
	now, err := look(dir)
	if err != nil {
		return err
	}
	luck := func() bool { return rnd != nil && rnd.IntN(2) == 0 }
	gone := "\x00"
	for _, name := range slices.Sorted(maps.Keys(now)) {
		old, had := durable[name]
		switch {
		case strings.HasPrefix(name, gone+string(filepath.Separator)):
			continue
		case had && old.same(now[name]):
			continue
		case now[name].mode.IsDir() && (had || luck()):
			continue
		case had && old.mode.IsRegular() && now[name].mode.IsRegular():
			if err := mix(filepath.Join(dir, name), old, now[name], rnd); err != nil {
				return err
			}
			continue
		case !had && now[name].mode.IsRegular() && luck():
			if err := tear(filepath.Join(dir, name), now[name], rnd); err != nil {
				return err
			}
			continue
		case luck():
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
		if delete(now, name); !had {
			gone = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(durable)) {
		if _, there := now[name]; !there && !luck() {
			if err := durable[name].restore(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// tear leaves a new file whole, or a part of it. One with a second name is somebody
// else's too and stays as it is.
func tear(name string, it item, rnd *rand.Rand) error {
	info, err := os.Lstat(name)
	if err != nil || hasOtherNames(info) || rnd.IntN(2) == 0 {
		return err
	}
	data := bytes.Clone(it.data[:rnd.IntN(len(it.data)+1)])
	for at := 0; at < len(data); at += sector {
		if rnd.IntN(8) == 0 {
			clear(data[at:min(at+sector, len(data))])
		}
	}
	return os.WriteFile(name, data, it.mode.Perm())
}

// mix leaves of a durable file that was written to, or was replaced, a state between.
func mix(name string, old, now item, rnd *rand.Rand) error {
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	data := bytes.Clone(old.data)
	switch {
	case rnd == nil:
	case hasOtherNames(info):
		if rnd.IntN(2) == 0 {
			return nil
		}
	default:
		for at := 0; at < len(now.data); at += sector {
			if end := min(at+sector, len(now.data)); rnd.IntN(2) == 0 {
				data = append(data, make([]byte, max(end-len(data), 0))...)
				copy(data[at:end], now.data[at:end])
			}
		}
	}
	if err := os.Remove(name); err != nil { // never through a second name
		return err
	}
	return item{mode: old.mode, data: data}.restore(name)
}

func (i item) restore(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch {
	case i.mode.IsDir():
		return os.MkdirAll(name, i.mode.Perm())
	case i.mode&fs.ModeSymlink != 0:
		return os.Symlink(i.target, name)
	}
	return os.WriteFile(name, i.data, i.mode.Perm())
}
