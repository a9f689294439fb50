package crash_test

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/internal/fsx"
	"larder/internal/fsx/crash"
)

// world is a crashable disk and short words for what is done on it. Names are
// relative to its root.
type world struct {
	t    testing.TB
	root string
	*crash.FS
}

func newWorld(t testing.TB) *world {
	root := t.TempDir()
	return &world{t, root, crash.New(fsx.OS(), root)}
}

func (w *world) at(name string) string { return filepath.Join(w.root, filepath.FromSlash(name)) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) openFile(name string, flag int) fsx.File {
	w.t.Helper()
	f, err := w.OpenFile(w.at(name), flag, 0o644)
	w.must(err)
	return f
}

// write writes at off, or appends when off is negative.
func (w *world) write(name string, off int64, text string) {
	w.t.Helper()
	flag := os.O_CREATE | os.O_WRONLY
	if off < 0 {
		flag |= os.O_APPEND
	}
	f := w.openFile(name, flag)
	var err error
	if off < 0 {
		_, err = f.Write([]byte(text))
	} else {
		_, err = f.WriteAt([]byte(text), off)
	}
	w.must(err)
	w.must(f.Close())
}

func (w *world) truncate(name string, size int64) {
	w.t.Helper()
	f := w.openFile(name, os.O_RDWR)
	w.must(f.Truncate(size))
	w.must(f.Close())
}

func (w *world) sync(name string) {
	w.t.Helper()
	f := w.openFile(name, os.O_RDONLY)
	w.must(f.Sync())
	w.must(f.Close())
}

func (w *world) mkdir(name string)     { w.t.Helper(); w.must(w.MkdirAll(w.at(name), 0o755)) }
func (w *world) rename(a, b string)    { w.t.Helper(); w.must(w.Rename(w.at(a), w.at(b))) }
func (w *world) remove(name string)    { w.t.Helper(); w.must(w.Remove(w.at(name))) }
func (w *world) removeAll(name string) { w.t.Helper(); w.must(w.RemoveAll(w.at(name))) }
func (w *world) syncDir(name string)   { w.t.Helper(); w.must(w.SyncDir(w.at(name))) }

// durable writes a whole file and syncs it and its directory.
func (w *world) durable(name, text string) {
	w.t.Helper()
	w.write(name, 0, text)
	w.sync(name)
	w.syncDir(filepath.ToSlash(filepath.Dir(name)))
}

// tree is what the real directory holds: content by slash path, directories
// with a slash behind.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			out[rel+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(path)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type files = map[string]string

