package client

import (
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/language"
	"larder/internal/shelf"
)

// In narrows a search; the zero value is all packs. Where several packs have a path,
// which they may only in different languages, the resolved language goes first.
type In struct {
	Pack asset.PackID // that pack alone
	// Language is a tag: packs of that language alone, as CLDR compares (en is en-US).
	Language string
}

// Open opens a file of the installed packs for reading (managed §1.7). The path is
// relative, with slashes. fileNotFound (1 of BAManagedErrorDomain, and fs.ErrNotExist)
// when no pack has it. Close it.
func (m *AssetPackManager) Open(path string, in In) (*os.File, error) {
	return m.shelf.Open(path, m.in(in))
}

// in spells a language as the packs do.
func (m *AssetPackManager) in(in In) shelf.In {
	out := shelf.In{Pack: in.Pack, Language: in.Language}
	want, ok := language.Prefer(in.Language)
	if !ok {
		return out
	}
	for _, p := range m.shelf.Packs() {
		if t, err := language.Parse(p.Language); err == nil && t.Same(want) {
			out.Language = p.Language
			return out
		}
	}
	return out
}

// Contents reads a whole file. For a large one Map costs less.
func (m *AssetPackManager) Contents(path string, in In) ([]byte, error) {
	f, err := m.Open(path, in)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, notAFile(path)
	}
	text := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case err == io.EOF:
			return text, nil
		case err != nil:
			return nil, err
		case len(text) == cap(text):
			text = append(text, 0)[:len(text)]
		}
	}
}

func notAFile(path string) error {
	return &asset.Error{Code: asset.CodeFileNotFound, Domain: asset.DomainManaged, Op: "read", Subject: path, Message: "it is a directory", Help: "list it with FS", Err: fs.ErrInvalid}
}

// Mapping is a file in memory, as far as it is looked at. Its bytes must not be
// written to, nor used after Close.
type Mapping struct {
	Bytes []byte
	close func() error
}

// Close gives it back.
func (m *Mapping) Close() error {
	m.Bytes = nil
	return m.close()
}

// Map maps a file into memory: what large models and archives are read with. It
// stays as it is when the pack is updated.
func (m *AssetPackManager) Map(path string, in In) (*Mapping, error) {
	f, err := m.Open(path, in)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		if err == nil {
			err = notAFile(path)
		}
		return nil, err
	}
	b, unmap, err := fsx.Map(f)
	return &Mapping{Bytes: b, close: unmap}, err
}

// Path is the place of a file or directory on the disk, for libraries that take only
// paths. It stays until Refresh or Close. A directory that several packs share is put
// together from links. Nobody may write there.
func (m *AssetPackManager) Path(path string, in In) (string, error) {
	return m.shelf.Path(path, m.in(in))
}

// URL is Path as a file URL. Unlike Apple's it is an error when nothing is there.
func (m *AssetPackManager) URL(path string, in In) (*url.URL, error) {
	name, err := m.Path(path, in)
	if err != nil {
		return nil, err
	}
	name = filepath.ToSlash(name)
	if runtime.GOOS == "windows" {
		name = "/" + name
	}
	return &url.URL{Scheme: "file", Path: name}, nil
}

// FS is all packs as one tree: for fs.WalkDir, template.ParseFS, http.FS and the like.
// Symbolic links in packs look like what they lead to.
func (m *AssetPackManager) FS() fs.FS { return tree{m.shelf} }
