package stick

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"larder/asset"
	"larder/internal/publish"
)

// Tar writes an export as one file, in the order in which it is imported.
type Tar struct{ w *tar.Writer }

// NewTar begins a file. Close ends it.
func NewTar(w io.Writer) *Tar { return &Tar{tar.NewWriter(w)} }

// Close writes the end of the file.
func (t *Tar) Close() error { return t.w.Close() }

// Has implements Target: a new file has nothing.
func (t *Tar) Has(context.Context, string, int64) (bool, error) { return false, nil }

// Put implements Target.
func (t *Tar) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := t.w.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	n, err := io.Copy(t.w, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, ctx.Err())
}

// Archive is a file that [Tar] wrote, as a Source.
type Archive struct {
	f       *os.File
	entries map[string]entry
}

type entry struct{ at, size int64 }

// maxEntries bounds what of an archive is kept in mind.
const maxEntries = 1 << 20

// OpenArchive reads what is in an archive. One that was cut off has what is whole.
func OpenArchive(name string) (*Archive, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	a := &Archive{f: f, entries: map[string]entry{}}
	if err := a.scan(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

func (a *Archive) scan() error {
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	r := tar.NewReader(a.f)
	for {
		h, err := r.Next()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fault(asset.CodeConfiguration, a.f.Name(), "it is no archive: "+err.Error(), "name a folder or file that \"larder site export\" wrote")
		}
		at, err := a.f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name) || at+h.Size > info.Size() {
			continue
		}
		if a.entries[h.Name] = (entry{at, h.Size}); len(a.entries) > maxEntries {
			return fault(asset.CodeTooLarge, a.f.Name(), "it has too many files", "is it an export?")
		}
	}
}

// Close closes the file.
func (a *Archive) Close() error { return a.f.Close() }

// Names are the files in it.
func (a *Archive) Names() (all []string) {
	for name := range a.entries {
		all = append(all, name)
	}
	return all
}

// Get implements Source.
func (a *Archive) Get(_ context.Context, name string, limit int64) ([]byte, error) {
	e, ok := a.entries[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	if e.size > limit {
		return nil, fault(asset.CodeTooLarge, name, "it is larger than such a document can be", "is it an export?")
	}
	b := make([]byte, e.size)
	_, err := io.ReadFull(io.NewSectionReader(a.f, e.at, e.size), b)
	return b, err
}

// Open implements Source.
func (a *Archive) Open(_ context.Context, name string) (publish.Blob, error) {
	e, ok := a.entries[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return part{io.NewSectionReader(a.f, e.at, e.size)}, nil
}

type part struct{ *io.SectionReader }

func (part) Close() error { return nil }
