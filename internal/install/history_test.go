package install

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/shelf"
)

// Histories of a shelf: packs are edited at random, staged over lines that break
// and by writers that die, committed together, removed and pruned, while processes open
// views, add packs, move on and end. After each prune, and time and again, every
// process sees exactly the trees that it should, and the disk holds no others.
//
// Together with pack's own random updates CI runs some 2,000 cases.
func TestHistoriesOfAShelf(t *testing.T) {
	histories := 5
	if os.Getenv("CI") != "" {
		histories = ciHistories
	}
	shelfHistories(t, histories)
}

const stepsOfAHistory = 60 // some 30 of them install something

func shelfHistories(t *testing.T, histories int) {
	var updates atomic.Int64
	t.Cleanup(func() { t.Logf("%d updates", updates.Load()) })
	var stock map[asset.PackID][]*issue
	for seed := range histories {
		if seed%historiesOfAStock == 0 {
			stock = publishAll(t, rand.New(rand.NewPCG(uint64(seed), 4)))
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, r: rand.New(rand.NewPCG(uint64(seed), 5)), dir: filepath.Join(t.TempDir(), "shelf"), disk: hasty{fsx.OS()}, shown: map[asset.PackID]*issue{}, stock: stock}
			w.store = openStore(t, w.dir, Options{FS: w.disk})
			defer func() {
				for _, p := range w.apps {
					_ = p.shelf.Close()
				}
				_ = w.store.Close()
			}()
			for range stepsOfAHistory {
				if w.step(); w.r.IntN(5) == 0 {
					w.look()
				}
				if t.Failed() {
					t.FailNow()
				}
			}
			w.look()
			updates.Add(w.updates)
		})
	}
}

// hasty is a disk that never waits for the medium: nobody cuts its power.
type hasty struct{ fsx.FS }

func (hasty) SyncDir(string) error  { return nil }
func (hasty) SyncTree(string) error { return nil }

func (h hasty) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f, err := h.FS.OpenFile(name, flag, perm)
	return hastyFile{f}, err
}

type hastyFile struct{ fsx.File }

func (hastyFile) Sync() error { return nil }

type world struct {
	t       *testing.T
	r       *rand.Rand
	dir     string
	disk    fsx.FS
	store   *Store
	stock   map[asset.PackID][]*issue // all that is ever published
	shown   map[asset.PackID]*issue   // committed
	apps    []*app
	updates int64
}

// app is a process: what it has, and what it should have.
type app struct {
	shelf *shelf.Shelf
	has   map[asset.PackID]*issue
}

var packIDs = []asset.PackID{"a", "b", "c", "d"}

