package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// TempPrefix begins the name of every temporary file of [WriteFile]. A power
// cut may leave one behind: who lists a directory skips such names, who sweeps
// it removes them.
const TempPrefix = ".tmp-"

// WriteFile makes data the content of the named file, atomically and durably: at
// any moment, and after a crash at any moment, the file has its old content (or
// is missing) or the new one; once WriteFile has returned nil, the new one. The
// permissions are those of a new file, less the umask; the old file's are not
// kept. Concurrent calls for one name leave the content of one of them.
//
// When it fails, the temporary file is removed. An error of the last step, the
// directory's sync, leaves the new content in place but not promised.
func WriteFile(fsys FS, name string, data []byte, perm fs.FileMode) error {
	dir := filepath.Dir(name)
	temp := filepath.Join(dir, fmt.Sprintf("%s%016x", TempPrefix, rand.Uint64()))
	if err := writeTemp(fsys, temp, data, perm); err != nil {
		return err
	}
	if err := fsys.Rename(temp, name); err != nil {
		_ = fsys.Remove(temp) // the first error is the one that tells
		return err
	}
	return fsys.SyncDir(dir)
}

// writeTemp leaves a new, synced and closed file, or none.
func writeTemp(fsys FS, temp string, data []byte, perm fs.FileMode) error {
	f, err := fsys.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = fsys.Remove(temp) // the first error is the one that tells
		return err
	}
	return nil
}

// Move renames a file or directory within one file system, durably: after a
// crash at any moment it has one of the two names, once Move has returned nil
// the new one. A file in the way is replaced. The content must have been synced
// before. Between file systems it fails.
func Move(fsys FS, oldname, newname string) error {
	if err := fsys.Rename(oldname, newname); err != nil {
		return err
	}
	from, to := filepath.Dir(oldname), filepath.Dir(newname)
	if err := fsys.SyncDir(to); err != nil {
		return err
	}
	if from == to {
		return nil
	}
	return fsys.SyncDir(from)
}

// MkdirAll makes the named directory and its missing parents, durably: it syncs
// the parent of each directory it made. A directory found in place is taken to
// be durable already.
func MkdirAll(fsys FS, name string, perm fs.FileMode) error {
	var parents []string // of the missing ones, deepest first
	for at := filepath.Clean(name); ; {
		_, err := fsys.Stat(at)
		if err == nil {
			break
		}
		parent := filepath.Dir(at)
		if !errors.Is(err, fs.ErrNotExist) || parent == at {
			return err
		}
		parents = append(parents, parent)
		at = parent
	}
	if err := fsys.MkdirAll(name, perm); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := fsys.SyncDir(parent); err != nil {
			return err
		}
	}
	return nil
}
