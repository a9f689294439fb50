package purge

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// File is a marked file of a tree.
type File struct {
	Name     string // from the tree's directory, with slashes
	Size     int64
	Modified time.Time
}

// Use is what a tree holds, in bytes as files say and in regular files.
type Use struct {
	Bytes, Purgeable      int64
	Files, PurgeableFiles int
}

// maxDepth bounds how deep a tree is looked into: deeper directories count as
// empty, as they could only be made to keep us busy.
const maxDepth = 100

// Tree is a directory that others write.
type Tree struct{ root *os.Root }

// Open opens the directory at dir, which must not be a symbolic link.
func Open(dir string) (*Tree, error) {
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	name := filepath.Base(dir)
	is, err := parent.Lstat(name)
	if err != nil {
		return nil, err
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(is, opened) {
		root.Close()
		return nil, errors.Join(err, &os.PathError{Op: "open tree", Path: dir, Err: errors.New("it is no directory of its own")})
	}
	return &Tree{root}, nil
}

// Close ends the use of the tree.
func (t *Tree) Close() error { return t.root.Close() }

// Walk counts what the tree holds, and calls each, if given, for each marked
// file. What vanishes meanwhile or cannot be read is left out.
func (t *Tree) Walk(ctx context.Context, each func(File)) (u Use, err error) {
	err = fs.WalkDir(t.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && name == ".":
			return err
		case err != nil:
			return nil
		case d.IsDir() && strings.Count(name, "/") >= maxDepth:
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		u.Files++
		u.Bytes += info.Size()
		if f := t.open(name); f != nil {
			defer f.Close()
			if st, err := f.Stat(); err == nil && os.SameFile(info, st) && marked(f) {
				u.PurgeableFiles++
				u.Purgeable += st.Size()
				if each != nil {
					each(File{name, st.Size(), st.ModTime()})
				}
			}
		}
		return nil
	})
	return u, err
}

func (t *Tree) open(name string) *os.File {
	f, err := t.root.OpenFile(filepath.FromSlash(name), openFlags, 0)
	if err != nil {
		return nil
	}
	return f
}

// Aside is a marked file that was taken out of its place, to be deleted.
type Aside struct {
	File
	tree *Tree
	at   string
}

// asidePrefix begins the names of files that are set aside. One that a crash left
// is still marked, and goes with the next purge.
const asidePrefix = ".larder-purging-"

// SetAside takes a marked file out of its place. Once nobody can reach it by its
// name it is looked at again: when it is not the file that was marked, it is put
// back and ok is false. So is it when it is gone.
func (t *Tree) SetAside(f File) (a Aside, ok bool) {
	a = Aside{f, t, asidePrefix + rand.Text()}
	if strings.HasPrefix(path.Base(f.Name), asidePrefix) {
		a.at = f.Name // from an earlier crash
	} else if !t.is(f.Name) || t.root.Rename(filepath.FromSlash(f.Name), a.at) != nil {
		return a, false
	}
	if t.is(a.at) {
		return a, true
	}
	a.PutBack()
	return a, false
}

// is reports whether name itself, and not what a link of that name leads to, is
// a marked file.
func (t *Tree) is(name string) bool {
	info, err := t.root.Lstat(filepath.FromSlash(name))
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f := t.open(name)
	if f == nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	return err == nil && os.SameFile(info, st) && marked(f)
}

// PutBack puts the file where it was, unless there is a newer one.
func (a Aside) PutBack() {
	from, to := filepath.FromSlash(a.at), filepath.FromSlash(a.Name)
	if from == to {
		return
	}
	err := a.tree.root.Link(from, to)
	switch {
	case err == nil || errors.Is(err, fs.ErrExist):
		_ = a.tree.root.Remove(from) // it has its name again, or was replaced by its owner
	default:
		_ = a.tree.root.Rename(from, to) // a directory, or a disk without links
	}
}

// Delete deletes it for good.
func (a Aside) Delete() error { return a.tree.root.Remove(filepath.FromSlash(a.at)) }
