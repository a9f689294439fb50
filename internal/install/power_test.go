package install

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/fsx/crash"
	"larder/internal/shelf"
)

// proof is a disk that notes which trees were made durable, and when.
type proof struct {
	fsx.FS
	synced func(id asset.PackID)
}

func (p proof) SyncTree(name string) error {
	err := p.FS.SyncTree(name)
	if err == nil {
		p.synced(asset.PackID(filepath.Base(filepath.Dir(name))))
	}
	return err
}

// The power goes at any step of an update, or while it fetches, again and again, and the
// disk keeps any part of what was not synced. Whatever it shows then is the old
// packs or the new ones, whole; an update that was told to be done stays; and nothing
// is fetched again that was durable.
func TestThePowerMayGoAtAnyMoment(t *testing.T) {
	cases := 8
	if os.Getenv("CI") != "" {
		cases = ciCuts
	}
	versions := [][]*issue{
		{publish(t, "a", 1, tree{"a/keep": noise(1, 90<<10), "a/edit": noise(2, 70<<10), "a/old": "x"}), publish(t, "b", 1, tree{"b/x": "1", "b/empty/": ""})},
		{publish(t, "a", 2, tree{"a/keep": noise(1, 90<<10), "a/edit": noise(2, 60<<10) + noise(3, 900<<10), "a/big": noise(5, 1500<<10), "a/link": "→keep"}), publish(t, "b", 2, tree{"b/x": "2", "b/moved": noise(2, 70<<10)})},
		{publish(t, "a", 3, tree{"a/keep": noise(1, 90<<10), "a/edit": noise(3, 900<<10)}), publish(t, "c", 1, tree{"c/big": noise(5, 1500<<10), "c/y": noise(6, 200<<10)})},
	}
	for seed := range cases {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 3))
			top := t.TempDir()
			w := &powerWorld{t: t, r: r, dir: filepath.Join(top, "shelf"), disk: crash.New(fsx.OS(), top)}
			for n, issues := range versions {
				for _, i := range issues {
					i.calm()
				}
				w.durable = map[asset.PackID]bool{}
				for tries := 0; !w.update(n, versions); tries++ {
					if tries > 100 {
						t.Fatal("it never ends")
					}
				}
			}
		})
	}
}

type powerWorld struct {
	t       *testing.T
	r       *rand.Rand
	dir     string
	disk    *crash.FS
	durable map[asset.PackID]bool // packs whose trees were synced, or staged
}

// update tries to come from versions[n-1] to versions[n]; false if the power went.
func (w *powerWorld) update(n int, versions [][]*issue) (done bool) {
	w.t.Helper()
	if err := w.disk.Foreign("shelf/staging/*/files"); err != nil {
		w.t.Fatal(err)
	}
	keep := crash.Keep{}
	if w.r.IntN(3) > 0 {
		keep.Random = rand.New(rand.NewPCG(w.r.Uint64(), 1))
	}
	if w.r.IntN(3) > 0 {
		w.disk.CrashAt(1+w.r.IntN(70), keep)
	}
	already := w.durable
	w.durable = map[asset.PackID]bool{}
	for id := range already {
		w.durable[id] = true
	}
	told, err := w.try(versions[n], n > 0 && w.r.IntN(2) == 0, func(id asset.PackID) { w.durable[id] = true })
	for _, i := range versions[n] {
		if already[i.ID] && i.total > 0 {
			w.t.Errorf("%s was durable, and %d bytes were fetched again", i.ID, i.total)
		}
		i.calm()
	}
	if err == nil {
		if err := w.disk.Crash(crash.Keep{}); err != nil { // nothing that was told is lost
			w.t.Fatal(err)
		}
		w.disk = w.disk.Reopen()
		shows(w.t, w.dir, versions[n]...)
		return true
	}
	if !errors.Is(err, crash.ErrPowerCut) && !errors.Is(err, errLine) {
		w.t.Fatal(err)
	}
	if err := w.disk.Crash(keep); err != nil {
		w.t.Fatal(err)
	}
	w.disk = w.disk.Reopen()
	v, err := shelf.Current(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	if isNew := len(v.Packs) > 0 && holds(v, versions[n]); isNew || told {
		shows(w.t, w.dir, versions[n]...)
	} else if n > 0 {
		shows(w.t, w.dir, versions[n-1]...)
	} else {
		shows(w.t, w.dir)
	}
	return false
}

func holds(v shelf.View, issues []*issue) bool {
	for _, i := range issues {
		if p, ok := v.Pack(i.ID); !ok || p.Content != i.Content.String() {
			return false
		}
	}
	return true
}

// try is a writer's life. It tells whether the update was told to be done.
func (w *powerWorld) try(issues []*issue, fragile bool, synced func(id asset.PackID)) (told bool, err error) {
	if w.r.IntN(4) == 0 { // an earlier writer died by kill -9 somewhere: locks are free
		fragile = true
	}
	s, err := Open(w.dir, Options{FS: proof{w.disk, synced}})
	if err != nil {
		return false, err
	}
	defer func() { _ = s.Close() }() // with the power off it may fail
	var add []shelf.Pack
	var remove []asset.PackID
	var wanted []Target
	for _, i := range issues {
		wanted = append(wanted, i.Target)
	}
	for _, p := range s.View().Packs {
		remove = append(remove, p.ID)
	}
	for _, i := range issues {
		if fragile && w.r.IntN(3) == 0 {
			i.line = 1 + w.r.Int64N(int64(len(i.data)))
		}
		got, err := s.Stage(w.t.Context(), i.Target, i)
		if err != nil {
			return false, err
		}
		add = append(add, got.Pack)
	}
	if _, err := s.Commit(w.t.Context(), add, remove); err != nil {
		return false, err
	}
	if _, err := s.Prune(w.t.Context(), wanted); err != nil {
		return true, err
	}
	return true, nil
}
