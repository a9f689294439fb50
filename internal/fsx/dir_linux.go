package fsx

import (
	"errors"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// errNoBeneath says that openat2 cannot be used: an old kernel, a sandbox that
// does not know it, or a race that it refuses to judge.
var errNoBeneath = errors.New("no openat2")

var beneathRefused atomic.Bool

func noBeneath(err error) bool { return err == errNoBeneath }

func anchor(root *os.Root) *os.File {
	at, err := root.Open(".")
	if err != nil {
		return nil
	}
	return at
}

func openBeneath(at *os.File, name, full string) (*os.File, error) {
	if beneathRefused.Load() {
		return nil, errNoBeneath
	}
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	var file *os.File
	err := control(at, func(dir int) error {
		fd, err := unix.Openat2(dir, name, &how)
		if err == nil {
			file = os.NewFile(uintptr(fd), full)
		}
		return err
	})
	switch err {
	case nil:
		return file, nil
	case unix.ENOSYS, unix.EPERM:
		beneathRefused.Store(true)
		return nil, errNoBeneath
	case unix.EAGAIN:
		return nil, errNoBeneath
	}
	return nil, &fs.PathError{Op: "open", Path: full, Err: err}
}
