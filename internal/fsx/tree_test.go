package fsx

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestSyncTreeReachesEveryFileAndDirectory(t *testing.T) {
	root := openTree(t, "a/b/c.txt", "a/d.txt", "e.txt")
	if err := SyncTree(root); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err := syncEach(root, ".", os.O_RDONLY, func(f *os.File, isDir bool) error {
		seen[filepath.Base(f.Name())] = isDir
		return f.Sync()
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, isDir := range map[string]bool{"a": true, "b": true, "c.txt": false, "d.txt": false, "e.txt": false} {
		if got, ok := seen[name]; !ok || got != isDir {
			t.Errorf("%s: synced %v, as a directory %v; want %v", name, ok, got, isDir)
		}
	}
}

func TestCloneSharesBytesOrLeavesNothing(t *testing.T) {
	root := openTree(t, "old")
	src, err := root.Open("old")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	switch err := Clone(src, root, "new", 0o644); {
	case err == nil:
		if got, err := root.ReadFile("new"); err != nil || string(got) != "old" {
			t.Errorf("the clone holds %q, %v", got, err)
		}
	case !errors.Is(err, errors.ErrUnsupported):
		t.Errorf("got %v; want success or ErrUnsupported", err)
	default:
		if _, err := root.Lstat("new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a failed clone left a file: %v", err)
		}
	}
	if err := Clone(src, root, "old", 0o644); err == nil {
		t.Error("a clone replaced an existing file")
	}
}

// openTree makes files that hold their own names.
func openTree(t *testing.T, names ...string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	for _, name := range names {
		if err := root.MkdirAll(filepath.ToSlash(filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := root.WriteFile(name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
