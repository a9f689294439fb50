//go:build unix

package fsx

import (
	"os"
	"path/filepath"
	"testing"
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
