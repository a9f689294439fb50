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
	return flock(f, how)
}

// unlockFile frees the lock at once. Closing alone would leave it to a process that is
// being started meanwhile, which has the open file too until it becomes another program.
func unlockFile(f *os.File) error { return flock(f, unix.LOCK_UN) }

func flock(f *os.File, how int) error {
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
