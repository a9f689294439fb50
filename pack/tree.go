package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"larder/asset"
)

// Source is an entry and where its bytes are: the name to open, which need not
// be its path in the pack. Empty means the path.
type Source struct {
	Entry
	From string
}

// Tree is what goes into a pack. Sources may come in any order; directories that
// hold something are not among them. Open gets a Source's name; it is called
// from one goroutine at a time.
type Tree struct {
	Sources []Source
	Open    func(name string) (io.ReadCloser, error)
}

// DirTree gives all that lies below a directory, hidden files too. Devices,
// sockets and pipes are refused. Nothing outside root is read, and symbolic links
// are packed as such. Executable means that its owner may execute it.
func DirTree(ctx context.Context, root *os.Root) (Tree, error) {
	t := Tree{Open: func(name string) (io.ReadCloser, error) { return root.Open(name) }}
	err := walkTree(ctx, opBuild, root, ".", func(name string, info fs.FileInfo, empty bool) error {
		e := Entry{Path: name}
		switch mode := info.Mode(); {
		case mode.IsDir() && (!empty || name == "."):
			return nil
		case mode.IsDir():
			e.Kind = KindDirectory
		case mode.IsRegular():
			if e.Kind, e.Size = KindFile, info.Size(); mode&0o100 != 0 {
				e.Kind = KindExecutable
			}
		case mode&fs.ModeSymlink != 0:
			target, err := root.Readlink(name)
			if err != nil {
				return disk(opBuild, quote(name), err)
			}
			e.Kind, e.Target = KindLink, target
		default:
			return fault(asset.CodeConfiguration, opBuild, quote(name), "it is neither a file, nor a directory, nor a symbolic link (%v)", mode.Type())
		}
		t.Sources = append(t.Sources, Source{Entry: e})
		return nil
	})
	return t, err
}

// walkTree visits a directory and everything below it in the order of a pack,
// each name before what lies in it, which fs.SkipDir leaves out. The names are
// below root, with slashes.
func walkTree(ctx context.Context, op string, root *os.Root, dir string, visit func(name string, info fs.FileInfo, empty bool) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	f, err := root.Open(dir)
	if err != nil {
		return disk(op, quote(dir), err)
	}
	info, err := f.Stat()
	var names []fs.DirEntry
	if err == nil {
		names, err = f.ReadDir(-1)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return disk(op, quote(dir), err)
	}
	if err := visit(dir, info, len(names) == 0); errors.Is(err, fs.SkipDir) {
		return nil
	} else if err != nil {
		return err
	}
	slices.SortFunc(names, func(a, b fs.DirEntry) int { return comparePaths(a.Name(), b.Name()) })
	for _, d := range names {
		name := path.Join(dir, d.Name())
		if d.IsDir() {
			err = walkTree(ctx, op, root, name, visit)
		} else if info, err = d.Info(); err != nil {
			err = disk(op, quote(name), err)
		} else {
			err = visit(name, info, false)
		}
		if err != nil && !errors.Is(err, fs.SkipDir) {
			return err
		}
	}
	return nil
}

// order sorts and judges the tree.
func (t Tree) order() ([]Source, error) {
	sources := slices.Clone(t.Sources)
	slices.SortFunc(sources, func(a, b Source) int { return comparePaths(a.Path, b.Path) })
	all := newCensus(opBuild)
	for i := range sources {
		if err := all.add(sources[i].Entry); err != nil {
			return nil, err
		}
		if sources[i].From == "" {
			sources[i].From = sources[i].Path
		}
	}
	return sources, nil
}

// exactly reads size bytes and then the end of the file, or says how it differs.
type exactly struct {
	r    io.Reader
	left int64
}

var errSizeChanged = errors.New("the file has another size than before")

func (e *exactly) Read(b []byte) (int, error) {
	if e.left == 0 {
		var one [1]byte
		if n, err := io.ReadFull(e.r, one[:]); n > 0 || !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("%w: it grew", errSizeChanged)
		}
		return 0, io.EOF
	}
	n, err := e.r.Read(b[:min(int64(len(b)), e.left)])
	if e.left -= int64(n); errors.Is(err, io.EOF) {
		if err = nil; e.left > 0 {
			err = fmt.Errorf("%w: it ends %d bytes too early", errSizeChanged, e.left)
		}
	}
	return n, err
}