func (w *world) step() {
	switch w.r.IntN(12) {
	case 0, 1, 2, 3, 4:
		w.install()
	case 5:
		w.remove()
	case 6, 7:
		w.prune()
	case 8: // a writer dies; the next one finds what it left
		w.must(w.store.Close())
		w.store = openStore(w.t, w.dir, Options{FS: w.disk})
	case 9:
		s, err := shelf.Open(w.dir, shelf.Options{})
		w.must(err)
		w.apps = append(w.apps, &app{shelf: s, has: maps.Clone(w.shown)})
	case 10:
		if len(w.apps) > 0 {
			w.use(w.apps[w.r.IntN(len(w.apps))])
		}
	case 11:
		if n := len(w.apps); n > 0 {
			i := w.r.IntN(n)
			w.must(w.apps[i].shelf.Close())
			w.apps = slices.Delete(w.apps, i, i+1)
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// install publishes new versions of some packs and brings them onto the shelf.
func (w *world) install() {
	var add []shelf.Pack
	var issues []*issue
	for _, id := range packIDs {
		if w.r.IntN(3) > 0 {
			continue
		}
		i := w.publish(id)
		for w.r.IntN(4) == 0 { // the line breaks; perhaps the writer dies too
			i.line = i.total + 1 + w.r.Int64N(int64(len(i.data)))
			_, err := w.store.Stage(w.t.Context(), i.Target, i)
			i.line = 0
			if err == nil {
				break
			}
			if !errors.Is(err, errLine) {
				w.t.Fatal(err)
			}
			if w.r.IntN(2) == 0 {
				i = w.publish(id)
			}
		}
		add = append(add, stage(w.t, w.store, i).Pack)
		issues = append(issues, i)
		w.updates++
	}
	if w.r.IntN(6) == 0 { // it never comes to a commit
		return
	}
	_, err := w.store.Commit(w.t.Context(), add, nil)
	w.must(err)
	for _, i := range issues {
		w.shown[i.ID] = i
	}
}

// publish gives some version: a newer one, an older one, the one that is there.
func (w *world) publish(id asset.PackID) *issue {
	return fresh(w.stock[id][w.r.IntN(len(w.stock[id])):])[0]
}

const (
	historiesOfAStock = 18
	versionsOfAStock  = 12
)

// publishAll makes the versions of all packs, each an edit of the one before. To
// build packs takes most of the time, so histories share them.
func publishAll(t *testing.T, r *rand.Rand) map[asset.PackID][]*issue {
	stock := map[asset.PackID][]*issue{}
	last := map[asset.PackID]tree{}
	for n := range int64(versionsOfAStock) {
		for _, id := range packIDs {
			next := edit(r, string(id), last[id])
			if r.IntN(3) == 0 { // a file moves here from another pack
				other := last[packIDs[r.IntN(len(packIDs))]]
				for _, path := range slices.Sorted(maps.Keys(other)) {
					if data := other[path]; len(data) > 100 {
						next[string(id)+"/from/"+filepath.Base(path)] = data
						break
					}
				}
			}
			last[id] = next
			stock[id] = append(stock[id], publish(t, id, n+1, next))
		}
	}
	return stock
}

func edit(r *rand.Rand, id string, old tree) tree {
	next := tree{}
	for _, path := range slices.Sorted(maps.Keys(old)) {
		data := old[path]
		switch r.IntN(8) {
		case 0:
			continue
		case 1:
			if n := len(data); n > 10 {
				at := r.IntN(n)
				data = data[:at] + noise(r.Uint64N(1000), r.IntN(3000)) + data[at:]
			}
		case 2:
			next[fmt.Sprintf("%s/moved/%d", id, r.IntN(9))] = data
			continue
		}
		next[path] = data
	}
	sizes := []int{0, 1, 700, 30 << 10, 150 << 10}
	for range 1 + r.IntN(3) {
		next[fmt.Sprintf("%s/%d/%d", id, r.IntN(3), r.IntN(9))] = noise(r.Uint64N(1000), sizes[r.IntN(len(sizes))])
	}
	if r.IntN(3) == 0 {
		next[id+"/link"] = "→0"
	}
	return next
}

func (w *world) remove() {
	id := packIDs[w.r.IntN(len(packIDs))]
	_, err := w.store.Commit(w.t.Context(), nil, []asset.PackID{id})
	w.must(err)
	delete(w.shown, id)
}

// prune leaves on the disk what the newest view and those of processes name, what this
// store staged, and nothing else.
func (w *world) prune() {
	_, err := w.store.Prune(w.t.Context(), nil)
	w.must(err)
	w.look()
	if len(w.apps) > 0 {
		return
	}
	var want []string
	for _, p := range w.store.View().Packs {
		want = append(want, p.Root)
	}
	for root := range w.store.fresh {
		want = append(want, root)
	}
	got, err := filepath.Glob(filepath.Join(w.dir, packsDir, "*", "*", filesDir))
	w.must(err)
	for i := range got {
		got[i] = filepath.ToSlash(got[i][len(w.dir)+1:])
	}
	slices.Sort(want) // what is staged again may be in the view already
	if want = slices.Compact(want); !slices.Equal(got, want) {
		w.t.Errorf("after a prune the disk holds %v, want %v", got, want)
	}
}

// use adds a pack to a process's view, or moves it to the newest.
func (w *world) use(p *app) {
	if w.r.IntN(2) == 0 {
		_, err := p.shelf.Refresh()
		w.must(err)
		p.has = maps.Clone(w.shown)
		return
	}
	id := packIDs[w.r.IntN(len(packIDs))]
	err := p.shelf.Add(id)
	switch {
	case p.has[id] != nil:
		w.must(err)
	case w.shown[id] == nil:
		if err == nil {
			w.t.Errorf("%s was added and is not installed", id)
		}
	default:
		w.must(err)
		p.has[id] = w.shown[id]
	}
}

// look holds what every process sees against what it should see.
func (w *world) look() {
	var shown []*issue
	for _, i := range w.shown {
		shown = append(shown, i)
	}
	shows(w.t, w.dir, shown...)
	for n, p := range w.apps {
		if len(p.shelf.Packs()) != len(p.has) {
			w.t.Errorf("process %d has %v, want %d packs", n, p.shelf.Packs(), len(p.has))
		}
		for id, i := range p.has {
			got, _ := p.shelf.Pack(id)
			sameTree(w.t, fmt.Sprintf("process %d, pack %s", n, id), onDisk(w.t, filepath.Join(w.dir, got.Root)), i.tree)
			w.openOne(p, i)
		}
	}
}

// openOne reads one of the files through the shelf.
func (w *world) openOne(p *app, i *issue) {
	for path, data := range i.tree {
		if data == "→0" {
			continue
		}
		f, err := p.shelf.Open(path, shelf.In{})
		w.must(err)
		got, err := io.ReadAll(f)
		w.must(errors.Join(err, f.Close()))
		if !bytes.Equal(got, []byte(data)) {
			w.t.Errorf("%s has %d bytes, want %d", path, len(got), len(data))
		}
		return
	}
}
