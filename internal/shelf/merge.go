package shelf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"larder/internal/fsx"
)

// merger puts directories together that several packs share. They lie in a directory
// of this process alone, with a lock in it that dies with the process: so the next one
// can tell what was left behind.
type merger struct {
	mu   sync.Mutex
	dir  string // empty: not made yet
	lock *os.File
	made map[*branch]string
	n    int
}

const scratchPrefix = "larder-merged-"

func (g *merger) path(scratch string, b *branch) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at, ok := g.made[b]; ok {
		return at, nil
	}
	if err := g.begin(scratch); err != nil {
		return "", fmt.Errorf("put directory together %s: %w", quote(b.path), err)
	}
	g.n++
	at := filepath.Join(g.dir, fmt.Sprint(g.n), path.Base(b.path))
	if err := b.build(at); err != nil {
		_ = os.RemoveAll(filepath.Dir(at)) // the first error is the one that tells
		return "", fmt.Errorf("put directory together %s: %w", quote(b.path), err)
	}
	g.made[b] = at
	return at, nil
}

// begin makes the process's directory, after those of dead processes are gone. One of
// them may take the new one for dead before it is locked: then another try is due.
func (g *merger) begin(scratch string) error {
	if g.dir != "" {
		return nil
	}
	if scratch == "" {
		scratch = os.TempDir()
	}
	root, err := os.OpenRoot(scratch)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := sweep(root); err != nil {
		return err
	}
	for range 10 {
		var dir string
		if dir, err = os.MkdirTemp(scratch, scratchPrefix); err != nil {
			return err
		}
		var lock *os.File
		if lock, err = lockScratch(root, filepath.Base(dir)); err == nil {
			if dir, err = filepath.Abs(dir); err != nil {
				return errors.Join(err, lock.Close())
			}
			g.dir, g.lock, g.made = dir, lock, map[*branch]string{}
			return nil
		}
	}
	return err
}

// sweep removes what dead processes left. Directories of other users are theirs.
func sweep(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), scratchPrefix) {
			continue
		}
		if lock, err := lockScratch(root, e.Name()); err == nil {
			_ = root.RemoveAll(e.Name())
			_ = lock.Close()
			_ = root.RemoveAll(e.Name()) // where an open file cannot be removed, it goes now
		}
	}
	return nil
}

// lockScratch locks a scratch directory, which must stay in its place meanwhile.
func lockScratch(root *os.Root, name string) (*os.File, error) {
	at := name + "/lock"
	f, err := root.OpenFile(at, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	held, err := f.Stat()
	if err == nil {
		err = fsx.TryLock(f, false)
	}
	if err == nil {
		var named fs.FileInfo
		if named, err = root.Lstat(at); err == nil && !os.SameFile(held, named) {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// clear removes what was put together.
func (g *merger) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for b, at := range g.made {
		_ = os.RemoveAll(filepath.Dir(at)) // else it goes with the process's directory
		delete(g.made, b)
	}
}

func (g *merger) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dir == "" {
		return nil
	}
	dir := g.dir
	g.dir, g.made = "", nil
	err := os.RemoveAll(dir)
	return errors.Join(g.lock.Close(), err, os.RemoveAll(dir))
}

// build makes a real directory of a branch: links to what one pack has, directories for
// what several have.
func (b *branch) build(at string) error {
	if err := os.MkdirAll(at, 0o700); err != nil {
		return err
	}
	for _, m := range b.mounts {
		var failed error
		err := m.each(b.path, func(e fs.DirEntry) bool {
			name := path.Join(b.path, e.Name())
			c, err := b.child(e.Name())
			switch to := filepath.Join(at, e.Name()); {
			case err != nil:
				failed = err
			case c == nil || c.mounts[0] != m: // another pack's, or it will be
			case c.branch != nil:
				failed = c.branch.build(to)
			default:
				failed = join(filepath.Join(m.dir, filepath.FromSlash(name)), to, e.IsDir())
			}
			return failed == nil
		})
		if err := errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

// join gives what lies at from the second name to: by a symbolic link, or, where
// users may make none (Windows), by hard links, or by copies.
func join(from, to string, dir bool) error {
	if os.Symlink(from, to) == nil {
		return nil
	}
	if !dir {
		if os.Link(from, to) == nil {
			return nil
		}
		return copyFile(from, to)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if err := join(filepath.Join(from, e.Name()), filepath.Join(to, e.Name()), e.IsDir()); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
