package crash

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"larder/internal/fsx"
)

// Keep says what of the unsynced work outlasts a power cut.
type Keep struct {
	// Random chooses, as a disk might; nil keeps nothing. The same seed and the
	// same history leave the same state.
	Random *rand.Rand
}

// Crash cuts the power: every call fails from now on with ErrPowerCut, and the
// directory is brought to a state that a disk could show. Its error is of the
// real disk. A second Crash does nothing.
func (c *FS) Crash(keep Keep) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return nil
	}
	return c.crash(keep)
}

// HaltAt takes the power in place of the given step, counted from New, 0 for none: every
// call fails from then on, and off is called. What is left on the disk Crash decides: later,
// so that those who write past this FS have time to stop.
func (c *FS) HaltAt(step int, off func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.haltAt, c.off = step, off
}

// CrashAt cuts the power in place of the given step, counted from New; see
// Steps. A step already gone never comes back.
func (c *FS) CrashAt(step int, keep Keep) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutAt, c.keep = step, keep
}

// Steps is how many steps were begun: every write, truncation and sync, and
// every name created, renamed or removed.
func (c *FS) Steps() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps
}

// Reopen is a fresh file system over the same root, after the machine has
// started again. With the power still on it is an orderly shutdown first: all
// that was written is durable, and the old FS fails.
func (c *FS) Reopen() *FS {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cut {
		c.halt()
		_ = c.purge() // done again before the folder is next used
	}
	return New(c.base, c.root)
}

// step counts a change that is about to be made.
func (c *FS) step(op, name string) error {
	c.steps++
	if c.haltAt != 0 && c.steps == c.haltAt {
		c.halt()
		c.off()
		return &fs.PathError{Op: op, Path: name, Err: ErrPowerCut}
	}
	if c.cutAt == 0 || c.steps != c.cutAt {
		return nil
	}
	err := c.crash(c.keep)
	return errors.Join(&fs.PathError{Op: op, Path: name, Err: ErrPowerCut}, err)
}

func (c *FS) crash(keep Keep) error {
	c.halt()
	c.left = true
	for _, n := range c.dirty {
		path, err := c.path(n)
		if errors.Is(err, errGone) {
			continue // unlinked, and only written through an old handle
		}
		if err := c.applyUndo(n.undo, path, keep.Random); err != nil {
			return err
		}
	}
	kept := 0
	if keep.Random != nil {
		kept = keep.Random.IntN(len(c.log) + 1)
	}
	for _, ch := range slices.Backward(c.log[kept:]) {
		if err := c.revert(ch); err != nil {
			return err
		}
	}
	for _, n := range c.watched {
		path, err := c.path(n)
		if err == nil {
			if _, err = os.Lstat(path); err == nil {
				err = lose(path, n.others, keep.Random)
			}
		}
		if err != nil && !errors.Is(err, errGone) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return c.purge()
}

func (c *FS) halt() {
	c.cut = true
	for h := range c.open {
		_ = h.close() // its bytes are in the real page cache already
	}
}

func (c *FS) purge() error {
	if c.asides == 0 {
		return nil
	}
	return c.base.RemoveAll(filepath.Join(c.root, asideDir))
}

func (c *FS) applyUndo(u *undo, path string, rnd *rand.Rand) error {
	f, err := c.base.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = c.openReadOnly(path)
	}
	if err != nil {
		return err
	}
	return errors.Join(u.apply(f, rnd), f.Close())
}

// openReadOnly opens for writing a file whose mode forbids it: it was written
// through a handle that its creator got.
func (c *FS) openReadOnly(path string) (fsx.File, error) {
	st, err := c.base.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	f, err := c.base.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, st.Mode().Perm()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
