package crash_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"larder/internal/fsx"
	"larder/internal/fsx/crash"
)

// atEveryStep runs do on a fresh disk for each of its steps and cuts the power
// there, several times with what a disk may keep at random, and once after the
// last step. Then check sees the files and whether do had returned nil.
func atEveryStep(t *testing.T, prepare, do func(w *world) error, check func(t *testing.T, got files, done bool)) {
	whole := newWorld(t)
	whole.must(prepare(whole))
	before := whole.Steps()
	whole.must(do(whole))
	steps := whole.Steps() - before
	if steps < 2 {
		t.Fatalf("only %d steps", steps)
	}
	for step := 1; step <= steps+1; step++ {
		for seed := range uint64(12) {
			keep := crash.Keep{}
			if seed > 0 {
				keep.Random = rand.New(rand.NewPCG(seed, uint64(step)))
			}
			t.Run(fmt.Sprintf("step %d of %d, seed %d", step, steps, seed), func(t *testing.T) {
				w := newWorld(t)
				w.must(prepare(w))
				w.CrashAt(before+step, keep)
				err := do(w)
				if done := step > steps; done != (err == nil) || !done && !errors.Is(err, crash.ErrPowerCut) {
					t.Fatalf("error = %v", err)
				}
				w.must(w.Crash(keep))
				got := tree(t, w.root)
				for name := range got {
					if strings.HasPrefix(name, fsx.TempPrefix) {
						delete(got, name)
					}
				}
				check(t, got, err == nil)
			})
		}
	}
}

func TestWriteFileIsOldOrNewAtEveryStep(t *testing.T) {
	older, newer := strings.Repeat("old ", 1000), strings.Repeat("new!", 3000)
	atEveryStep(t,
		func(w *world) error { return fsx.WriteFile(w, w.at("f"), []byte(older), 0o600) },
		func(w *world) error { return fsx.WriteFile(w, w.at("f"), []byte(newer), 0o600) },
		func(t *testing.T, got files, done bool) {
			if text := got["f"]; len(got) != 1 || text != newer && (done || text != older) {
				t.Errorf("%d files, f has %d bytes beginning %.8q, done %v", len(got), len(text), text, done)
			}
		})
}

func TestAFirstWriteFileIsMissingOrNewAtEveryStep(t *testing.T) {
	atEveryStep(t,
		func(*world) error { return nil },
		func(w *world) error { return fsx.WriteFile(w, w.at("f"), []byte("new"), 0o600) },
		func(t *testing.T, got files, done bool) {
			if text, ok := got["f"]; ok && text != "new" || done && !ok {
				t.Errorf("got %v, done %v", got, done)
			}
		})
}

func TestMoveHasOneOfTwoNamesAtEveryStep(t *testing.T) {
	for _, c := range []struct{ name, to string }{
		{"within a directory", "a/g"},
		{"between directories", "b/g"},
		{"over a file", "b/old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			atEveryStep(t,
				func(w *world) error {
					w.mkdir("a")
					w.mkdir("b")
					w.syncDir(".")
					w.durable("b/old", "old")
					w.durable("a/f", "text")
					return nil
				},
				func(w *world) error { return fsx.Move(w, w.at("a/f"), w.at(c.to)) },
				func(t *testing.T, got files, done bool) {
					if from, to := got["a/f"] == "text", got[c.to] == "text"; from == to || done && !to {
						t.Errorf("got %v, done %v", got, done)
					}
					if text, ok := got["b/old"]; !ok || text != "old" && c.to != "b/old" {
						t.Errorf("the other file: %v", got)
					}
				})
		})
	}
}

func TestMkdirAllIsDurableOnceDone(t *testing.T) {
	atEveryStep(t,
		func(*world) error { return nil },
		func(w *world) error { return fsx.MkdirAll(w, w.at("a/b/c"), 0o755) },
		func(t *testing.T, got files, done bool) {
			if _, ok := got["a/b/c/"]; done && !ok {
				t.Errorf("got %v", got)
			}
		})
}

// The harness must be able to fail: the same write without the file's sync is
// caught.
func TestAForgottenSyncIsCaught(t *testing.T) {
	torn := 0
	for seed := range uint64(20) {
		w := newWorld(t)
		w.durable("f", "old content")
		w.write("temp", 0, "new content")
		w.rename("temp", "f")
		w.syncDir(".")
		w.must(w.Crash(crash.Keep{Random: rand.New(rand.NewPCG(seed, 1))}))
		if text := tree(t, w.root)["f"]; text != "old content" && text != "new content" {
			torn++
		}
	}
	if torn == 0 {
		t.Error("20 cuts of an unsynced replacement left no torn file")
	}
}
