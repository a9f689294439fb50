// Package corpus fetches the public trees that the benchmarks compare, two
// releases of each, by name at a pinned version.
//
// It promises that a corpus is complete and the very bytes that its digests name,
// or is not there at all; that a second call finds it and fetches nothing; and
// that the machine's own package states stay as they are. It keeps to the
// registries that the machine's npm, go and apt are set up for. It measures
// nothing. Only the benchmark program calls it.
package corpus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Pair is two releases of one public thing, unpacked as trees.
type Pair struct {
	Name   string
	Nature string // what kind of bytes, in a few words
	Listed bool   // one of those that Larder was tuned with; the others keep us honest
	Old    Release
	New    Release
}

// Release says where a tree comes from, and what it must be.
type Release struct {
	What   string // for people: the package and its version
	Digest string // of the tree, see [Digest]
	from   source
}

// source unpacks a release below dir, which is empty.
type source interface {
	fetch(ctx context.Context, dir string) error
}

// Fetch makes the corpus in folder, as folder/NAME/old and folder/NAME/new, if it
// is not there, and returns that place.
func (p Pair) Fetch(ctx context.Context, folder string) (string, error) {
	place := filepath.Join(folder, p.Name)
	switch _, err := os.Stat(place); {
	case err == nil:
		return place, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(folder, "."+p.Name+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	for _, r := range []struct {
		dir string
		Release
	}{{"old", p.Old}, {"new", p.New}} {
		if err := r.get(ctx, filepath.Join(part, r.dir)); err != nil {
			return "", fmt.Errorf("fetch %s: %w", p.Name, err)
		}
	}
	if err := os.Chmod(part, 0o755); err != nil {
		return "", err
	}
	return place, os.Rename(part, place)
}

func (r Release) get(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := r.from.fetch(ctx, dir); err != nil {
		return fmt.Errorf("%s: %w", r.What, err)
	}
	got, err := Digest(dir)
	if err == nil && got != r.Digest {
		err = fmt.Errorf("%s: its tree has the digest %s, not %s: the registry gave other bytes", r.What, got, r.Digest)
	}
	return err
}
