//go:build !race

package service

import (
	"fmt"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

func TestServiceStaysSmallAndQuiet(t *testing.T) {
	w := newWorld(t)
	pid := w.startBinary()
	var m manifest
	for n := range 4 {
		m.Downloads = append(m.Downloads, w.put(fmt.Sprint("part", n), 128<<20, true, ""))
	}
	for n := range 500 {
		m.Downloads = append(m.Downloads, w.put(fmt.Sprint("small", n), 2000, n%2 == 0, ""))
	}
	installing := w.most(pid, func() { w.open(w.install(app{manifest: m})) })
	t.Logf("installing 512 MiB and 500 small files: %.1f MiB", float64(installing)/mebibyte)
	if installing > 64*mebibyte {
		t.Error("more than 64 MiB while installing")
	}
	hostile := w.most(pid, func() {
		w.open(w.install(app{id: "org.example.many", manifest: manifest{Many: 60_000, Downloads: []asset.Download{{Identifier: "x", URL: w.server.URL + "/nothing", FileSize: 1}}}}))
		if err := w.client.Uninstall(t.Context(), "org.example.many"); err != nil {
			t.Error(err)
		}
		w.open(w.install(app{id: "org.example.flood", manifest: manifest{Flood: 8 << 30}}))
	})
	t.Logf("an answer of 60,000 downloads, and 8 GiB on standard output: %.1f MiB", float64(hostile)/mebibyte)
	if hostile > 64*mebibyte {
		t.Error("more than 64 MiB with hostile extensions")
	}
	w.until("org.example.game", "all is handed over", func(st asset.AppStatus) bool {
		for _, d := range st.Downloads {
			if d.State != asset.StateFinished || d.FilePath != "" {
				return false
			}
		}
		return true
	})
	time.Sleep(5 * time.Second) // what is measured is real idleness
	before := w.wakeUps(pid)
	time.Sleep(20 * time.Second)
	wakeUps, idle := float64(w.wakeUps(pid)-before)/20, w.rss(pid)
	t.Logf("idle: %.1f MiB (%.1f of them the program's file), %.2f wake-ups per second", float64(idle)/mebibyte,
		float64(w.status(fmt.Sprintf("/proc/%d/status", pid), "RssFile"))/1024, wakeUps)
	if idle > 30*mebibyte || wakeUps > 1 {
		t.Error("more than 30 MiB or one wake-up per second when idle")
	}
	if _, err := w.client.Launch(t.Context(), "org.example.game", localapi.LaunchRequest{}); err != nil {
		t.Error(err)
	}
}