func TestCrashDropsWhatIsNotDurable(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1000)
	for _, c := range []struct {
		name string
		do   func(w *world)
		want files
	}{
		{"a file synced with its directory stays", func(w *world) { w.durable("f", "text") }, files{"f": "text"}},
		{"a file synced without its directory is lost", func(w *world) { w.write("f", 0, "text"); w.sync("f") }, files{}},
		{"a name synced without its file is empty", func(w *world) { w.write("f", 0, "text"); w.syncDir(".") }, files{"f": ""}},
		{"an append is cut off", func(w *world) { w.durable("f", "old"); w.write("f", -1, big) }, files{"f": "old"}},
		{"overwritten bytes come back", func(w *world) { w.durable("f", big); w.write("f", 700, "XX"); w.write("f", 0, "Y") }, files{"f": big}},
		{"the first byte of the last sector comes back", func(w *world) { w.durable("f", big[:513]); w.write("f", 512, "X") }, files{"f": big[:513]}},
		{"a truncation comes back", func(w *world) { w.durable("f", big); w.truncate("f", 5) }, files{"f": big}},
		{"a truncation and a rewrite come back", func(w *world) {
			w.durable("f", big)
			w.truncate("f", 700)
			w.write("f", -1, strings.Repeat("Z", 2*len(big)))
			w.truncate("f", 3)
			w.write("f", 1, "YYYYYY")
		}, files{"f": big}},
		{"opening with O_TRUNC comes back", func(w *world) {
			w.durable("f", "old")
			w.must(w.openFile("f", os.O_RDWR|os.O_TRUNC).Close())
		}, files{"f": "old"}},
		{"a size grown by truncation comes back", func(w *world) { w.durable("f", "old"); w.truncate("f", 9000) }, files{"f": "old"}},
		{"a sync is the new ground", func(w *world) {
			w.durable("f", "old")
			w.truncate("f", 1)
			w.sync("f")
			w.write("f", -1, "ther")
		}, files{"f": "o"}},
		{"a removed file comes back", func(w *world) { w.durable("f", "old"); w.remove("f") }, files{"f": "old"}},
		{"a removal is durable with its directory", func(w *world) { w.durable("f", "old"); w.remove("f"); w.syncDir(".") }, files{}},
		{"a removed tree comes back", func(w *world) {
			w.mkdir("a/b")
			w.syncDir(".")
			w.syncDir("a")
			w.durable("a/b/f", "old")
			w.removeAll("a")
		}, files{"a/": "", "a/b/": "", "a/b/f": "old"}},
		{"a removed tree goes with its parent's sync", func(w *world) {
			w.mkdir("a/b")
			w.syncDir(".")
			w.syncDir("a")
			w.durable("a/b/f", "old")
			w.removeAll("a")
			w.syncDir(".")
		}, files{}},
		{"a renamed file is back at its old name", func(w *world) { w.durable("f", "old"); w.rename("f", "g") }, files{"f": "old"}},
		{"a rename is durable with its directory", func(w *world) { w.durable("f", "old"); w.rename("f", "g"); w.syncDir(".") }, files{"g": "old"}},
		{"a replaced file comes back whole", func(w *world) {
			w.durable("f", "old")
			w.write("new", 0, "new")
			w.sync("new")
			w.rename("new", "f")
		}, files{"f": "old"}},
		{"a replacement is durable with its directory", func(w *world) {
			w.durable("f", "old")
			w.write("new", 0, "new")
			w.sync("new")
			w.rename("new", "f")
			w.syncDir(".")
		}, files{"f": "new"}},
		{"a replacement that was not synced is empty", func(w *world) {
			w.durable("f", "old")
			w.write("new", 0, "new")
			w.rename("new", "f")
			w.syncDir(".")
		}, files{"f": ""}},
		{"a rename between directories needs both", func(w *world) {
			w.mkdir("a")
			w.mkdir("b")
			w.syncDir(".")
			w.durable("a/one", "1")
			w.durable("a/two", "2")
			w.rename("a/one", "b/one")
			w.syncDir("a")
			w.rename("a/two", "b/two")
			w.syncDir("b")
		}, files{"a/": "", "b/": "", "b/one": "1", "a/two": "2"}},
		{"a directory is lost with all that is synced in it", func(w *world) { w.mkdir("a"); w.durable("a/f", "text") }, files{}},
		{"content follows a renamed directory", func(w *world) {
			w.mkdir("a")
			w.syncDir(".")
			w.durable("a/f", "old")
			w.rename("a", "b")
			w.syncDir(".")
			w.write("b/f", -1, "er")
			w.rename("b", "c")
		}, files{"b/": "", "b/f": "old"}},
		{"a name used again is traced", func(w *world) {
			w.durable("f", "1")
			w.rename("f", "g")
			w.write("f", 0, "2")
			w.sync("f")
			w.rename("f", "g")
			w.remove("g")
			w.write("g", 0, "3")
		}, files{"f": "1"}},
		{"a change makes its cause durable", func(w *world) {
			w.mkdir("a")
			w.mkdir("b")
			w.syncDir(".")
			w.durable("a/f", "text")
			w.rename("a/f", "b/f") // waits for a and b
			w.rename("b/f", "b/g") // waits for b
			w.syncDir("b")
		}, files{"a/": "", "b/": "", "b/g": "text"}},
		{"two directories moved into each other stay a tree", func(w *world) {
			w.mkdir("p/q")
			w.syncDir(".")
			w.syncDir("p")
			w.rename("p/q", "q")
			w.rename("p", "q/p")
			w.syncDir(".")
			w.syncDir("q")
		}, files{"q/": "", "q/p/": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.do(w)
			w.must(w.Crash(crash.Keep{}))
			if diff := cmp.Diff(c.want, tree(t, w.root)); diff != "" {
				t.Errorf("after the crash (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatWasThereBeforeIsDurable(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "f"), []byte("old"), 0o444); err != nil {
		t.Fatal(err)
	}
	w := &world{t, root, crash.New(fsx.OS(), root)}
	w.remove("f")
	w.write("g", 0, "new")
	w.must(w.Crash(crash.Keep{}))
	if diff := cmp.Diff(files{"f": "old"}, tree(t, root)); diff != "" {
		t.Error(diff)
	}
}

func TestAReadOnlyFileLosesItsUnsyncedBytesAndKeepsItsMode(t *testing.T) {
	w := newWorld(t)
	f, err := w.OpenFile(w.at("f"), os.O_CREATE|os.O_WRONLY, 0o444)
	w.must(err)
	_, err = f.Write([]byte("text"))
	w.must(err)
	w.syncDir(".")
	w.must(w.Crash(crash.Keep{}))
	if diff := cmp.Diff(files{"f": ""}, tree(t, w.root)); diff != "" {
		t.Error(diff)
	}
	if st, err := os.Stat(w.at("f")); err != nil || st.Mode().Perm()&0o222 != 0 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestTheSameSeedLeavesTheSameState(t *testing.T) {
	run := func(seed uint64) files {
		w := newWorld(t)
		for _, name := range []string{"a", "b", "c", "d"} {
			w.write(name, 0, strings.Repeat(name, 5000))
			w.rename(name, name+name)
		}
		w.syncDir(".")
		w.write("cc", 100, strings.Repeat("X", 3000))
		w.remove("aa")
		w.rename("bb", "aa")
		w.must(w.Crash(crash.Keep{Random: rand.New(rand.NewPCG(seed, 0))}))
		return tree(t, w.root)
	}
	states := map[int]bool{}
	for seed := range uint64(20) {
		first := run(seed)
		if diff := cmp.Diff(first, run(seed)); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		states[len(first["dd"])] = true
	}
	if len(states) < 10 {
		t.Errorf("20 seeds left only %d sizes of a file", len(states))
	}
}
