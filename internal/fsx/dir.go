package fsx

import (
	"os"
	"path/filepath"
)

// Dir is an open directory that opens what lies below it and nothing else, as
// [os.Root] does, in one call to the system where it has such a call. What is open
// may be removed meanwhile, on Windows too. It is safe for concurrent use.
type Dir struct {
	root *os.Root
	at   *os.File // the directory itself, or nil where it is of no use
}

// OpenDir opens the named directory.
func OpenDir(name string) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Dir{root: root, at: anchor(root)}, nil
}

// Root is the same directory, for all else. It is closed with d.
func (d *Dir) Root() *os.Root { return d.root }

// Open opens a file or directory for reading. The name has slashes; symbolic links
// are followed as long as they stay below the directory.
func (d *Dir) Open(name string) (*os.File, error) {
	if d.at != nil {
		f, err := openBeneath(d.at, name, filepath.Join(d.root.Name(), name))
		if !noBeneath(err) {
			return f, err
		}
	}
	return d.root.Open(name)
}

// Close closes the directory. Files opened below it stay open.
func (d *Dir) Close() error {
	if d.at != nil {
		_ = d.at.Close() // it was only read
	}
	return d.root.Close()
}
