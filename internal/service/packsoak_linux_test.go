//go:build soak

package service

import (
	"context"
	"fmt"
	"testing"
	"time"

	"larder/asset"
	"larder/client"
)

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
	large := map[string]string{"large/weights.bin": text("weights", 256<<20)}
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
	install("installing 256 MiB in one file", "large", 1, large)
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
