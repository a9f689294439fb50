//go:build unix

package fsx

import (
	"os"

	"golang.org/x/sys/unix"
)

// Map has the bytes of a file in memory, as they are looked at. They must not be written
// to, nor used once unmap was called, and the file may be closed before.
func Map(f *os.File) (b []byte, unmap func() error, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return nil, func() error { return nil }, err
	}
	b, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, &os.PathError{Op: "map", Path: f.Name(), Err: err}
	}
	return b, func() error { return unix.Munmap(b) }, nil
}
