package crash_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/internal/fsx"
	"larder/internal/fsx/crash"
)

func TestEverythingFailsOnceThePowerIsCut(t *testing.T) {
	w := newWorld(t)
	w.durable("f", "text")
	f := w.openFile("f", os.O_RDWR)
	w.must(w.Crash(crash.Keep{}))
	w.must(w.Crash(crash.Keep{}))
	buf := make([]byte, 1)
	for op, do := range map[string]func() error{
		"Read":     func() error { _, err := f.Read(buf); return err },
		"ReadAt":   func() error { _, err := f.ReadAt(buf, 0); return err },
		"Write":    func() error { _, err := f.Write(buf); return err },
		"WriteAt":  func() error { _, err := f.WriteAt(buf, 0); return err },
		"Truncate": func() error { return f.Truncate(0) },
		"Sync":     f.Sync,
		"FileStat": func() error { _, err := f.Stat(); return err },
		"Close":    f.Close,
		"OpenFile": func() error { _, err := w.OpenFile(w.at("f"), os.O_RDONLY, 0); return err },
		"MkdirAll": func() error { return w.MkdirAll(w.at("d"), 0o755) },
		"Rename":   func() error { return w.Rename(w.at("f"), w.at("g")) },
		"Remove":   func() error { return w.Remove(w.at("f")) },
		"RemoveAl": func() error { return w.RemoveAll(w.at("f")) },
		"Stat":     func() error { _, err := w.Stat(w.at("f")); return err },
		"ReadDir":  func() error { _, err := w.ReadDir(w.root); return err },
		"SyncDir":  func() error { return w.SyncDir(w.root) },
	} {
		var path *fs.PathError
		if err := do(); !errors.Is(err, crash.ErrPowerCut) || !errors.As(err, &path) {
			t.Errorf("%s: %v", op, err)
		}
	}
	again := &world{t, w.root, w.Reopen()}
	again.write("f", -1, "ures")
	if diff := cmp.Diff(files{"f": "textures"}, tree(t, w.root)); diff != "" {
		t.Error(diff)
	}
}

func TestReopenWithThePowerOnIsAnOrderlyShutdown(t *testing.T) {
	w := newWorld(t)
	w.durable("gone", "")
	w.write("f", 0, "text")
	w.remove("gone")
	again := w.Reopen()
	if _, err := w.Stat(w.at("f")); !errors.Is(err, crash.ErrPowerCut) {
		t.Errorf("the old file system still works: %v", err)
	}
	w.must(again.Crash(crash.Keep{}))
	if diff := cmp.Diff(files{"f": "text"}, tree(t, w.root)); diff != "" {
		t.Error(diff)
	}
}

func TestPathsOutsideAreRefused(t *testing.T) {
	w := newWorld(t)
	w.durable("f", "text")
	w.remove("f") // makes the private folder
	w.write("g", 0, "")
	outside := filepath.Join(filepath.Dir(w.root), "x")
	for _, name := range []string{outside, w.root + "x", w.at("../x"), "relative", w.at(".crash"), w.at(".crash/1"), w.at("a/../.crash/1")} {
		_, openErr := w.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		_, statErr := w.Stat(name)
		_, readErr := w.ReadDir(name)
		for i, err := range []error{openErr, statErr, readErr, w.MkdirAll(name, 0o700), w.Remove(name), w.RemoveAll(name),
			w.Rename(w.at("g"), name), w.Rename(name, w.at("h")), w.SyncDir(name)} {
			if !errors.Is(err, crash.ErrOutside) {
				t.Errorf("%s, call %d: %v", name, i, err)
			}
		}
	}
	for i, err := range []error{w.Remove(w.root), w.RemoveAll(w.root), w.Rename(w.root, w.at("h")), w.Rename(w.at("g"), w.root)} {
		if !errors.Is(err, crash.ErrOutside) {
			t.Errorf("the root, call %d: %v", i, err)
		}
	}
	entries, err := w.ReadDir(w.root)
	w.must(err)
	if len(entries) != 1 || entries[0].Name() != "g" {
		t.Errorf("the private folder shows: %v", entries)
	}
}

func TestNegativeOffsetsAndSizesAreErrors(t *testing.T) {
	w := newWorld(t)
	w.durable("f", "text")
	f := w.openFile("f", os.O_RDWR)
	_, readErr := f.ReadAt(make([]byte, 1), -1)
	_, writeErr := f.WriteAt([]byte("x"), -1)
	for i, err := range []error{readErr, writeErr, f.Truncate(-1)} {
		if err == nil {
			t.Errorf("call %d went through", i)
		}
	}
}

func TestAReplacedFileIsNeverMissingForOthers(t *testing.T) {
	w := newWorld(t)
	w.durable("f", "old")
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := os.ReadFile(w.at("f")); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 200 {
		w.write("new", 0, "new")
		w.rename("new", "f")
	}
	close(done)
	wg.Wait()
}

func TestUseFromManyGoroutinesAcrossACut(t *testing.T) {
	w := newWorld(t)
	names := []string{"a", "b", "c", "d"}
	for _, name := range names { // not every goroutine need have its turn before the cut
		if err := fsx.WriteFile(w, w.at(name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.CrashAt(w.Steps()+400, crash.Keep{})
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			for {
				if err := fsx.WriteFile(w, w.at(name), []byte(name), 0o600); err != nil {
					if !errors.Is(err, crash.ErrPowerCut) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	got := tree(t, w.root)
	for _, name := range names {
		if text, ok := got[name]; !ok || text != name {
			t.Errorf("%s holds %q, present %v, after many durable writes", name, text, ok)
		}
	}
}
