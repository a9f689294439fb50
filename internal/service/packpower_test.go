package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fsx/crash"
	"larder/internal/localapi"
	"larder/internal/shelf"
)

// The power goes at any step of an installation of packs, and of updates by frames and by deltas,
// while the disk keeps any part of what was not synced. What it shows then is the old packs or the
// new ones, whole; a pack that is installed is not asked for again; and in the end all is there.
func TestThePowerMayGoWhilePacksCome(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { packsUnderPowerCuts(t, seed, 2) })
	}
}

func packsUnderPowerCuts(t *testing.T, seed uint64, cutsEach int) {
	w := newWorld(t)
	p := w.power()
	p.foreign = w.staging()
	p.watch()
	w.start()
	d := w.depot()
	h := &powerHistory{depot: d, p: p, rnd: rand.New(rand.NewPCG(seed, 5)), installed: map[string]int64{}}
	bundle := d.bundle(managedApp(game, 1))
	for v := int64(1); v <= 3; v++ {
		h.issue(v)
		h.steps = 60
		for cuts := 0; !h.reach(v, bundle, cuts < cutsEach); cuts++ {
			if cuts > 10*cutsEach {
				t.Fatal("it never ends")
			}
		}
	}
	if n := h.cuts; n < cutsEach/2 {
		t.Errorf("the power went %d times only", n)
	}
}

// staging is where packs of the game are put together, past the disk of the service.
func (w *world) staging() string {
	w.Helper()
	rel, err := filepath.Rel(w.dirs.Data, w.dirs.Shelf("group."+asset.GroupID(game), game))
	if err != nil {
		w.Fatal(err)
	}
	return filepath.Join(rel, "staging", "*", "files")
}

type powerHistory struct {
	*depot
	p         *power
	rnd       *rand.Rand
	installed map[string]int64 // where the index begins in archives whose packs were installed after a cut, by path
	steps     int              // a cut comes within so many
	cuts      int
}

// issue publishes version v of the three packs, with deltas to every second one.
func (h *powerHistory) issue(v int64) {
	h.Helper()
	old := map[asset.PackID]asset.Pack{}
	for _, p := range h.packs {
		old[p.ID] = p
	}
	for n, id := range three {
		body := text(string(id), 150<<10)
		h.pack(id, v, atInstall, map[string]string{string(id) + "/version.txt": fmt.Sprint(v), string(id) + "/body.txt": strings.Repeat(fmt.Sprint(v), 1000),
			string(id) + "/kept.bin": text(string(id)+"kept", 40<<10), string(id) + "/edited.bin": body[:int(v)*10<<10] + fmt.Sprint("version ", v) + body[int(v)*10<<10:]})
		if p, ok := old[id]; ok && (int(v)+n)%2 == 0 {
			h.patch(p, asMade)
		}
	}
	h.publish(game)
}

// reach lets the service come to version v; false if the power went before.
func (h *powerHistory) reach(v int64, bundle string, cut bool) bool {
	h.Helper()
	off := make(chan struct{})
	if cut {
		h.p.disk.HaltAt(h.p.disk.Steps()+1+h.rnd.IntN(h.steps), func() { h.p.off.Store(true); close(off) })
	}
	mark := len(h.server.Requests())
	ctx, cancel := context.WithCancel(h.Context())
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		h.ask(ctx, v, bundle)
	}()
	defer func() { cancel(); <-asked }()
	for there := false; !there; {
		select {
		case <-off:
			h.notAgain(mark)
			h.lose(v)
			h.p.revive()
			return false
		case <-time.After(5 * time.Millisecond):
		}
		there = h.whole(v) == nil
	}
	h.notAgain(mark)
	h.p.disk.HaltAt(0, nil)
	if h.p.off.Load() { // after all was there
		h.lose(v)
		h.p.revive()
		return false
	}
	h.until(game, "nothing is under way", func(a asset.AppStatus) bool {
		for _, p := range a.Packs {
			if p.Status != 69 {
				return false
			}
		}
		return a.State == asset.AppReady
	})
	return true
}

// ask begins what a cut may have left undone; with the power off it fails, or waits.
func (h *powerHistory) ask(ctx context.Context, v int64, bundle string) {
	if v > 1 {
		_, _ = h.client.CheckForUpdates(ctx, game)
		return
	}
	_, _ = h.client.Install(ctx, localapi.InstallRequest{Bundle: bundle})
}

// lose lets the disk show what the cut left, and looks at it.
func (h *powerHistory) lose(v int64) {
	h.Helper()
	h.cuts++
	h.p.stop()
	keep := crash.Keep{}
	if h.rnd.IntN(3) > 0 {
		keep.Random = rand.New(rand.NewPCG(h.rnd.Uint64(), 1))
	}
	h.p.leave(keep)
	view, err := shelf.Current(h.dirs.Shelf("group."+asset.GroupID(game), game))
	if err != nil {
		h.Fatal("after a cut:", err)
	}
	if err := h.whole(v); err != nil && len(view.Packs) == len(three) {
		if old := h.whole(v - 1); old != nil {
			h.Errorf("after a cut the shelf shows neither version: %v; %v", err, old)
		}
	}
	for _, at := range view.Packs {
		for _, p := range h.packs {
			if p.ID == at.ID && p.Version == at.Version {
				h.installed[strings.TrimPrefix(p.URL, h.server.URL)] = p.DownloadSize - p.IndexSize
			}
		}
	}
}

// whole tells what is lacking of version v.
func (h *powerHistory) whole(v int64) error {
	if v < 1 {
		return nil
	}
	var errs []error
	for _, id := range three {
		body := text(string(id), 150<<10)
		for name, want := range map[string]string{"version.txt": fmt.Sprint(v), "body.txt": strings.Repeat(fmt.Sprint(v), 1000), "kept.bin": text(string(id)+"kept", 40<<10),
			"edited.bin": body[:int(v)*10<<10] + fmt.Sprint("version ", v) + body[int(v)*10<<10:]} {
			if got := h.onShelf(game, string(id)+"/"+name); got != want {
				errs = append(errs, fmt.Errorf("%s/%s has %d bytes, not those of version %d", id, name, len(got), v))
			}
		}
	}
	return errors.Join(errs...)
}

// notAgain checks that no pack was asked for that was installed. A row that the cut took back
// may ask for the index, to find that.
func (h *powerHistory) notAgain(mark int) {
	h.Helper()
	for _, r := range h.server.Requests()[mark:] {
		if index, ok := h.installed[r.Path]; ok && r.Start < index {
			h.Errorf("a pack that was installed was asked for again, from byte %d on: %s", r.Start, r.Path)
		}
	}
}
