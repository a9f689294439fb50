package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// ErrLocked is what [Lock]'s error is when another holds the lock.
var ErrLocked = errors.New("already locked")

// LockedError says who holds a lock. It is [ErrLocked].
type LockedError struct {
	Name string // the lock's file
	PID  int    // the holder's process, 0 when it cannot be read
}

// Error gives "lock NAME: held by process PID".
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("lock %s: held by another process", e.Name)
	}
	return fmt.Sprintf("lock %s: held by process %d", e.Name, e.PID)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// FileLock is a lock that is held. It belongs to the process and dies with it.
type FileLock struct{ f *os.File }

// Lock takes the exclusive, advisory lock of the named file, made when missing,
// without waiting. Whoever holds it already, be it another process or another
// call in this one, makes it fail with a *[LockedError]. The operating system
// frees the lock when the process ends, however it ends. The file holds the
// holder's process number as decimal text and stays when the lock is freed.
func Lock(name string) (*FileLock, error) {
	// A file that was removed between open and lock protects nothing: whoever
	// comes next makes another one. Then try again, on that one.
	for range 100 {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		switch err := lockFile(f, false); {
		case errors.Is(err, ErrLocked):
			pid := holder(f)
			f.Close()
			return nil, &LockedError{Name: name, PID: pid}
		case err != nil:
			f.Close()
			return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
		}
		if !inPlace(f, name) {
			f.Close()
			continue
		}
		if err := sign(f); err != nil {
			f.Close()
			return nil, err
		}
		return &FileLock{f: f}, nil
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: errors.New("the file is removed again and again")}
}

// Unlock frees the lock and forgets the process number.
func (l *FileLock) Unlock() error {
	return errors.Join(l.f.Truncate(0), Unlock(l.f))
}

// TryLock takes the advisory lock of an open file, without waiting: shared, which
// many may hold at once and for which reading is enough, or exclusive. When another
// holds it in the way the error is ErrLocked. Closing the file frees it, and so
// does the end of the process, however it comes. Where the system needs a
// range it is one byte at offset 1<<62.
func TryLock(f *os.File, shared bool) error {
	err := lockFile(f, shared)
	if err != nil && !errors.Is(err, ErrLocked) {
		return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return err
}

// Unlock frees at once what TryLock took, and closes the file: a process that is being
// started meanwhile may have it too.
func Unlock(f *os.File) error { return errors.Join(unlockFile(f), f.Close()) }

func inPlace(f *os.File, name string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(name)
	return err == nil && os.SameFile(held, named)
}

func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func holder(f *os.File) int {
	text, err := io.ReadAll(io.LimitReader(f, 20))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
