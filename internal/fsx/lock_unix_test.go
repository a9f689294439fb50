//go:build unix

package fsx

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLockOfARemovedFileDoesNotHinderANewOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	old, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Unlock()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	lock, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	if !inPlace(lock.f, name) || inPlace(old.f, name) {
		t.Error("the name is not the new lock's")
	}
}

// A process that is being started has every open file of its parent until it becomes
// another program.
func TestALockIsFreeThoughAProcessThatIsBeingStartedHasItsFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	lock, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(lock.f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	next, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Unlock(); err != nil {
		t.Error(err)
	}
}
