package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

// The service is killed at random moments while many packs are updated together: whoever reads
// meanwhile, in Go or Python, finds files of one version, and each update gets through.
func TestKilledWhilePacksAreUpdatedGetsThrough(t *testing.T) { packsUnderKills(t, 5, 1, 3) }

func packsUnderKills(t *testing.T, packs, updates, kills int) {
	needsPython(t)
	w := newWorld(t)
	kill := w.startProcess()
	d := w.depot()
	var ids []asset.PackID
	for n := range packs {
		ids = append(ids, asset.PackID(fmt.Sprint("pack-", n)))
	}
	d.issueOf(ids, 1)
	bundle := d.bundle(managedApp(game, 1))
	d.publish(game)
	if _, err := d.client.Install(t.Context(), localapi.InstallRequest{Bundle: bundle}); err != nil {
		t.Fatal(err)
	}
	d.open(game)
	all := func(v int64) func(asset.AppStatus) bool {
		return func(asset.AppStatus) bool {
			return d.onShelf(game, "pack-0/version.txt") == fmt.Sprint(v) && d.onShelf(game, string(ids[packs-1])+"/version.txt") == fmt.Sprint(v)
		}
	}
	d.until(game, "all are installed", all(1))
	moving := d.manager(game)
	ctx, stop := context.WithCancel(t.Context())
	looks := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := errors.Join(d.opensOf(ids), refreshesOf(moving, ids)); err != nil {
				t.Error(err)
				break
			}
		}
		looks <- n
	}()
	python := d.pythonReads(ids)
	rnd := rand.New(rand.NewPCG(6, uint64(os.Getpid())))
	for v := int64(2); v < 2+int64(updates); v++ {
		d.issueOf(ids, v)
		for range kills {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(400))*time.Millisecond)
			_, _ = d.client.CheckForUpdates(ctx, game) // may end at any moment
			<-ctx.Done()
			cancel()
			kill()
			kill = w.startProcess()
		}
		if err := d.check(); err != nil {
			t.Fatal(err)
		}
		d.until(game, "the update is here", all(v))
	}
	stop()
	if err := python(); err != nil {
		t.Error("a Python process:", err)
	}
	if n := <-looks; n < 2 {
		t.Errorf("the readers looked %d times only", n)
	}
}

// issueOf puts version v of packs on sale, with deltas to half of them.
func (d *depot) issueOf(ids []asset.PackID, v int64) {
	d.Helper()
	old := map[asset.PackID]asset.Pack{}
	for _, p := range d.packs {
		old[p.ID] = p
	}
	for n, id := range ids {
		d.pack(id, v, atInstall, map[string]string{string(id) + "/version.txt": fmt.Sprint(v), string(id) + "/body.txt": strings.Repeat(fmt.Sprint(v), 1000),
			string(id) + "/kept.bin": text(string(id), 30<<10)})
		if p, ok := old[id]; ok && n%2 == 0 {
			d.patch(p, asMade)
		}
	}
	d.publish(game)
}
