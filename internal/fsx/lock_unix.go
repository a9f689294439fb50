//go:build unix

package fsx

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile uses flock, which belongs to the open file and not, like fcntl's
// lock, to whichever descriptor of the process is closed first.
func lockFile(f *os.File, shared bool) error {
	how := unix.LOCK_EX | unix.LOCK_NB
	if shared {
		how = unix.LOCK_SH | unix.LOCK_NB
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if lockErr = unix.Flock(int(fd), how); lockErr != unix.EINTR {
				return
			}
		}
	})
	switch {
	case err != nil:
		return err
	case lockErr == unix.EWOULDBLOCK:
		return ErrLocked
	}
	return lockErr
}
