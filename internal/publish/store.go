package publish

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"larder/internal/fsx"
)

// Store is where a site lies, as its publisher reaches it. Names have slashes.
type Store interface {
	// Get reads a document of at most limit bytes; a missing one is fs.ErrNotExist.
	Get(ctx context.Context, name string, limit int64) ([]byte, error)
	// Open reads a blob in any order; a missing one is fs.ErrNotExist.
	Open(ctx context.Context, name string) (Blob, error)
	// Has reports whether a blob of that size is there.
	Has(ctx context.Context, name string, size int64) (bool, error)
	// Put stores size bytes under a name, durably and in one step.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// String names the place for people, without secrets.
	String() string
}

// Blob is a file of a store.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Folder is a store in a directory.
type Folder struct {
	Dir  string
	Disk fsx.FS
}

func (f Folder) String() string { return f.Dir }

func (f Folder) path(name string) string { return filepath.Join(f.Dir, filepath.FromSlash(name)) }

// Get implements Store.
func (f Folder) Get(_ context.Context, name string, limit int64) ([]byte, error) {
	file, err := f.Disk.OpenFile(f.path(name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, tooLarge(name, limit)
	}
	return b, err
}

type openFile struct {
	fsx.File
	size int64
}

func (f openFile) Size() int64 { return f.size }

// Open implements Store.
func (f Folder) Open(_ context.Context, name string) (Blob, error) {
	file, err := f.Disk.OpenFile(f.path(name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return openFile{file, info.Size()}, nil
}

// Has implements Store.
func (f Folder) Has(_ context.Context, name string, size int64) (bool, error) {
	info, err := f.Disk.Stat(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular() && info.Size() == size, err
}

// Put implements Store.
func (f Folder) Put(ctx context.Context, name string, r io.Reader, size int64) (err error) {
	at := f.path(name)
	if err := fsx.MkdirAll(f.Disk, filepath.Dir(at), 0o755); err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(at), fsx.TempPrefix+strconv.FormatUint(rand.Uint64(), 36))
	w, err := f.Disk.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Disk.Remove(temp) // the first error is the one that tells
		}
	}()
	n, err := io.Copy(w, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close(), ctx.Err()); err != nil {
		return err
	}
	return fsx.Move(f.Disk, temp, at)
}
