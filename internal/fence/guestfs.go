package fence

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	esys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"
)

// guestFS is the file system of a module: a directory of which only the container
// and the inbox can be used. A symbolic link is followed when it stays inside, which
// os.Root knows, and never made. Paths are cleaned before they are judged and used, so
// that ".." means the same to both. A module runs alone in its process, so nobody but
// the app itself changes a link between the look and the use.
type guestFS struct {
	esys.FS
	dirs []guestDir
}

type guestDir struct {
	at   string // below the root of the file system, with slashes
	root *os.Root
}

func newGuestFS(s Spec) (esys.FS, error) {
	g := &guestFS{FS: sysfs.DirFS(s.root())}
	for _, dir := range []string{s.Container, s.Inbox} {
		if dir == "" {
			continue
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		g.dirs = append(g.dirs, guestDir{strings.TrimPrefix(s.Guest(dir), "/"), root})
	}
	return g, nil
}

// inside finds the directory that p, as wazero gives it, lies in, and its name there.
func (g *guestFS) inside(p string) (*os.Root, string) {
	for _, dir := range g.dirs {
		if rest, ok := strings.CutPrefix(p+"/", dir.at+"/"); ok {
			return dir.root, filepath.FromSlash(path.Clean("./" + rest))
		}
	}
	return nil, ""
}

// leadsTo reports whether p is on the way to them, which may be looked at.
func (g *guestFS) leadsTo(p string) bool {
	for _, dir := range g.dirs {
		if p == "." || strings.HasPrefix(dir.at, p+"/") {
			return true
		}
	}
	return false
}

// entry judges a path whose last element is not followed.
func (g *guestFS) entry(p string) esys.Errno {
	root, name := g.inside(p)
	if root == nil {
		return esys.EPERM
	}
	if _, err := root.Stat(filepath.Dir(name)); err != nil {
		return refusal(err)
	}
	return 0
}

// file judges a path that is followed to its end, where there may be nothing yet.
func (g *guestFS) file(p string) esys.Errno {
	if errno := g.entry(p); errno != 0 {
		return errno
	}
	root, name := g.inside(p)
	if link, err := root.Lstat(name); err != nil || link.Mode()&fs.ModeSymlink == 0 {
		return 0
	}
	if _, err := root.Stat(name); err != nil {
		return refusal(err)
	}
	return 0
}

// refusal is the number for an error of os.Root, whose own one for leaving has none.
func refusal(err error) esys.Errno {
	if errors.Is(err, fs.ErrNotExist) {
		return esys.ENOENT
	}
	return esys.EPERM
}

func (g *guestFS) OpenFile(p string, flag esys.Oflag, perm fs.FileMode) (esys.File, esys.Errno) {
	p = path.Clean(p)
	if g.leadsTo(p) {
		if flag&(esys.O_WRONLY|esys.O_RDWR|esys.O_CREAT|esys.O_TRUNC) != 0 {
			return nil, esys.EISDIR
		}
		return &wayFile{g: g, at: p}, 0
	}
	if errno := g.file(p); errno != 0 {
		return nil, errno
	}
	return g.FS.OpenFile(p, flag, perm)
}

func (g *guestFS) Lstat(p string) (sys.Stat_t, esys.Errno) {
	p = path.Clean(p)
	if !g.leadsTo(p) {
		if errno := g.entry(p); errno != 0 {
			return sys.Stat_t{}, errno
		}
	}
	return g.FS.Lstat(p)
}

func (g *guestFS) Stat(p string) (sys.Stat_t, esys.Errno) {
	p = path.Clean(p)
	if !g.leadsTo(p) {
		if errno := g.file(p); errno != 0 {
			return sys.Stat_t{}, errno
		}
	}
	return g.FS.Stat(p)
}

func (g *guestFS) Mkdir(p string, perm fs.FileMode) esys.Errno {
	p = path.Clean(p)
	if errno := g.entry(p); errno != 0 {
		return errno
	}
	return g.FS.Mkdir(p, perm)
}

func (g *guestFS) Chmod(p string, perm fs.FileMode) esys.Errno {
	p = path.Clean(p)
	if errno := g.file(p); errno != 0 {
		return errno
	}
	return g.FS.Chmod(p, perm)
}

func (g *guestFS) Rename(from, to string) esys.Errno { return g.two(from, to, g.FS.Rename) }

func (g *guestFS) Link(from, to string) esys.Errno { return g.two(from, to, g.FS.Link) }

func (g *guestFS) two(from, to string, do func(string, string) esys.Errno) esys.Errno {
	from, to = path.Clean(from), path.Clean(to)
	for _, p := range []string{from, to} {
		if errno := g.entry(p); errno != 0 {
			return errno
		}
	}
	return do(from, to)
}

func (g *guestFS) Rmdir(p string) esys.Errno { return g.one(p, g.FS.Rmdir) }

func (g *guestFS) Unlink(p string) esys.Errno { return g.one(p, g.FS.Unlink) }

func (g *guestFS) one(p string, do func(string) esys.Errno) esys.Errno {
	p = path.Clean(p)
	if errno := g.entry(p); errno != 0 {
		return errno
	}
	return do(p)
}

func (g *guestFS) Symlink(string, string) esys.Errno { return esys.EPERM }

func (g *guestFS) Readlink(p string) (string, esys.Errno) {
	p = path.Clean(p)
	if errno := g.entry(p); errno != 0 {
		return "", errno
	}
	return g.FS.Readlink(p)
}

func (g *guestFS) Utimens(p string, atim, mtim int64) esys.Errno {
	p = path.Clean(p)
	if errno := g.file(p); errno != 0 {
		return errno
	}
	return g.FS.Utimens(p, atim, mtim)
}

// wayFile is an open directory on the way to the container and the inbox. It shows
// only what leads there, whatever else it holds.
type wayFile struct {
	esys.UnimplementedFile
	g    *guestFS
	at   string
	seen int
}

func (w *wayFile) IsDir() (bool, esys.Errno) { return true, 0 }

func (w *wayFile) Stat() (sys.Stat_t, esys.Errno) { return w.g.FS.Stat(w.at) }

func (w *wayFile) Readdir(n int) (list []esys.Dirent, _ esys.Errno) {
	var names []string
	for _, dir := range w.g.dirs {
		rest := dir.at
		if w.at != "." {
			rest, _ = strings.CutPrefix(dir.at, w.at+"/")
		}
		if name, _, _ := strings.Cut(rest, "/"); (w.at == "." || rest != dir.at) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	names = names[min(w.seen, len(names)):]
	if n > 0 {
		names = names[:min(n, len(names))]
	}
	for _, name := range names {
		list = append(list, esys.Dirent{Name: name, Type: fs.ModeDir})
	}
	w.seen += len(names)
	return list, 0
}

func (w *wayFile) Close() esys.Errno { return 0 }

// random is the system's own, whatever else a runtime would give a module.
type random struct{}

func (random) Read(b []byte) (int, error) { return rand.Read(b) }
