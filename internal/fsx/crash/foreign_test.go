package crash

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"larder/internal/fsx"
)

// foreign makes a disk with a directory that others write.
func foreign(t *testing.T, top string) (*FS, string) {
	t.Helper()
	c := New(fsx.OS(), top)
	if err := c.Foreign("work/*"); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "work", "a")
	if err := fsx.MkdirAll(c, dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return c, dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, data := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func has(t *testing.T, dir, name, want string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
		t.Errorf("%s holds %.20q, %v; want %.20q", name, got, err, want)
	}
}

func TestWhatOthersWroteIsLostUnlessTheTreeWasSynced(t *testing.T) {
	top := t.TempDir()
	c, dir := foreign(t, top)
	write(t, dir, map[string]string{"kept": "1", "sub/changed": "old", "removed": "there"})
	if err := c.SyncTree(filepath.Join(top, "work")); err != nil { // one above it
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"sub/changed": "new and longer", "lost": "2", "new/dir/lost": "3"})
	if err := os.Remove(filepath.Join(dir, "removed")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("kept", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := c.Crash(Keep{}); err != nil {
		t.Fatal(err)
	}
	has(t, dir, "kept", "1")
	has(t, dir, "sub/changed", "old")
	has(t, dir, "removed", "there")
	for _, name := range []string{"lost", "new", "link"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}

	// After the restart all of it is durable, and moves with its directory.
	again := c.Reopen()
	if err := again.Foreign("work/*"); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"lost": "4"})
	to := filepath.Join(top, "work", "b")
	if err := fsx.Move(again, dir, to); err != nil {
		t.Fatal(err)
	}
	if err := again.Crash(Keep{}); err != nil {
		t.Fatal(err)
	}
	has(t, to, "kept", "1")
	if _, err := os.Lstat(filepath.Join(to, "lost")); err == nil {
		t.Error("a move made it durable")
	}
}

func TestAFileWithASecondNameIsNotSpoiledThere(t *testing.T) {
	for seed := range uint64(40) {
		top := t.TempDir()
		c, dir := foreign(t, top)
		write(t, top, map[string]string{"mine": "whole"})
		if err := os.Link(filepath.Join(top, "mine"), filepath.Join(dir, "linked")); err != nil {
			t.Fatal(err)
		}
		if err := c.Crash(Keep{Random: rand.New(rand.NewPCG(seed, 1))}); err != nil {
			t.Fatal(err)
		}
		has(t, top, "mine", "whole")
	}
}

// Chance keeps everything, nothing and parts of it; durable bytes are never spoiled where
// nobody wrote.
func TestChanceKeepsAnyPartOfWhatOthersWrote(t *testing.T) {
	old, next := bytes.Repeat([]byte("o"), 4*sector), bytes.Repeat([]byte("n"), 8*sector)
	copy(next, old[:2*sector])
	seen := map[string]int{}
	for seed := range uint64(100) {
		top := t.TempDir()
		c, dir := foreign(t, top)
		write(t, dir, map[string]string{"file": string(old)})
		if err := c.SyncTree(dir); err != nil {
			t.Fatal(err)
		}
		write(t, dir, map[string]string{"file": string(next), "new": string(next)})
		if err := c.Crash(Keep{Random: rand.New(rand.NewPCG(seed, 1))}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "file"))
		if err != nil || !bytes.HasPrefix(got, old[:2*sector]) || len(got) < len(old) {
			t.Fatalf("the durable file has %d bytes, %v", len(got), err)
		}
		switch {
		case bytes.Equal(got, old):
			seen["file old"]++
		case bytes.Equal(got, next):
			seen["file new"]++
		default:
			seen["file between"]++
		}
		switch got, err := os.ReadFile(filepath.Join(dir, "new")); {
		case err != nil:
			seen["new gone"]++
		case bytes.Equal(got, next):
			seen["new whole"]++
		default:
			seen["new torn"]++
		}
	}
	for _, what := range []string{"file between", "new gone", "new whole", "new torn"} {
		if seen[what] == 0 {
			t.Errorf("never seen: %s (%v)", what, seen)
		}
	}
}
