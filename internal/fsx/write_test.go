package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tape is the real file system with a note of each directory that was synced
// and, when broken is set, one operation that fails.
type tape struct {
	FS
	broken string
	synced []string
}

var errBroken = errors.New("broken on purpose")

func (t *tape) fail(op string) error {
	if t.broken == op {
		return errBroken
	}
	return nil
}

func (t *tape) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	if err := t.fail("open"); err != nil {
		return nil, err
	}
	f, err := t.FS.OpenFile(name, flag, perm)
	return tapeFile{f, t}, err
}

func (t *tape) Rename(oldname, newname string) error {
	return errors.Join(t.fail("rename"), func() error {
		if t.broken == "rename" {
			return nil
		}
		return t.FS.Rename(oldname, newname)
	}())
}

func (t *tape) SyncDir(name string) error {
	t.synced = append(t.synced, name)
	return errors.Join(t.fail("syncdir"), t.FS.SyncDir(name))
}

type tapeFile struct {
	File
	t *tape
}

func (f tapeFile) Write(p []byte) (int, error) {
	if err := f.t.fail("write"); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f tapeFile) Sync() error { return errors.Join(f.t.fail("sync"), f.File.Sync()) }

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWriteFileMakesAndReplaces(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, strings.Repeat("n", 255)) // the temporary name must fit too
	for _, want := range []string{"first", "", "a longer third"} {
		if err := WriteFile(OS(), name, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != want {
			t.Fatalf("read back %q, %v; want %q", got, err, want)
		}
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
}

func TestWriteFileKeepsTheOldContentWhenAStepFails(t *testing.T) {
	for _, step := range []string{"open", "write", "sync", "rename"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "f")
			if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := WriteFile(&tape{FS: OS(), broken: step}, name, []byte("new"), 0o600)
			if !errors.Is(err, errBroken) {
				t.Fatalf("error = %v", err)
			}
			if got, _ := os.ReadFile(name); string(got) != "old" {
				t.Errorf("content = %q", got)
			}
			if diff := cmp.Diff([]string{"f"}, names(t, dir)); diff != "" {
				t.Errorf("the temporary file was left: %s", diff)
			}
		})
	}
}

func TestWriteFileReportsAFailedDirectorySync(t *testing.T) {
	err := WriteFile(&tape{FS: OS(), broken: "syncdir"}, filepath.Join(t.TempDir(), "f"), nil, 0o600)
	if !errors.Is(err, errBroken) {
		t.Fatalf("error = %v", err)
	}
}

func TestConcurrentWriteFilesLeaveOneWholeContent(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := WriteFile(OS(), name, []byte(strings.Repeat(fmt.Sprint(i), 10000)), 0o600); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(name)
	if err != nil || len(got) != 10000 || strings.Trim(string(got), string(got[:1])) != "" {
		t.Errorf("%d bytes of mixed origin, %v", len(got), err)
	}
	if diff := cmp.Diff([]string{"f"}, names(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestMoveSyncsTheDirectoriesItTouched(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		from, to string
		synced   []string
	}{
		{"a/x", "a/y", []string{"a"}},
		{"a/y", "b/x", []string{"b", "a"}},
	} {
		from, to := filepath.Join(dir, c.from), filepath.Join(dir, c.to)
		if err := os.WriteFile(from, []byte(c.from), 0o600); err != nil {
			t.Fatal(err)
		}
		rec := &tape{FS: OS()}
		if err := Move(rec, from, to); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, d := range c.synced {
			want = append(want, filepath.Join(dir, d))
		}
		if diff := cmp.Diff(want, rec.synced); diff != "" {
			t.Errorf("%s to %s synced: %s", c.from, c.to, diff)
		}
		if got, _ := os.ReadFile(to); string(got) != c.from {
			t.Errorf("%s holds %q", c.to, got)
		}
	}
	if err := Move(OS(), filepath.Join(dir, "none"), filepath.Join(dir, "a/z")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("moving what is missing: %v", err)
	}
}

func TestMkdirAllSyncsTheParentsOfWhatItMade(t *testing.T) {
	dir := t.TempDir()
	rec := &tape{FS: OS()}
	for range 2 { // the second finds all in place
		if err := MkdirAll(rec, filepath.Join(dir, "a", "b", "c"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{filepath.Join(dir, "a", "b"), filepath.Join(dir, "a"), dir}
	if diff := cmp.Diff(want, rec.synced); diff != "" {
		t.Error(diff)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(OS(), filepath.Join(file, "below"), 0o700); err == nil {
		t.Error("made a directory below a file")
	}
	if err := MkdirAll(OS(), file, 0o700); err == nil {
		t.Error("took a file for a directory")
	}
}

func TestFreeAsksTheFileSystemOfADirectory(t *testing.T) {
	n, err := Free(t.TempDir())
	if err != nil || n <= 0 {
		t.Errorf("Free = %d, %v", n, err)
	}
	if _, err := Free(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error of a missing directory = %v", err)
	}
	if got := clamp(1<<60, 1<<20); got <= 0 {
		t.Errorf("an absurd claim overflows to %d", got)
	}
}

func TestBootIDIsStable(t *testing.T) {
	if a, b := BootID(), BootID(); a != b {
		t.Errorf("%q, then %q", a, b)
	}
}
