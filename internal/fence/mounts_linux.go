package fence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	quiet    = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	readOnly = quiet | unix.MOUNT_ATTR_RDONLY
)

// A tree is a part of the file system that is taken into the new root.
type tree struct {
	at    string // where, absolute
	attrs uint64
	fd    int
	dir   bool
}

// newRoot moves this process, which has a mount namespace of its own, into a root
// directory that holds nothing but what r reaches. All is taken by descriptor
// before anything is mounted, so that no mount hides what a later one needs. The
// working directory is the new root.
func newRoot(r reach) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	trees, err := takeTrees(r)
	if err != nil {
		return err
	}
	proc, procErr := newFileSystem("proc", map[string]string{"subset": "pid"}, quiet|unix.MOUNT_ATTR_NOEXEC)
	root, err := newFileSystem("tmpfs", map[string]string{"mode": "0755", "size": "1m"}, quiet)
	if err == nil {
		err = attach(root, r.Write[0]) // a directory that is there for certain
	}
	if err == nil {
		err = unix.Chdir(r.Write[0])
	}
	if err != nil {
		return fmt.Errorf("new root: %w", err)
	}
	for _, t := range trees {
		if err := t.place(); err != nil {
			return &fs.PathError{Op: "mount", Path: t.at, Err: err}
		}
	}
	for _, link := range slices.Concat(r.Links, []string{"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"}) {
		if err := copyLink(link); err != nil {
			return &fs.PathError{Op: "link", Path: link, Err: err}
		}
	}
	if procErr == nil { // without it there is no /proc; most programs need none
		if err := errors.Join(unix.Mkdir("proc", 0o555), attach(proc, "proc")); err != nil {
			return &fs.PathError{Op: "mount", Path: "/proc", Err: err}
		}
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	return unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: readOnly})
}

// takeTrees opens what goes into the new root, in the order in which it is placed:
// what may be written last, over what may only be read.
func takeTrees(r reach) (list []tree, err error) {
	open := func(p string, attrs uint64) {
		if err == nil {
			list, err = take(list, p, attrs)
		}
	}
	only := slices.Concat(r.Execute, r.Read)
	slices.Sort(only)
	for _, p := range only {
		open(p, readOnly)
	}
	for _, p := range r.Devices {
		open(p, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	}
	if r.Tree != "" {
		open(r.Tree, quiet)
		return list, err
	}
	for _, p := range r.Write {
		open(p, quiet)
	}
	return list, err
}

// take opens p, unless a tree with the same rights holds it already.
func take(list []tree, p string, attrs uint64) ([]tree, error) {
	for _, t := range list {
		if t.attrs == attrs && t.dir && within(p, t.at) {
			return list, nil
		}
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, p, unix.OPEN_TREE_CLONE|unix.O_CLOEXEC|unix.AT_RECURSIVE)
	if err == unix.ENOENT {
		return list, nil
	} else if err != nil {
		return list, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attrs})
	if err != nil {
		return list, &fs.PathError{Op: "restrict", Path: p, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return list, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	return append(list, tree{at: p, attrs: attrs, fd: fd, dir: st.Mode&unix.S_IFMT == unix.S_IFDIR}), nil
}

// place puts the tree where it belongs below the working directory.
func (t tree) place() error {
	to := "." + t.at
	if t.dir {
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			f.Close()
		} else if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return attach(t.fd, to)
}

// copyLink makes a symbolic link of the old root in the new one, unless something
// has its name there.
func copyLink(link string) error {
	target, err := os.Readlink(link)
	if err != nil {
		return nil // such as /dev/fd where there is none
	}
	to := "." + link
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	err = os.Symlink(target, to)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}

func newFileSystem(name string, options map[string]string, attrs int) (mount int, err error) {
	fd, err := unix.Fsopen(name, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	for key, value := range options {
		if err := unix.FsconfigSetString(fd, key, value); err != nil {
			return -1, fmt.Errorf("%s option %s: %w", name, key, err)
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return -1, err
	}
	return unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, attrs)
}

func attach(mount int, at string) error {
	return unix.MoveMount(mount, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
}
