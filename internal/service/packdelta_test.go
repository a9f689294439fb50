package service

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"larder/asset"
	"larder/internal/localapi"
	"larder/internal/site"
	"larder/pack"
)

// patch puts the delta from an old pack to the one on sale beside that. bent alters the
// bytes that are served, or gives nil for nothing.
func (d *depot) patch(old asset.Pack, bent func(delta []byte) []byte) asset.Delta {
	d.Helper()
	at := slices.IndexFunc(d.packs, func(p asset.Pack) bool { return p.ID == old.ID })
	now := &d.packs[at]
	var archives []*pack.Archive
	for _, u := range []string{old.URL, now.URL} {
		a, err := pack.Open(bytes.NewReader(d.texts[u]), int64(len(d.texts[u])))
		if err != nil {
			d.Fatal(err)
		}
		archives = append(archives, a)
	}
	var out buffer
	if _, err := pack.WriteDelta(d.Context(), &out, archives[0], archives[1], pack.DeltaOptions{}); err != nil {
		d.Fatal(err)
	}
	sum := sha256.Sum256(out.b)
	hash := hex.EncodeToString(sum[:])
	row := asset.Delta{From: old.Content, URL: d.server.URL + "/blobs/" + hash, Size: int64(len(out.b)), Hash: hash}
	if text := bent(out.b); text != nil {
		d.blobs[row.URL] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			site.DeliverBlob(w, r, hash, bytes.NewReader(text))
		})
		d.server.Handle("/blobs/"+hash, d.blobs[row.URL])
	}
	now.Deltas = append(now.Deltas, row)
	return row
}

func asMade(b []byte) []byte { return b }

// buffer is a file in memory.
type buffer struct{ b []byte }

func (m *buffer) WriteAt(b []byte, off int64) (int, error) {
	if need := int(off) + len(b); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[off:], b), nil
}

// fetched adds up what the server sent of blobs, by their URLs.
func (d *depot) fetched() map[string]int64 {
	out := map[string]int64{}
	for _, r := range d.server.Requests() {
		if strings.HasPrefix(r.Path, "/blobs/") {
			out[d.server.URL+r.Path] += r.Sent
		}
	}
	return out
}

// latest has the newest version of a pack here.
func (d *depot) latest(id asset.PackID, version int64) {
	d.Helper()
	for l, err := range d.client.EnsurePacks(d.Context(), game, localapi.EnsureRequest{Packs: []string{string(id)}, Latest: true}) {
		if err != nil || !l.Done && (l.Failed != nil || l.Version != version) {
			d.Fatalf("%+v, %v", l, err)
		}
	}
}

// edited is a file that compresses badly, and with a few bytes inserted all over it.
func edited(size int64) (old, next string) {
	old = text("weights", size)
	var b strings.Builder
	for at := 0; at < len(old); at += 40 << 10 {
		b.WriteString(old[at:min(at+40<<10, len(old))])
		b.WriteString("inserted")
	}
	return old, b.String()
}

// model is an app with a pack that is installed.
func model(t *testing.T, weights string) (*depot, asset.Pack) {
	t.Helper()
	w := newWorld(t)
	w.start()
	d := w.depot()
	v1 := d.pack("model", 1, atInstall, map[string]string{"weights.bin": weights, "note.txt": "v1"})
	d.sell(managedApp(game, 1))
	d.open(game)
	return d, v1
}

// updated has version 2 here, and checks it.
func (d *depot) updated(weights string) {
	d.Helper()
	d.publish(game)
	d.server.ResetLog()
	d.latest("model", 2)
	if d.onShelf(game, "weights.bin") != weights || d.onShelf(game, "note.txt") != "v2" {
		d.Error("other bytes than were packed")
	}
}

func TestAnUpdateComesByItsDelta(t *testing.T) {
	old, next := edited(800 << 10)
	d, v1 := model(t, old)
	v2 := d.pack("model", 2, atInstall, map[string]string{"weights.bin": next, "note.txt": "v2"})
	row := d.patch(v1, asMade)
	d.updated(next)
	got := d.fetched()
	if got[v2.URL] != 0 || got[row.URL] != row.Size {
		t.Errorf("of the delta's %d bytes %d came, and of the pack %d", row.Size, got[row.URL], got[v2.URL])
	}
	if row.Size > 20<<10 {
		t.Errorf("the delta has %d bytes", row.Size)
	}
	// The next version finds the one that the delta made whole.
	v3 := d.pack("model", 3, atInstall, map[string]string{"weights.bin": next + "more", "note.txt": "v3"})
	row = d.patch(v2, asMade)
	d.publish(game)
	d.latest("model", 3)
	if d.onShelf(game, "weights.bin") != next+"more" || d.fetched()[v3.URL] != 0 || d.fetched()[row.URL] != row.Size {
		t.Errorf("the second update: %v", d.fetched())
	}
}

