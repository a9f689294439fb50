package crash

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"larder/internal/fsx"
)

// Rename renames as os.Rename does: one step, a replaced file is kept aside.
func (c *FS) Rename(oldname, newname string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, fromElems, err := c.locateEntry("rename", oldname)
	if err != nil {
		return err
	}
	to, toElems, err := c.locateEntry("rename", newname)
	if err != nil {
		return err
	}
	moved, err := c.base.Stat(from)
	if err != nil {
		return c.base.Rename(from, to) // for its error
	}
	if err := c.step("rename", oldname); err != nil {
		return err
	}
	replaced, statErr := c.base.Stat(to)
	if from == to || statErr == nil && replaced.IsDir() {
		return c.base.Rename(from, to) // nothing to do, or to be refused
	}
	var victim *node
	if statErr == nil {
		if victim, err = c.renameOver(from, to, toElems); err != nil {
			return err
		}
	} else if err := c.base.Rename(from, to); err != nil {
		return err
	}

	n := c.lookup(fromElems)
	n.dir = moved.IsDir()
	left := n.slot()
	n.detach()
	n.attach(c.lookup(toElems[:len(toElems)-1]), toElems[len(toElems)-1])
	c.record(&change{n: n, from: left, to: n.slot(), replaced: victim})
	return nil
}

// renameOver renames over the file at to, of which it keeps a hard link aside,
// so that others never see the name without a file. Where there are no hard
// links it moves the file.
func (c *FS) renameOver(from, to string, toElems []string) (*node, error) {
	aside, err := c.nextAside()
	if err != nil {
		return nil, err
	}
	linkErr := os.Link(to, aside)
	if linkErr != nil {
		if err := c.base.Rename(to, aside); err != nil {
			return nil, errors.Join(linkErr, err)
		}
	}
	if err := c.base.Rename(from, to); err != nil {
		if linkErr != nil {
			return nil, errors.Join(err, c.base.Rename(aside, to))
		}
		return nil, errors.Join(err, c.base.Remove(aside))
	}
	victim := c.lookup(toElems)
	victim.detach()
	victim.aside = aside
	return victim, nil
}

// Remove removes a file or an empty directory: one step, kept aside.
func (c *FS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, elems, err := c.locateEntry("remove", name)
	if err != nil {
		return err
	}
	return c.remove(path, elems)
}

func (c *FS) remove(path string, elems []string) error {
	st, err := c.base.Stat(path)
	if err != nil {
		return err
	}
	if st.IsDir() {
		entries, err := c.base.ReadDir(path)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			return &fs.PathError{Op: "remove", Path: path, Err: syscall.ENOTEMPTY}
		}
	}
	if err := c.step("remove", path); err != nil {
		return err
	}
	aside, err := c.nextAside()
	if err != nil {
		return err
	}
	if err := c.base.Rename(path, aside); err != nil {
		return err
	}
	n := c.lookup(elems)
	n.dir = st.IsDir()
	left := n.slot()
	n.detach()
	n.aside = aside
	c.record(&change{n: n, from: left})
	return nil
}

// RemoveAll removes a tree from its leaves up, each entry a step.
func (c *FS) RemoveAll(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, elems, err := c.locateEntry("remove", name)
	if err != nil {
		return err
	}
	return c.removeAll(path, elems)
}

func (c *FS) removeAll(path string, elems []string) error {
	st, err := c.base.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.IsDir() {
		entries, err := c.base.ReadDir(path)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			below := append(elems[:len(elems):len(elems)], entry.Name())
			if err := c.removeAll(filepath.Join(path, entry.Name()), below); err != nil {
				return err
			}
		}
	}
	return c.remove(path, elems)
}

// nextAside is a free name in the private folder.
func (c *FS) nextAside() (string, error) {
	dir := filepath.Join(c.root, asideDir)
	if c.asides == 0 {
		// An earlier process may have died with its folder in place.
		if err := c.base.RemoveAll(dir); err != nil {
			return "", err
		}
		if err := c.base.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
	}
	c.asides++
	return filepath.Join(dir, strconv.Itoa(c.asides)), nil
}

var _ fsx.FS = (*FS)(nil)
