package corpus

import (
	"crypto/sha256"
	_ "embed" // the digests
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// digests has a line for each tree: its digest, two spaces, "NAME/old" or "NAME/new".
//
//go:embed digests.txt
var digests string

// pinned is the digest that a tree must have. A tree without one cannot be fetched.
func pinned(tree string) string {
	for line := range strings.Lines(digests) {
		if digest, ok := strings.CutSuffix(strings.TrimSpace(line), "  "+tree); ok {
			return digest
		}
	}
	return ""
}

// Digest names a tree: SHA-256 over path, size and SHA-256 of each file and path
// and target of each link, in the order of their paths. Times, modes and
// directories do not count.
func Digest(dir string) (string, error) {
	all := sha256.New()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(name)
			fmt.Fprintf(all, "%q link %q\n", filepath.ToSlash(rel), target)
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		one := sha256.New()
		n, err := io.Copy(one, f)
		fmt.Fprintf(all, "%q %d %x\n", filepath.ToSlash(rel), n, one.Sum(nil))
		return err
	})
	return hex.EncodeToString(all.Sum(nil)), err
}
