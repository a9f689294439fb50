package fsx

import (
	"io/fs"
	"os"
)

// OS is the real file system. A File's Sync is fdatasync on Linux, F_FULLFSYNC
// on macOS (which reaches the medium, as plain fsync there does not) and
// FlushFileBuffers on Windows. On Windows Rename waits up to two seconds for
// scanners and indexers that hold a file open.
func OS() FS { return system{} }

type system struct{}

func (system) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return systemFile{f}, nil
}

func (system) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }
func (system) Rename(oldname, newname string) error         { return rename(oldname, newname) }
func (system) Remove(name string) error                     { return os.Remove(name) }
func (system) RemoveAll(name string) error                  { return os.RemoveAll(name) }
func (system) Stat(name string) (fs.FileInfo, error)        { return os.Stat(name) }
func (system) ReadDir(name string) ([]fs.DirEntry, error)   { return os.ReadDir(name) }
func (system) SyncDir(name string) error                    { return syncDir(name) }

func (system) SyncTree(name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close()
	return SyncTree(root)
}

// systemFile shows no more of the os.File than File asks for, so that nobody
// comes to rely on methods that the crashable implementation lacks.
type systemFile struct{ f *os.File }

func (s systemFile) Read(p []byte) (int, error)               { return s.f.Read(p) }
func (s systemFile) ReadAt(p []byte, off int64) (int, error)  { return s.f.ReadAt(p, off) }
func (s systemFile) Write(p []byte) (int, error)              { return s.f.Write(p) }
func (s systemFile) WriteAt(p []byte, off int64) (int, error) { return s.f.WriteAt(p, off) }
func (s systemFile) Close() error                             { return s.f.Close() }
func (s systemFile) Name() string                             { return s.f.Name() }
func (s systemFile) Truncate(size int64) error                { return s.f.Truncate(size) }
func (s systemFile) Sync() error                              { return syncFile(s.f) }
func (s systemFile) Stat() (fs.FileInfo, error)               { return s.f.Stat() }
