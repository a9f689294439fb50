// Package staging is where files lie while they come in parts, in any order and several
// at once, until all of it is there and was judged.
//
// It promises that a part which was acknowledged is on the disk for good, that no part is
// written by two at once or after the file was sealed, and that nothing here is opened by
// any name but an ID of ours. It does not know what a file should be: process judges.
//
// api writes, process reads and takes away.
package staging

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"larder/internal/fsx"
)

// Area is a directory of files on their way.
type Area struct {
	Dir  string
	Disk fsx.FS

	mu   sync.Mutex
	busy map[string]map[int]bool // by file: parts that are being written; -1: it is sealed
}

// Errors of Write and Seal.
var (
	ErrBusy   = errors.New("this part is being sent already")
	ErrSealed = errors.New("the file is not open for parts any more")
	ErrLength = errors.New("the part does not have its length")
)

func (a *Area) path(id string) string { return filepath.Join(a.Dir, filepath.Base(id)) }

// Begin claims a part for one writer, until end is called.
func (a *Area) Begin(id string, part int) (end func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.busy[id]
	switch {
	case at[-1]:
		return nil, ErrSealed
	case at[part]:
		return nil, ErrBusy
	case at == nil:
		if a.busy == nil {
			a.busy = map[string]map[int]bool{}
		}
		at = map[int]bool{}
		a.busy[id] = at
	}
	at[part] = true
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(at, part)
		if len(at) == 0 {
			delete(a.busy, id)
		}
	}, nil
}

// Seal keeps writers away until end is called; ErrBusy while one is at work.
func (a *Area) Seal(id string) (end func(), err error) {
	a.mu.Lock()
	idle := len(a.busy[id]) == 0
	a.mu.Unlock()
	if !idle {
		return nil, ErrBusy
	}
	return a.Begin(id, -1)
}

// Write puts exactly length bytes of r at an offset, durably, and gives their MD5.
func (a *Area) Write(ctx context.Context, id string, offset, length int64, r io.Reader) (sum string, err error) {
	if err := fsx.MkdirAll(a.Disk, a.Dir, 0o700); err != nil {
		return "", err
	}
	_, missing := a.Disk.Stat(a.path(id))
	f, err := a.Disk.OpenFile(a.path(id), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	h := md5.New()
	n, err := io.Copy(io.MultiWriter(io.NewOffsetWriter(f, offset), h), io.LimitReader(r, length))
	if err == nil && n != length || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrLength
	}
	if err == nil {
		var more [1]byte
		if n, _ := io.ReadFull(r, more[:]); n > 0 {
			err = ErrLength
		}
	}
	if err == nil {
		err = errors.Join(ctx.Err(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil && missing != nil {
		err = a.Disk.SyncDir(a.Dir)
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// Composite is the MD5 of the parts' MD5s.
func Composite(sums []string) (string, error) {
	h := md5.New()
	for _, s := range sums {
		b, err := hex.DecodeString(s)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Sums are the hashes of a whole file, in hexadecimal digits.
type Sums struct{ MD5, SHA256 string }

// Sum reads a file to its end. Without withMD5 that hash is left out.
func (a *Area) Sum(ctx context.Context, id string, withMD5 bool) (s Sums, size int64, err error) {
	f, err := a.Disk.OpenFile(a.path(id), os.O_RDONLY, 0)
	if err != nil {
		return s, 0, err
	}
	defer f.Close()
	sha, plain := sha256.New(), md5.New()
	to := []io.Writer{sha}
	if withMD5 {
		to = append(to, plain)
	}
	size, err = io.Copy(io.MultiWriter(to...), attended{ctx, f})
	return Sums{MD5: digits(plain), SHA256: digits(sha)}, size, err
}

func digits(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// attended is a reader that ends with its context.
type attended struct {
	ctx context.Context
	io.Reader
}

func (a attended) Read(b []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	return a.Reader.Read(b)
}

// Get reads a file of at most limit bytes.
func (a *Area) Get(id string, limit int64) ([]byte, error) {
	f, err := a.Disk.OpenFile(a.path(id), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// Has reports whether a file is there.
func (a *Area) Has(id string) bool {
	info, err := a.Disk.Stat(a.path(id))
	return err == nil && info.Mode().IsRegular()
}

// Move takes a file away to a place on the same file system, durably. Unsynced bytes there are
// none.
func (a *Area) Move(id, to string) error {
	if err := fsx.MkdirAll(a.Disk, filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return fsx.Move(a.Disk, a.path(id), to)
}

// Remove deletes a file; a missing one is no error.
func (a *Area) Remove(id string) error {
	if err := a.Disk.Remove(a.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// List names all files.
func (a *Area) List() (ids []string, err error) {
	entries, err := a.Disk.ReadDir(a.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}
