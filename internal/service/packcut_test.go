package service

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

// What comes of a pack is on its shelf, proved, frame by frame: a kill costs what is in
// flight at that moment and no more, and the next service goes on by itself.
func TestKillInTheMiddleOfAPackCostsTheFramesInFlight(t *testing.T) {
	t.Parallel()
	const size, kills, flight = 48 << 20, 4, 6 << 20
	w := newWorld(t)
	kill := w.startProcess()
	d := w.depot()
	big := text("big", size)
	d.pack("a", 1, atInstall, map[string]string{"big.bin": big})
	d.server.SetRate(12 << 20)
	bundle := d.bundle(managedApp(game, 1))
	d.publish(game)
	if _, err := d.client.Install(t.Context(), localapi.InstallRequest{Bundle: bundle}); err != nil {
		t.Fatal(err)
	}
	var worst int64
	for n := range kills {
		had := int64(n+1) * size / (kills + 2)
		d.untilStaged(had)
		kill()
		mark := len(d.server.Requests())
		kill = w.startProcess()
		d.until(game, "it goes on", func(asset.AppStatus) bool { return len(d.server.Requests()) > mark })
		worst = max(worst, had-d.server.Requests()[mark].Start)
	}
	t.Logf("most bytes asked for again after one kill: %d", worst)
	if worst > flight {
		t.Errorf("%d bytes were asked for again after one kill", worst)
	}
	if p := d.open(game); p.Gate.Reason == nil || p.Gate.Reason.Code != asset.WhyReady {
		t.Fatal(pretty(p))
	}
	if d.onShelf(game, "big.bin") != big {
		t.Error("other bytes than were packed")
	}
}

// untilStaged waits until so many bytes of packs lie on the shelf. Frames are written side by side,
// so there may be holes.
func (d *depot) untilStaged(want int64) {
	d.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var have int64
		_ = filepath.WalkDir(d.dirs.Shelf("group."+asset.GroupID(game), game), func(_ string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return nil // it is being moved
			}
			if info, err := e.Info(); err == nil {
				have += info.Size()
			}
			return nil
		})
		if have >= want {
			return
		}
		if time.Now().After(end) {
			d.Fatalf("%d of %d bytes are staged", have, want)
		}
	}
}
