package fsx

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockedByte is the upper half of its offset.
const lockedByte = 0x40000000

// lockFile locks one byte far behind the text: a locked byte cannot be read by
// others here, and the holder's process number should be.
func lockFile(f *os.File, shared bool) error {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !shared {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		at := windows.Overlapped{OffsetHigh: lockedByte}
		lockErr = windows.LockFileEx(windows.Handle(fd), how, 0, 1, 0, &at)
	})
	switch {
	case err != nil:
		return err
	case errors.Is(lockErr, windows.ERROR_LOCK_VIOLATION), errors.Is(lockErr, windows.ERROR_IO_PENDING):
		return ErrLocked
	}
	return lockErr
}

// unlockFile frees the lock at once: the system frees that of a closed file some time later.
func unlockFile(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var unlockErr error
	err = conn.Control(func(fd uintptr) {
		at := windows.Overlapped{OffsetHigh: lockedByte}
		unlockErr = windows.UnlockFileEx(windows.Handle(fd), 0, 1, 0, &at)
	})
	return errors.Join(err, unlockErr)
}
