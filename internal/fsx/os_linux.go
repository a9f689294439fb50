package fsx

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// syncFile leaves out the journal commit that fsync makes for times alone.
// fdatasync includes the size.
func syncFile(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if syncErr = unix.Fdatasync(int(fd)); syncErr != unix.EINTR {
				return
			}
		}
	})
	if err != nil { // Control itself fails only on a closed file
		syncErr = fs.ErrClosed
	}
	if syncErr != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: syncErr}
	}
	return nil
}
