package crash_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"larder/internal/fsx/crash"
)

// inode is a file of the model. Unlike the undo log under test, the model keeps
// whole copies: what was synced, and what is there now.
type inode struct {
	durable, now []byte
	floor        int // the least size since the sync
}

func (n *inode) write(off int, data []byte) {
	if grow := off + len(data) - len(n.now); grow > 0 {
		n.now = append(n.now, make([]byte, grow)...)
	}
	copy(n.now[off:], data)
}

func (n *inode) truncate(size int) {
	n.floor = min(n.floor, size)
	if size > len(n.now) {
		n.write(len(n.now), make([]byte, size-len(n.now)))
	}
	n.now = n.now[:size]
}

func (n *inode) sync() { n.durable, n.floor = bytes.Clone(n.now), len(n.now) }

// allows says whether a crash may leave the inode with this content.
func (n *inode) allows(got []byte) error {
	old := got[:min(len(got), n.floor)]
	for at := 0; at < len(old); at += 512 {
		end := min(at+512, len(old))
		if !bytes.Equal(got[at:end], n.durable[at:end]) && !bytes.Equal(got[at:end], n.now[at:end]) {
			return fmt.Errorf("the sector at %d is neither old nor new", at)
		}
	}
	kept := len(got) >= n.floor && bytes.HasPrefix(n.now[n.floor:], got[n.floor:])
	undone := len(got) == len(n.durable) && bytes.Equal(got[n.floor:], n.durable[n.floor:])
	if !kept && !undone {
		return fmt.Errorf("%d bytes are no end that %d durable ones, %d untouched, and %d now allow", len(got), len(n.durable), n.floor, len(n.now))
	}
	return nil
}

type names map[string]*inode

// model is two directories, and all states their names went through.
type model struct {
	now    map[string]names
	past   []map[string]names // after each change of a name; the first is empty
	synced map[string]int     // per directory, the index in past of its last sync
}

func newModel() *model {
	m := &model{now: map[string]names{"a": {}, "b": {}}, synced: map[string]int{}}
	m.remember()
	return m
}

func (m *model) remember() {
	m.past = append(m.past, map[string]names{"a": maps.Clone(m.now["a"]), "b": maps.Clone(m.now["b"])})
}

func (m *model) syncDir(dir string) { m.synced[dir] = len(m.past) - 1 }

// after are the names that a disk shows that kept the first k changes.
func (m *model) after(k int) map[string]names {
	out := map[string]names{}
	for dir := range m.now {
		out[dir] = m.past[max(k, m.synced[dir])][dir]
	}
	return out
}

// history does the same random changes to disk and model.
func history(t *rapid.T, w *world, m *model) {
	name := rapid.SampledFrom([]string{"x", "y", "z"})
	size := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 3000), rapid.SampledFrom([]int{511, 512, 513, 1024, 1025}))
	text := byte('A')
	fill := func() []byte {
		text++
		return bytes.Repeat([]byte{text}, size.Draw(t, "length"))
	}
	pick := func() (dir, file string, n *inode) {
		dir, file = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "dir"), name.Draw(t, "name")
		return dir, file, m.now[dir][file]
	}
	write := func(at func(n *inode) int) {
		dir, file, n := pick()
		if n == nil {
			n = &inode{}
			m.now[dir][file] = n
			m.remember()
		}
		off, data := at(n), fill()
		w.write(dir+"/"+file, int64(off), string(data))
		if len(data) > 0 {
			n.write(off, data)
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"overwrite": func(*rapid.T) { write(func(n *inode) int { return size.Draw(t, "offset") }) },
		"append":    func(*rapid.T) { write(func(n *inode) int { return len(n.now) }) },
		"truncate": func(*rapid.T) {
			if dir, file, n := pick(); n != nil {
				to := size.Draw(t, "size")
				w.truncate(dir+"/"+file, int64(to))
				n.truncate(to)
			}
		},
		"sync": func(*rapid.T) {
			if dir, file, n := pick(); n != nil {
				w.sync(dir + "/" + file)
				n.sync()
			}
		},
		"rename": func(*rapid.T) {
			dir, file, n := pick()
			if to := name.Draw(t, "to"); n != nil && to != file {
				w.rename(dir+"/"+file, dir+"/"+to)
				delete(m.now[dir], file)
				m.now[dir][to] = n
				m.remember()
			}
		},
		"remove": func(*rapid.T) {
			if dir, file, n := pick(); n != nil {
				w.remove(dir + "/" + file)
				delete(m.now[dir], file)
				m.remember()
			}
		},
		"syncDir": func(*rapid.T) {
			dir, _, _ := pick()
			w.syncDir(dir)
			m.syncDir(dir)
		},
	})
}

