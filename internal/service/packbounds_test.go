package service

import (
	"fmt"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

// Ten thousand packs on offer: the manifest is read, the one that is asked for comes, and the
// next check is idle.
func TestTenThousandPacksAreOnOffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	d := w.depot()
	p := d.pack("level", 1, atInstall, map[string]string{"level.txt": "hills"})
	for n := range 9_999 {
		other := p
		other.ID, other.DownloadPolicy = asset.PackID(fmt.Sprint("other-", n)), onDemand
		d.packs = append(d.packs, other)
	}
	d.sell(managedApp(game, 1))
	d.open(game)
	begun := time.Now()
	if st := d.listed(); len(st.Packs) != 10_000 {
		t.Errorf("%d packs are told of", len(st.Packs))
	}
	t.Logf("their status took %v", time.Since(begun))
	if got := d.ensure(game, "level"); got["level"] != nil || d.onShelf(game, "level.txt") != "hills" {
		t.Error(got)
	}
	for range 2 {
		if err := d.check(); err != nil {
			t.Fatal(err)
		}
	}
	if d.onShelf(game, "level.txt") != "hills" {
		t.Error("the level is gone")
	}
}

func (d *depot) listed() localapi.PackList {
	d.Helper()
	list, err := d.client.Packs(d.Context(), game)
	if err != nil {
		d.Fatal(err)
	}
	return list
}
