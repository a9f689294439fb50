package purge

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func mark(t *testing.T, path string) string {
	t.Helper()
	if err := Mark(path); err != nil {
		if errors.Is(err, errors.ErrUnsupported) && os.Getenv("CI") == "" {
			t.Skip("this disk keeps no marks")
		}
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, dir string) *Tree {
	t.Helper()
	tree, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// found are the names of the marked files.
func found(t *testing.T, tree *Tree) (names []string) {
	t.Helper()
	if _, err := tree.Walk(t.Context(), func(f File) { names = append(names, f.Name) }); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAMarkBelongsToOneFileAsItIs(t *testing.T) {
	dir := t.TempDir()
	if !Supported(dir) && os.Getenv("CI") == "" {
		t.Skip("this disk keeps no marks")
	}
	attribute := func(path string) string {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		value, _ := getMark(f)
		return value
	}
	for name, c := range map[string]struct {
		keeps bool
		do    func(path string) error
	}{
		"nothing":        {true, func(string) error { return nil }},
		"reading":        {true, func(p string) error { _, err := os.ReadFile(p); return err }},
		"a plain move":   {true, func(p string) error { return os.Rename(p, p+".moved") }},
		"other rights":   {true, func(p string) error { return os.Chmod(p, 0o400) }},
		"a hard link":    {false, func(p string) error { return os.Link(p, filepath.Join(dir, "elsewhere")) }},
		"the same bytes": {false, func(p string) error { return os.WriteFile(p, []byte("bytes"), 0o600) }},
		"more bytes":     {false, func(p string) error { return os.WriteFile(p, []byte("bytes and more"), 0o600) }},
		"an empty file":  {false, func(p string) error { return os.Truncate(p, 0) }},
		"a copy in its place, time and mark included": {false, func(p string) error {
			info, err := os.Stat(p)
			value := attribute(p)
			err = errors.Join(err, os.Rename(p, p+".old"), os.WriteFile(p, []byte("bytes"), 0o600))
			f, oerr := os.Open(p)
			if err = errors.Join(err, oerr); err != nil {
				return err
			}
			defer f.Close()
			return errors.Join(setMark(f, value), os.Chtimes(p, time.Time{}, info.ModTime()), os.Remove(p+".old"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			sub := filepath.Join(dir, fmt.Sprint(len(name), name[:3]), "d")
			path := mark(t, write(t, filepath.Join(sub, "f"), "bytes"))
			if err := c.do(path); err != nil {
				t.Fatal(err)
			}
			if n := len(found(t, open(t, sub))); (n == 1) != c.keeps {
				t.Errorf("%d files are marked", n)
			}
		})
	}
}

func TestNothingOutsideOfTheTreeIsFound(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	mark(t, write(t, filepath.Join(tree, "in", "f"), "mine"))
	out := mark(t, write(t, filepath.Join(dir, "out", "f"), "not mine"))
	for link, to := range map[string]string{"dir": filepath.Join(dir, "out"), "file": out, "up": "..", "round": "in", "again": "in/f"} {
		if err := os.Symlink(to, filepath.Join(tree, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	x := open(t, tree)
	if names := found(t, x); !slices.Equal(names, []string{"in/f"}) {
		t.Errorf("marked: %v", names)
	}
	for _, name := range []string{"dir/f", "file", "../out/f", "up/out/f", "again", out} {
		if _, ok := x.SetAside(File{Name: name}); ok {
			t.Errorf("%s was set aside", name)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "out"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "link")); err == nil {
		t.Error("a link was opened as a tree")
	}
	for _, p := range []string{out, filepath.Join(tree, "in", "f")} {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileThatChangedMeanwhileIsPutBack(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	path := mark(t, write(t, filepath.Join(tree, "f"), "old"))
	x := open(t, tree)
	if len(found(t, x)) != 1 {
		t.Fatal("not found")
	}
	if err := os.Rename(write(t, path+".new", "new"), path); err != nil {
		t.Fatal(err)
	}
	if _, ok := x.SetAside(File{Name: "f"}); ok {
		t.Error("it was set aside")
	}
	if text, _ := os.ReadFile(path); string(text) != "new" {
		t.Errorf("it holds %q", text)
	}
}

func TestWhatACrashLeftAsideGoesNextTime(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	mark(t, write(t, filepath.Join(tree, "f"), "bytes"))
	x := open(t, tree)
	if _, ok := x.SetAside(File{Name: "f"}); !ok {
		t.Fatal("it was not set aside")
	}
	names := found(t, x)
	if len(names) != 1 || names[0] == "f" {
		t.Fatalf("left: %v", names)
	}
	a, ok := x.SetAside(File{Name: names[0]})
	if !ok || a.Delete() != nil || len(found(t, x)) != 0 {
		t.Errorf("it is still there: %v", found(t, x))
	}
}

// An app replaces its files while they are purged: of what it wrote itself
// nothing is ever lost.
func TestPurgingNeverTakesWhatTheAppPutsInPlace(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	path := write(t, filepath.Join(tree, "f"), "marked")
	x := open(t, tree)
	var app sync.WaitGroup
	for range 300 {
		if err := os.WriteFile(path, []byte("marked"), 0o600); err != nil {
			t.Fatal(err)
		}
		mark(t, path)
		app.Go(func() {
			_ = os.WriteFile(path+".new", []byte("its own"), 0o600)
			_ = os.Rename(path+".new", path)
		})
		if a, ok := x.SetAside(File{Name: "f"}); ok {
			_ = a.Delete()
		}
		app.Wait()
		if text, err := os.ReadFile(path); string(text) != "its own" {
			t.Fatalf("it holds %q, %v", text, err)
		}
	}
}
