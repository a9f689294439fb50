package service

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
	"larder/pack"
)

// cost is what the status tells of the way of a pack, after it has come.
func (d *depot) cost(id asset.PackID) asset.Traffic {
	d.Helper()
	st := d.until(game, string(id)+" has come", func(a asset.AppStatus) bool {
		s := find(a, string(id))
		return s.State == asset.StateFinished && s.Traffic != nil
	})
	return *find(st, string(id)).Traffic
}

// sent adds up what the server sent of all archives and deltas.
func (d *depot) sent() (n int64) {
	for _, b := range d.fetched() {
		n += b
	}
	return n
}

// spoilt damages one byte of the first answers.
type spoilt struct {
	http.Handler
	times atomic.Int64
	at    int
}

func (s *spoilt) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.times.Add(-1) >= 0 {
		w = &flipped{w, s.at}
	}
	s.Handler.ServeHTTP(w, r)
}

type flipped struct {
	http.ResponseWriter
	at int
}

func (f *flipped) Write(p []byte) (int, error) {
	if f.at >= 0 && f.at < len(p) {
		p = bytes.Clone(p)
		p[f.at] ^= 1
	}
	f.at -= len(p)
	return f.ResponseWriter.Write(p)
}

// What came over the network is what the server counted; what was useful of it is what the tree
// is made of, and nothing that came in vain.
func TestTheCostOfAPackIsToldHonestly(t *testing.T) {
	t.Parallel()
	old, next := edited(800 << 10)
	d, v1 := model(t, old)
	if got, want := d.cost("model"), (asset.Traffic{Network: d.sent(), Useful: v1.DownloadSize, Written: 800<<10 + 2}); got != want || got.Network != got.Useful {
		t.Errorf("a new pack: %+v, want %+v", got, want)
	}
	for u, err := range d.manager(game).StatusUpdatesFor(t.Context(), "model") {
		if err != nil || u.Type != asset.EventFinished || u.Traffic == nil || u.Traffic.Useful != v1.DownloadSize || u.Bytes != v1.DownloadSize {
			t.Errorf("an app that comes late hears %+v, %v", u, err)
		}
	}

	update := func(version int64, files map[string]string, bent func(old asset.Pack) int64) (asset.Traffic, int64) {
		was := d.packs[0]
		d.pack("model", version, atInstall, files)
		more := bent(was)
		d.publish(game)
		d.server.ResetLog()
		d.latest("model", version)
		return d.cost("model"), more
	}
	got, _ := update(2, map[string]string{"weights.bin": old, "note.txt": "v2"}, func(asset.Pack) int64 { return 0 })
	if got.Network != d.sent() || got.Useful != got.Network || got.Reused != 800<<10 || got.Written != 2 {
		t.Errorf("an update by frames: %+v, and %d bytes were sent", got, d.sent())
	}
	got, size := update(3, map[string]string{"weights.bin": next, "note.txt": "v3"}, func(old asset.Pack) int64 { return d.patch(old, asMade).Size })
	if got.Network != d.sent() || got.Network != size || got.Useful != size {
		t.Errorf("an update by a delta of %d bytes: %+v, and %d bytes were sent", size, got, d.sent())
	}
	got, head := update(4, map[string]string{"weights.bin": old + "more", "note.txt": "v4"}, func(old asset.Pack) (head int64) {
		d.patch(old, func(b []byte) []byte {
			x, err := pack.OpenDelta(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			head = x.Head()
			b = bytes.Clone(b)
			b[len(b)-1] ^= 4
			return b
		})
		return head
	})
	if want := d.fetched()[d.packs[0].URL] + head; got.Network != d.sent() || got.Useful != want || got.Network <= got.Useful {
		t.Errorf("an update whose delta is damaged: %+v; %d bytes were sent, and of use were %d", got, d.sent(), want)
	}
}

func TestBytesThatCameInVainAreNotUseful(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(d *depot, h http.Handler) http.Handler{
		"a damaged frame": func(_ *depot, h http.Handler) http.Handler {
			s := &spoilt{Handler: h, at: 5000}
			s.times.Store(2) // the index, whose answers are shorter, and the first frames
			return s
		},
		"a damaged index": func(_ *depot, h http.Handler) http.Handler {
			s := &spoilt{Handler: h, at: 50}
			s.times.Store(1)
			return s
		},
		"a server without ranges": func(_ *depot, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Range")
				h.ServeHTTP(w, r)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			d := w.depot()
			p := d.pack("level", 1, atInstall, map[string]string{"l.bin": text("level", 2<<20)})
			d.server.Handle(strings.TrimPrefix(p.URL, d.server.URL), bend(d, d.blobs[p.URL]))
			d.sell(managedApp(game, 1))
			d.open(game)
			got := d.cost("level")
			if got.Useful != p.DownloadSize || got.Network < got.Useful || got.Network > d.sent() || got.Written < 2<<20 {
				t.Errorf("for %d bytes: %+v; %d were sent", p.DownloadSize, got, d.sent())
			}
			if vain := got.Network - got.Useful; strings.HasPrefix(name, "a damaged") != (vain > 0) {
				t.Errorf("%d bytes came in vain", vain)
			}
		})
	}
}

// What a pack has cost is counted on over the end of the service.
func TestTheCostOfAPackOutlivesTheService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("tiny", 1, atInstall, map[string]string{"t.txt": "t"})
	p := d.pack("level", 1, onDemand, map[string]string{"l.bin": text("level", 12<<20)})
	d.sell(managedApp(game, 1))
	d.open(game)
	d.server.SetRate(6 << 20)
	m := d.manager(game)
	go func() { _ = m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "level") }()
	st := d.until(game, "a part has come", func(a asset.AppStatus) bool {
		s := find(a, "level")
		return s.Traffic != nil && s.Traffic.Useful > 2<<20
	})
	if s := find(st, "level"); s.Traffic.Useful > s.Traffic.Network || s.Traffic.Network > p.DownloadSize {
		t.Errorf("on its way: %+v", s.Traffic)
	}
	w.stop()
	d.server.SetRate(0)
	w.start()
	if got := find(d.until(game, "it is known", func(asset.AppStatus) bool { return true }), "level").Traffic; got == nil || got.Network < 2<<20 {
		t.Errorf("after the restart: %+v", got)
	}
	for l, err := range d.client.EnsurePacks(t.Context(), game, localapi.EnsureRequest{Packs: []string{"level"}}) {
		if err != nil || l.Failed != nil {
			t.Fatal(l, err)
		}
	}
	if got := d.cost("level"); got.Useful != p.DownloadSize || got.Network < got.Useful || got.Written < 12<<20 {
		t.Errorf("for %d bytes: %+v", p.DownloadSize, got)
	}
}
