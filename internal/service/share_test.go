package service

import (
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

const (
	shareA = asset.AppID("org.example.a")
	shareB = asset.AppID("org.example.b")
)

// Two apps with equal work over one line of 16 MiB/s: each gets 40 to 60 % over
// ten seconds, also when one came first and had all connections.
func TestTwoAppsShareTheLine(t *testing.T) {
	for name, lead := range map[string]int64{"both at once": 0, "one comes later": 8 << 20} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			w.server.SetRate(16 << 20)
			work := func(id asset.AppID) app {
				var m manifest
				for _, part := range []string{"1", "2", "3", "4"} {
					m.Downloads = append(m.Downloads, w.put(string(id)+part, 64<<20, true, ""))
				}
				return app{id: id, manifest: m}
			}
			w.install(work(shareA))
			w.until(shareA, "the lead", func(asset.AppStatus) bool { return w.bytesOf(shareA) >= lead })
			w.install(work(shareB))
			w.until(shareB, "both run", func(asset.AppStatus) bool { return w.bytesOf(shareB) > 0 && w.bytesOf(shareA) > 0 })
			a0, b0 := w.bytesOf(shareA), w.bytesOf(shareB)
			time.Sleep(10 * time.Second) // what is measured is real time
			a, b := w.bytesOf(shareA)-a0, w.bytesOf(shareB)-b0
			t.Logf("%d and %d bytes", a, b)
			if share := float64(a) / float64(a+b); share < 0.4 || share > 0.6 {
				t.Errorf("the first app got %.0f %%", 100*share)
			}
		})
	}
}

func (w *world) bytesOf(id asset.AppID) (n int64) {
	w.Helper()
	st, err := w.client.App(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	for _, d := range st.Downloads {
		n += d.Bytes
	}
	return n
}

func TestAppsSeeNothingOfEachOther(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.server.SetRate(1 << 20)
	w.install(app{id: shareA, manifest: manifest{Downloads: []asset.Download{w.put("a", 32<<20, true, "")}}})
	w.install(app{id: shareB, manifest: manifest{Downloads: []asset.Download{w.put("b", 32<<20, true, "")}}})
	st := w.until(shareA, "bytes flow", func(st asset.AppStatus) bool { return find(st, "a").Bytes > 0 })
	theirs := find(st, "a").UniqueIdentifier

	b := localapi.NewAppClient(w.dirs.AppSocket(shareB))
	seen, err := b.Status(t.Context(), "")
	if err != nil || len(seen.Apps) != 1 || seen.Apps[0].ID != shareB {
		t.Errorf("b sees %s, %v", pretty(seen.Apps), err)
	}
	_, known := b.App(t.Context(), shareA)
	_, unknown := b.App(t.Context(), "org.example.nobody")
	if asset.CodeOf(known) != asset.CodeOf(unknown) || asset.CodeOf(known) != asset.CodeNotFound {
		t.Errorf("b can tell an installed app (%v) from an unknown one (%v)", known, unknown)
	}
	mine, other := b.CancelDownload(t.Context(), theirs), b.CancelDownload(t.Context(), "00000000-0000-4000-8000-000000000000")
	if asset.CodeOf(mine) != asset.CodeDownloadDoesNotExist || asset.CodeOf(other) != asset.CodeDownloadDoesNotExist {
		t.Errorf("cancelling another's download: %v; an unknown one: %v", mine, other)
	}
	for _, call := range []func() error{
		func() error { return b.Uninstall(t.Context(), shareA) },
		func() error { return b.Uninstall(t.Context(), shareB) },
		func() error { _, err := b.Control(t.Context(), shareA, localapi.ActionCancel); return err },
		func() error { _, err := b.Install(t.Context(), localapi.InstallRequest{Bundle: "/x"}); return err },
		func() error { return b.Acknowledge(t.Context(), theirs) },
	} {
		if call() == nil {
			t.Error("an app did what only the owner may")
		}
	}
	for ev, err := range b.Events(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if ev.App == shareA || ev.Status != nil && len(ev.Status.Apps) != 1 {
			t.Fatalf("b hears of a: %s", pretty(ev))
		}
		if ev.Type == asset.EventProgress {
			break
		}
	}
}
