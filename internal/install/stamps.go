package install

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sort"

	"larder/internal/fsx"
)

// stamps tell which files of a tree nobody has touched since they were proved: for each,
// a hash of its path, size, time and inode. Sixteen bytes each, sorted: a million
// files cost 16 MB. Without its stamp a file is read and hashed before it is used.
type stamps []byte

type stamp [16]byte

const maxStamps = 1 << 24 // as many as a pack has entries

func stampOf(path string, info fs.FileInfo) (out stamp, ok bool) {
	inode, ok := inodeOf(info)
	if !ok {
		return out, false
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(info.Size()))
	b = binary.LittleEndian.AppendUint64(b, uint64(info.ModTime().UnixNano()))
	b = binary.LittleEndian.AppendUint64(b, inode)
	sum := sha256.Sum256(append(b, path...))
	return stamp(sum[:]), true
}

func (s stamps) intact(path string, info fs.FileInfo) bool {
	want, ok := stampOf(path, info)
	if !ok {
		return false
	}
	n := len(s) / len(want)
	at := func(i int) []byte { return s[i*len(want) : (i+1)*len(want)] }
	i := sort.Search(n, func(i int) bool { return bytes.Compare(at(i), want[:]) >= 0 })
	return i < n && bytes.Equal(at(i), want[:])
}

// saveStamps notes the files of a tree that was just made.
func (s *Store) saveStamps(tree, name string) error {
	root, err := s.root.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	var all []stamp
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := stampOf(path, info); ok && info.Size() > 0 {
			all = append(all, st)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b stamp) int { return bytes.Compare(a[:], b[:]) })
	b := make([]byte, 0, len(all)*len(stamp{}))
	for _, st := range all {
		b = append(b, st[:]...)
	}
	return fsx.WriteFile(s.fs, s.path(name), b, 0o644)
}

// readStamps gives none where there are none: they save time and nothing else.
func (s *Store) readStamps(name string) (stamps, error) {
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStamps*int64(len(stamp{}))))
	return stamps(b), err
}