// Whatever is wrong with a delta, the pack comes.
func TestADeltaThatFailsCostsBytesAndNothingElse(t *testing.T) {
	t.Parallel()
	old, next := edited(250 << 10)
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			b = bytes.Clone(b)
			if at < 0 {
				at += len(b)
			}
			b[at] ^= 4
			return b
		}
	}
	for name, bent := range map[string]func([]byte) []byte{
		"it is not there":      func([]byte) []byte { return nil },
		"its magic is wrong":   flip(0),
		"its table is wrong":   flip(89),
		"its head is wrong":    flip(120),
		"its last is wrong":    flip(-1),
		"it is longer":         func(b []byte) []byte { return append(bytes.Clone(b), 0) },
		"it is shorter":        func(b []byte) []byte { return b[:len(b)-1] },
		"it is something else": func(b []byte) []byte { return []byte(text("other", int64(len(b)))) },
	} {
		t.Run(name, func(t *testing.T) {
			d, v1 := model(t, old)
			v2 := d.pack("model", 2, atInstall, map[string]string{"weights.bin": next, "note.txt": "v2"})
			row := d.patch(v1, bent)
			d.updated(next)
			if got := d.fetched(); got[row.URL] > 2*row.Size || got[v2.URL] == 0 {
				t.Errorf("%v; the delta has %d bytes", got, row.Size)
			}
		})
	}
}

// halfway sends half of a body to the first who asks, and then nothing.
type halfway struct {
	http.Handler
	once sync.Once
	half int
}

func (h *halfway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first := false
	h.once.Do(func() { first = true })
	if first {
		w = &stopped{ResponseWriter: w, gone: r.Context().Done(), left: h.half}
	}
	h.Handler.ServeHTTP(w, r)
}

type stopped struct {
	http.ResponseWriter
	gone <-chan struct{}
	left int
}

func (s *stopped) Write(p []byte) (int, error) {
	if len(p) < s.left {
		s.left -= len(p)
		return s.ResponseWriter.Write(p)
	}
	_, _ = s.ResponseWriter.Write(p[:s.left])
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	<-s.gone
	panic(http.ErrAbortHandler)
}

// What came of a delta is kept over a kill, as of everything else.
func TestKillInTheMiddleOfADeltaCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kill := w.startProcess()
	d := w.depot()
	old := text("old", 100<<10)
	v1 := d.pack("a", 1, atInstall, map[string]string{"big.bin": old})
	bundle := d.bundle(managedApp(game, 1))
	d.publish(game)
	if _, err := d.client.Install(t.Context(), localapi.InstallRequest{Bundle: bundle}); err != nil {
		t.Fatal(err)
	}
	d.open(game)
	next := old[:50<<10] + "inserted" + old[50<<10:] + text("more", 300<<10)
	v2 := d.pack("a", 2, atInstall, map[string]string{"big.bin": next})
	row := d.patch(v1, asMade)
	half := row.Size / 2
	d.server.Handle(row.URL[len(d.server.URL):], &halfway{Handler: d.blobs[row.URL], half: int(half)})
	d.publish(game)
	d.server.ResetLog()
	if _, err := d.client.CheckForUpdates(t.Context(), game); err != nil {
		t.Fatal(err)
	}
	d.until(game, "half of the delta has come", func(a asset.AppStatus) bool { return find(a, "a").Bytes >= half })
	kill()
	mark := len(d.server.Requests())
	w.startProcess()
	d.until(game, "the update is here", func(asset.AppStatus) bool { return d.onShelf(game, "big.bin") == next })
	for _, r := range d.server.Requests()[mark:] {
		if strings.HasSuffix(row.URL, r.Path) && r.Start < half {
			t.Errorf("byte %d was asked for after the kill; %d had come", r.Start, half)
		}
	}
	if got := d.fetched(); got[v2.URL] > 0 || got[row.URL] != row.Size {
		t.Errorf("%d bytes of the pack came, and %d of the delta's %d", got[v2.URL], got[row.URL], row.Size)
	}
}
