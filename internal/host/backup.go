package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"larder/internal/fsx"
	"larder/internal/host/catalog"
)

// Backup copies a host's directory into another, while the host runs or not. What is there from an
// earlier backup and cannot have changed is not copied again. The catalog is taken first, so that all
// that it names is copied after it.
func Backup(ctx context.Context, dir, to string) error {
	if err := isHost(dir); err != nil {
		return err
	}
	disk := fsx.OS()
	if err := fsx.MkdirAll(disk, to, 0o700); err != nil {
		return told(to, err)
	}
	c, err := catalog.Open(ctx, filepath.Join(dir, "host.db"), nil)
	if err != nil {
		return err
	}
	fresh := filepath.Join(to, fsx.TempPrefix+"host.db")
	err = errors.Join(os.RemoveAll(fresh), c.Snapshot(ctx, fresh))
	if err = errors.Join(err, c.Close()); err == nil {
		err = synced(fresh)
	}
	if err != nil {
		return told(to, err)
	}
	for _, part := range []string{"keys", "uploads", "site"} {
		if err := copyTree(ctx, filepath.Join(dir, part), filepath.Join(to, part)); err != nil {
			return told(to, err)
		}
	}
	return told(to, fsx.Move(disk, fresh, filepath.Join(to, "host.db")))
}

// Export copies the site of a host into a folder that any web server may deliver below
// /larder/v1/. It is whole at every moment: what devices follow is copied last.
func Export(ctx context.Context, dir, to string) error {
	if err := isHost(dir); err != nil {
		return err
	}
	return told(to, copyTree(ctx, filepath.Join(dir, "site"), to))
}

// order says when a file of a site is copied: blobs, then what is signed, then what points to it, and
// the time last.
func order(name string) int {
	switch base := path.Base(name); {
	case base == "timestamp.json":
		return 3
	case base == "manifest.json":
		return 2
	case strings.Contains(name, "blobs/"):
		return 0
	}
	return 1
}

// copyTree copies a tree of files, in order. What a site has under the name of its content or version is
// not copied again; what goes meanwhile was not needed.
func copyTree(ctx context.Context, from, to string) error {
	steps := [4][]string{}
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), fsx.TempPrefix) {
			return err
		}
		rel, err := filepath.Rel(from, name)
		n := order(filepath.ToSlash(rel))
		steps[n] = append(steps[n], rel)
		return err
	})
	if err != nil {
		return err
	}
	for n, step := range steps {
		for _, rel := range step {
			if err := ctx.Err(); err != nil {
				return err
			}
			old, err1 := os.Stat(filepath.Join(to, rel))
			now, err2 := os.Stat(filepath.Join(from, rel))
			if n < 2 && err1 == nil && err2 == nil && old.Size() == now.Size() && filepath.Base(from) == "site" {
				continue
			}
			if err := copyFile(filepath.Join(from, rel), filepath.Join(to, rel)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// copyFile copies one file, durably and in one step, with its permissions.
func copyFile(from, to string) (err error) {
	disk := fsx.OS()
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := fsx.MkdirAll(disk, filepath.Dir(to), 0o700); err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(to), fsx.TempPrefix+filepath.Base(to))
	out, err := disk.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return fsx.Move(disk, temp, to)
}

func synced(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
