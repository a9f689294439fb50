package fsx

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Map has the bytes of a file in memory, as they are looked at. They must not be written
// to, nor used once unmap was called, and the file may be closed before.
func Map(f *os.File) (b []byte, unmap func() error, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return nil, func() error { return nil }, err
	}
	fail := func(err error) ([]byte, func() error, error) {
		return nil, nil, &os.PathError{Op: "map", Path: f.Name(), Err: err}
	}
	h, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return fail(err)
	}
	defer windows.CloseHandle(h) // the view keeps it
	at, err := windows.MapViewOfFile(h, windows.FILE_MAP_READ, 0, 0, 0)
	if err != nil {
		return fail(err)
	}
	b = unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), info.Size())
	return b, func() error { return windows.UnmapViewOfFile(at) }, nil
}
