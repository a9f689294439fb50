// Package purge knows which files may be deleted when the disk is nearly full
// (classic §7): it marks them, finds them, and deletes them.
//
// A mark belongs to one file as it is: a plain move keeps it; a copy and any
// change lose it, as the mark names the file's identity, size and time. It lies
// in the extended attribute [Attribute] on Linux and macOS, in a stream of that
// name on NTFS, and nowhere on disks that have neither: what cannot be marked is
// never purged.
//
// It promises never to delete what is not marked, nor anything outside of the
// directory it was given, whatever symbolic links lie there. It does not decide
// when to purge and tells nobody; the service does. Deletions are not synced: a
// file that a power cut brings back is still marked.
package purge

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Attribute is the name of the mark.
const Attribute = "user.larder.purgeable"

// step is the finest difference of times that every disk with marks keeps.
const step = 100 * time.Nanosecond

// Mark marks the regular file at path, whose bytes are complete. Its time becomes
// a little earlier, so that even a change within the same tick of the clock
// shows. The error wraps errors.ErrUnsupported where the disk keeps no marks.
func Mark(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	at := info.ModTime().Add(-step).Truncate(step)
	for range 2 { // the second time with what a coarse disk made of the time
		value, err := describe(f, info.Size(), at)
		if err != nil {
			return err
		}
		if err := setMark(f, value); err != nil {
			return &os.PathError{Op: "mark", Path: path, Err: err}
		}
		if err := os.Chtimes(path, time.Time{}, at); err != nil {
			return err
		}
		if info, err = f.Stat(); err != nil || info.ModTime().Equal(at) {
			return err
		}
		at = info.ModTime()
	}
	return &os.PathError{Op: "mark", Path: path, Err: errors.ErrUnsupported}
}

// marked reports whether the open file is one that was marked, unchanged.
func marked(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	want, err := describe(f, info.Size(), info.ModTime())
	if err != nil {
		return false
	}
	got, err := getMark(f)
	return err == nil && got == want
}

func describe(f *os.File, size int64, at time.Time) (string, error) {
	id, links, err := identity(f)
	if err != nil {
		return "", err
	}
	if links > 1 { // deleting one name would free nothing, and the other may be somebody's own
		return "", errors.ErrUnsupported
	}
	return fmt.Sprintf("1 %d %d %d", id, size, at.UnixNano()), nil
}
