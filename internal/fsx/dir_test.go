package fsx

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestADirOpensWhatLiesBelowAndNothingElse(t *testing.T) {
	top := t.TempDir()
	for name, target := range map[string]string{"in": "a/file", "up": "../secret", "abs": "/etc/passwd", "a/back": "../a/file", "a/out": "../../secret", "self": "self"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(top, "dir", filepath.Dir(name)), 0o755), os.Symlink(target, filepath.Join(top, "dir", name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"secret", "dir/a/file"} {
		if err := os.WriteFile(filepath.Join(top, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fast, err := OpenDir(filepath.Join(top, "dir"))
	if err != nil {
		t.Fatal(err)
	}
	defer fast.Close()
	slow := &Dir{root: fast.root} // where the system has no call for it
	for _, d := range []*Dir{fast, slow} {
		for _, name := range []string{"a/file", "in", "a/back"} {
			f, err := d.Open(name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if b, err := io.ReadAll(f); err != nil || string(b) != "dir/a/file" {
				t.Errorf("%s holds %q, %v", name, b, err)
			}
			f.Close()
		}
		for _, name := range []string{"up", "abs", "a/out", "../secret", "a/../../secret", "/etc/passwd", "self"} {
			if f, err := d.Open(name); err == nil {
				f.Close()
				t.Errorf("%s was opened", name)
			}
		}
		if _, err := d.Open("none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("none: %v", err)
		}
		if f, err := d.Open("a"); err != nil {
			t.Error(err)
		} else {
			names, err := f.Readdirnames(-1)
			if err != nil || len(names) != 3 {
				t.Errorf("a holds %v, %v", names, err)
			}
			f.Close()
		}
	}
}

func TestSharedLocksKeepExclusiveOnesOut(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(name, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	lock := func(shared bool) (*os.File, error) {
		f, err := os.Open(name) // reading is enough
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f, TryLock(f, shared)
	}
	one, err := lock(true)
	two, err2 := lock(true)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if _, err := lock(false); !errors.Is(err, ErrLocked) {
		t.Errorf("exclusive beside two shared: %v", err)
	}
	one.Close()
	if _, err := lock(false); !errors.Is(err, ErrLocked) {
		t.Errorf("exclusive beside one shared: %v", err)
	}
	two.Close()
	if _, err := lock(false); err != nil {
		t.Errorf("exclusive alone: %v", err)
	}
	if _, err := lock(true); !errors.Is(err, ErrLocked) {
		t.Errorf("shared beside exclusive: %v", err)
	}
}
