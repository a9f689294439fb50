//go:build linux || darwin

package purge

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFlags never wait, should the name be a pipe by now.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

func setMark(f *os.File, value string) error {
	return control(f, func(fd int) error { return unix.Fsetxattr(fd, Attribute, []byte(value), 0) })
}

func getMark(f *os.File) (value string, err error) {
	buf := make([]byte, 128)
	err = control(f, func(fd int) error {
		n, err := unix.Fgetxattr(fd, Attribute, buf)
		value = string(buf[:max(n, 0)])
		return err
	})
	return value, err
}

// Supported reports whether the disk of a directory keeps marks.
func Supported(dir string) bool {
	_, err := unix.Getxattr(dir, Attribute, nil)
	return !errors.Is(err, errors.ErrUnsupported)
}

func control(f *os.File, do func(fd int) error) (err error) {
	conn, cerr := f.SyscallConn()
	if cerr != nil {
		return cerr
	}
	cerr = conn.Control(func(fd uintptr) { err = do(int(fd)) })
	return errors.Join(cerr, err)
}

// identity names a file on its disk, and tells how many names it has.
func identity(f *os.File) (id, links uint64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, errors.ErrUnsupported
	}
	return st.Ino, uint64(st.Nlink), nil
}
