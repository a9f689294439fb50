package shelf

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"larder/asset"
)

// In says where to look; the zero value is all packs.
type In struct {
	Pack     asset.PackID // the pack of that ID alone
	Language string       // packs of that language alone, tagged so
}

// Open opens a file for reading, or a directory of one pack; for others see ReadDir. The
// name has slashes and lies below the packs' common root (managed §1.7). Where
// several packs have it, the format's rule decides. Close the file.
func (s *Shelf) Open(name string, in In) (*os.File, error) {
	const op = "open"
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, b, err := s.find(op, name, in)
	if err != nil {
		return nil, err
	}
	if b != nil {
		if len(b.mounts) == 0 {
			return nil, notFound(op, name)
		}
		m = b.mounts[0]
	}
	tree, err := m.open()
	if err != nil {
		return nil, lost(op, name, m, err)
	}
	f, err := tree.Open(name)
	if err != nil {
		return nil, lost(op, name, m, err)
	}
	return f, nil
}

// ReadDir lists a directory, of all packs that have it together, sorted by name.
func (s *Shelf) ReadDir(name string, in In) ([]fs.DirEntry, error) {
	const op = "read directory"
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, b, err := s.find(op, name, in)
	if err != nil {
		return nil, err
	}
	if b == nil {
		tree, err := m.open()
		if err != nil {
			return nil, lost(op, name, m, err)
		}
		d, err := tree.Open(name)
		if err != nil {
			return nil, lost(op, name, m, err)
		}
		defer d.Close()
		entries, err := d.ReadDir(-1)
		if err != nil {
			return nil, lost(op, name, m, err)
		}
		return sorted(entries), nil
	}
	return b.entries(op)
}

// entries lists a branch.
func (b *branch) entries(op string) ([]fs.DirEntry, error) {
	var all []fs.DirEntry
	seen := map[string]bool{}
	for _, m := range b.mounts {
		err := m.each(b.path, func(e fs.DirEntry) bool {
			if !seen[e.Name()] {
				seen[e.Name()] = true
				all = append(all, e)
			}
			return true
		})
		if err != nil {
			return nil, lost(op, b.path, m, err)
		}
	}
	return sorted(all), nil
}

func sorted(entries []fs.DirEntry) []fs.DirEntry {
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return entries
}

// Path gives the place of a file or directory in the file system, for programs that want
// a path and not an open file. It stays until the next Refresh, or Close. A directory that
// several packs share is put together in the scratch directory, from links, when it is
// first asked for; its files are the packs' own (managed §1.7: url(for:)).
// Nobody may write there.
func (s *Shelf) Path(name string, in In) (string, error) {
	const op = "find"
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, b, err := s.find(op, name, in)
	if err != nil {
		return "", err
	}
	if b != nil {
		return s.merged.path(s.opts.Scratch, b)
	}
	tree, err := m.open()
	if err == nil {
		_, err = tree.Root().Stat(name)
	}
	if err != nil {
		return "", lost(op, name, m, err)
	}
	return filepath.Join(m.dir, filepath.FromSlash(name)), nil
}

// find gives the one pack that may have the name, or the branch.
func (s *Shelf) find(op, name string, in In) (*mount, *branch, error) {
	if s.closed {
		return nil, nil, errClosed(op)
	}
	if name != "." && !validPath(name) {
		return nil, nil, &asset.Error{Code: asset.CodeManagedFileNotFound, Domain: asset.DomainManaged, Op: op, Subject: quote(name), Message: "it is no path in a pack",
			Help: "give a relative path with slashes, without . and ..", Err: fs.ErrInvalid}
	}
	if in.Pack != "" {
		m := s.now.mount(in.Pack)
		switch {
		case m == nil:
			return nil, nil, &asset.Error{Code: asset.CodeManagedPackNotFound, Domain: asset.DomainManaged, Op: op, Subject: string(in.Pack), Message: "this pack is not installed, or was not when the process looked",
				Help: "ensure its local availability first"}
		case in.Language != "" && in.Language != m.Language:
			return nil, nil, notFound(op, name)
		}
		return m, nil, nil
	}
	m, b, err := s.now.space(in.Language).find(name)
	switch {
	case err != nil:
		return nil, nil, err
	case m == nil && b == nil:
		if name == "." { // of no packs
			return nil, &branch{path: "."}, nil
		}
		return nil, nil, notFound(op, name)
	}
	return m, b, nil
}

func (now *sight) space(language string) *space {
	if language == "" {
		return now.all
	}
	now.mu.Lock()
	defer now.mu.Unlock()
	s := now.spaces[language]
	if s == nil {
		s = newSpace(slices.DeleteFunc(slices.Clone(now.all.mounts), func(m *mount) bool { return m.Language != language }))
		if len(s.mounts) > 0 { // do not remember whatever is asked
			now.spaces[language] = s
		}
	}
	return s
}

func notFound(op, name string) error {
	return &asset.Error{Code: asset.CodeManagedFileNotFound, Domain: asset.DomainManaged, Op: op, Subject: quote(name), Message: "no installed pack has it", Err: fs.ErrNotExist}
}

// lost wraps an error of the file system.
func lost(op, name string, m *mount, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(op, name)
	}
	return &asset.Error{Code: asset.CodeManagedFileNotFound, Domain: asset.DomainManaged, Op: op, Subject: quote(name), Message: "it cannot be read in pack " + string(m.ID), Err: err}
}

// validPath accepts relative paths with slashes that name the same thing on every
// system and never lead up.
func validPath(name string) bool {
	return name != "." && fs.ValidPath(name) && strings.IndexByte(name, 0) < 0 && filepath.IsLocal(name)
}

func quote(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strconv.Quote(s)
}