// judge says why the files found cannot be the names given, each with an allowed
// content, or nil.
func judge(found files, want map[string]names, allows func(*inode, []byte) error) error {
	expected := 0
	for dir, in := range want {
		for _, file := range slices.Sorted(maps.Keys(in)) {
			expected++
			text, ok := found[dir+"/"+file]
			if !ok {
				return fmt.Errorf("%s/%s is missing", dir, file)
			}
			if err := allows(in[file], []byte(text)); err != nil {
				return fmt.Errorf("%s/%s: %w", dir, file, err)
			}
		}
	}
	for path := range found {
		if strings.HasSuffix(path, "/") {
			expected++
		}
	}
	if len(found) != expected {
		return fmt.Errorf("%d entries, want %d", len(found), expected)
	}
	return nil
}

func exactly(n *inode, got []byte) error {
	if !bytes.Equal(n.durable, got) {
		return fmt.Errorf("%d bytes, not the %d durable ones", len(got), len(n.durable))
	}
	return nil
}

func TestAnyHistoryCrashesAsTheModelSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer os.RemoveAll(w.root)
		w.mkdir("a")
		w.mkdir("b")
		w.syncDir(".")
		m := newModel()
		history(rt, w, m)
		seed := rapid.Uint64Range(0, 1000).Draw(rt, "seed, 0 for dropping all")
		keep, allows := crash.Keep{}, exactly
		if seed > 0 {
			keep.Random = rand.New(rand.NewPCG(seed, 0))
			allows = (*inode).allows
		}
		if err := w.Crash(keep); err != nil {
			rt.Fatal(err)
		}

		found := tree(t, w.root)
		var why error
		for k := range m.past {
			if why = judge(found, m.after(k), allows); why == nil {
				return
			}
			if keep.Random == nil {
				break // nothing but what was synced
			}
		}
		rt.Fatalf("no state that a disk could show; the last one tried: %v", why)
	})
}

func TestNoHistoryOfRenamesLosesOrDoublesAFile(t *testing.T) {
	places := []string{"a/x", "a/y", "b/x", "b/y", "c/x", "d/x", "c", "d", "a/c", "b/d", "a/c/z", "b/d/z"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer os.RemoveAll(w.root)
		for _, dir := range []string{"a", "b", "c", "d"} {
			w.mkdir(dir)
		}
		w.syncDir(".")
		for _, dir := range []string{"a", "b", "c", "d"} {
			w.durable(dir+"/x", "file of "+dir)
		}
		place := rapid.SampledFrom(places)
		rt.Repeat(map[string]func(*rapid.T){
			"rename": func(*rapid.T) {
				from, to := w.at(place.Draw(rt, "from")), w.at(place.Draw(rt, "to"))
				if _, err := os.Stat(to); err != nil {
					_ = w.Rename(from, to) // refused where the system refuses
				}
			},
			"syncDir": func(*rapid.T) { _ = w.SyncDir(w.at(place.Draw(rt, "dir"))) },
		})
		keep := crash.Keep{}
		if seed := rapid.Uint64Range(0, 1000).Draw(rt, "seed, 0 for dropping all"); seed > 0 {
			keep.Random = rand.New(rand.NewPCG(seed, 0))
		}
		if err := w.Crash(keep); err != nil {
			rt.Fatal(err)
		}
		var texts []string
		found := tree(t, w.root)
		for path, text := range found {
			if !strings.HasSuffix(path, "/") {
				texts = append(texts, text)
			}
		}
		slices.Sort(texts)
		if want := []string{"file of a", "file of b", "file of c", "file of d"}; !slices.Equal(texts, want) {
			rt.Fatalf("found %v", found)
		}
	})
}
