//go:build soak

package service

import (
	"context"
	"fmt"
	"testing"
	"time"

	"larder/asset"
	"larder/client"
	"larder/internal/fsx/crash"
)

// Many cuts, and a pack so large that parts of it are synced on the way: what was synced is not asked
// for again.
func TestSoakThePowerMayGoWhilePacksCome(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { packsUnderPowerCuts(t, 100+seed, 12) })
	}
	t.Run("a large pack", func(t *testing.T) {
		const size, cuts, bound = 320 << 20, 3, 2 * 64 << 20
		w := newWorld(t)
		p := w.power()
		p.foreign = w.staging()
		p.watch()
		w.start()
		d := w.depot()
		big := text("big", size)
		d.pack("a", 1, atInstall, map[string]string{"big.bin": big})
		d.sell(managedApp(game, 1))
		for n := range cuts {
			d.untilStaged(int64(n+1) * size / (cuts + 1))
			p.disk.HaltAt(p.disk.Steps()+1, func() { p.off.Store(true) })
			for end := time.Now().Add(time.Minute); !p.off.Load() && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			p.stop()
			p.leave(crash.Keep{})
			p.revive()
		}
		d.open(game)
		if d.onShelf(game, "big.bin") != big {
			t.Error("other bytes than were packed")
		}
		sent := d.sent()
		t.Logf("%.1f MiB were sent for %d MiB over %d power cuts", float64(sent)/mebibyte, size>>20, cuts)
		if sent > size+cuts*bound+16<<20 {
			t.Error("more than the bound")
		}
	})
}

func TestSoakKilledWhileTwentyPacksAreUpdated(t *testing.T) { packsUnderKills(t, 20, 10, 6) }

// What packs cost the service in memory, and apps in time (performance page, P11 and P12).
func TestSoakPacksStaySmallAndFast(t *testing.T) {
	w := newWorld(t)
	pid := w.startBinary()
	d := w.depot()
	d.pack("tiny", 1, atInstall, map[string]string{"tiny.txt": "tiny"})
	d.sell(managedApp(game, 1))
	d.open(game)
	m := d.manager(game)
	before := w.rss(pid)

	many := map[string]string{}
	for n := range 20_000 {
		many[fmt.Sprintf("many/%d/%d.txt", n%100, n)] = fmt.Sprint("file ", n)
	}
	large := map[string]string{"large/weights.bin": text("weights", 320<<20)}
	install := func(what string, id asset.PackID, version int64, files map[string]string) {
		d.pack(id, version, onDemand, files)
		d.publish(game)
		begun := time.Now()
		most := w.most(pid, func() {
			if err := m.EnsureLocalAvailability(context.Background(), client.EnsureOptions{RequireLatestVersions: true}, id); err != nil {
				t.Error(err)
			}
		})
		t.Logf("%s: at most %.1f MiB, %v", what, float64(most)/mebibyte, time.Since(begun).Round(time.Millisecond))
		if most > 128*mebibyte {
			t.Error("more than 128 MiB")
		}
	}
	install("installing 20,000 small files", "many", 1, many)
	install("installing 320 MiB in one file", "large", 1, large)
	b := []byte(large["large/weights.bin"])
	for at := 0; at < len(b); at += 16 << 20 {
		b[at] ^= 1
	}
	install("updating that, a byte changed each 16 MiB", "large", 2, map[string]string{"large/weights.bin": string(b)})
	many["many/0/0.txt"] = "changed"
	install("updating the small files, one changed", "many", 2, many)
	t.Logf("service with 1 file of packs %.1f MiB, with 20,002 %.1f MiB", float64(before)/mebibyte, float64(w.rss(pid))/mebibyte)

	for what, c := range map[string]struct {
		most time.Duration
		f    func()
	}{
		"localStatus": {10 * time.Microsecond, func() { m.LocalStatus("many") }},
		"ensure of an installed pack": {time.Millisecond, func() {
			if err := m.EnsureLocalAvailability(context.Background(), client.EnsureOptions{}, "many"); err != nil {
				t.Error(err)
			}
		}},
	} {
		n := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				c.f()
			}
		})
		t.Logf("%s: %v each", what, time.Duration(n.NsPerOp()))
		if time.Duration(n.NsPerOp()) > c.most {
			t.Errorf("%s takes more than %v", what, c.most)
		}
	}
}
