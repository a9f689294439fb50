package demo

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// generate fills dir with files for a machine without a Go distribution: about
// 90 MB in four folders, the same bytes every time.
func generate(dir string) error {
	for _, g := range []struct {
		folder string
		count  int
		size   int64
		perm   os.FileMode
	}{
		{"engine", 5, 7 << 20, 0o755},
		{"levels", 8, 5 << 20, 0o644},
		{"music", 5, 3 << 20, 0o644},
		{"text", 40, 30 << 10, 0o644},
	} {
		folder := filepath.Join(dir, g.folder)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		for n := range g.count {
			name := fmt.Sprintf("%s-%02d", g.folder, n+1)
			seed := [32]byte{}
			copy(seed[:], name)
			if err := fill(filepath.Join(folder, name), g.size, g.perm, rand.NewChaCha8(seed)); err != nil {
				return err
			}
		}
	}
	return nil
}

func fill(path string, size int64, perm os.FileMode, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, from, size)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
