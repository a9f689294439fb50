package publish

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"larder/asset"
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
	// Replace writes a document, durably and in one step, if what is there is old still;
	// with a nil old, if nothing is there. Where the new document is already, all is well.
	// Otherwise it is [ErrChanged]. Of two that call it at once, one wins.
	Replace(ctx context.Context, name string, old, new []byte) error
	// String names the place for people, without secrets.
	String() string
}

// ErrChanged is what Replace says when somebody else wrote meanwhile.
var ErrChanged = errors.New("it is not what it was")

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

// lockFile keeps two publishers on one machine from replacing at once.
const lockFile = fsx.TempPrefix + "lock"

// Replace implements Store.
func (f Folder) Replace(ctx context.Context, name string, old, new []byte) (err error) {
	if err := fsx.MkdirAll(f.Disk, f.Dir, 0o755); err != nil {
		return err
	}
	lock, err := fsx.Lock(filepath.Join(f.Dir, lockFile))
	if errors.Is(err, fsx.ErrLocked) {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	now, err := f.Get(ctx, name, int64(max(len(old), len(new)))+1)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		now, err = nil, nil
	case asset.CodeOf(err) == asset.CodeTooLarge:
		return ErrChanged
	}
	switch {
	case err != nil:
		return err
	case now != nil && bytes.Equal(now, new):
		return nil
	case (now == nil) != (old == nil) || !bytes.Equal(now, old):
		return ErrChanged
	}
	return f.Put(ctx, name, bytes.NewReader(new), int64(len(new)))
}
