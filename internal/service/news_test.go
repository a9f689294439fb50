package service

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
)

// counted counts what crosses its connections, in both directions, headers and all.
type counted struct {
	net.Listener
	bytes *atomic.Int64
}

type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.bytes}, err
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// weigh has the world's server count the bytes on its wire.
func (w *world) weigh() *atomic.Int64 {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	w.server.Close()
	var n atomic.Int64
	w.server = fault.Serve(counted{l, &n})
	w.Cleanup(w.server.Close)
	return &n
}

// idle makes one check that finds nothing new, and holds it to one request of a kilobyte.
func (w *world) idle(wire *atomic.Int64, when, path string, check func() error) {
	w.Helper()
	w.server.ResetLog()
	before := wire.Load()
	if err := check(); err != nil {
		w.Fatal(when, err)
	}
	asked := w.server.Requests()
	if len(asked) != 1 || !strings.HasSuffix(strings.TrimSuffix(asked[0].Path, "?platform="+string(platform())), path) {
		w.Fatalf("%s, an idle check asked %+v", when, asked)
	}
	if n := wire.Load() - before; n > 1<<10 {
		w.Errorf("%s, an idle check took %d bytes on the wire", when, n)
	} else {
		w.Logf("%s, an idle check took %d bytes on the wire", when, n)
	}
}

func (d *depot) check() error {
	_, err := d.client.CheckForUpdates(d.Context(), game)
	return err
}

// manyPacks are on offer and none of them is wanted: what a large manifest costs.
func (d *depot) manyPacks() {
	p := d.pack("level", 1, atInstall, map[string]string{"level.txt": "hills"})
	for n := range 300 {
		other := p
		other.ID, other.DownloadPolicy = asset.PackID("other-"+strings.Repeat("x", n%50)+string(rune('a'+n%26))+time.Duration(n).String()), onDemand
		d.packs = append(d.packs, other)
	}
}

func TestAnIdleCheckIsOneSmallRequest(t *testing.T) {
	w := newWorld(t)
	wire := w.weigh()
	w.start()
	d := w.depot()
	d.manyPacks()
	d.sell(managedApp(game, 1))
	w.open(game)
	d.idle(wire, "after the installation", "/manifest.json", d.check)
	d.idle(wire, "again", "/manifest.json", d.check)
	w.stop()
	w.start()
	d.idle(wire, "after a restart", "/manifest.json", d.check)

	// What is new comes, and is idle again.
	d.pack("level", 2, atInstall, map[string]string{"level.txt": "hills and rivers"})
	d.publish(game)
	if err := d.check(); err != nil {
		t.Fatal(err)
	}
	w.until(game, "the new level is there", func(asset.AppStatus) bool { return d.onShelf(game, "level.txt") == "hills and rivers" })
	d.idle(wire, "after an update", "/manifest.json", d.check)
}

func TestAnIdleCheckOfASignedSiteIsOneSmallRequest(t *testing.T) {
	w := newWorld(t)
	wire := w.weigh()
	w.start()
	m := w.maker()
	m.release("one")
	m.install()
	m.idle(wire, "after the installation", "/trust/timestamp.json", m.checked)
	w.stop()
	w.start()
	m.idle(wire, "after a restart", "/trust/timestamp.json", m.checked)
	m.release("two")
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2("two")
	m.idle(wire, "after an update", "/trust/timestamp.json", m.checked)
}

// A server without ETags names a manifest by its date.
func TestAnIdleCheckGoesByTheDateWhereThereIsNothingBetter(t *testing.T) {
	w := newWorld(t)
	wire := w.weigh()
	w.start()
	d := w.depot()
	d.manyPacks()
	d.sell(managedApp(game, 1))
	w.open(game)
	d.withoutETag()
	if err := d.check(); err != nil {
		t.Fatal(err)
	}
	d.idle(wire, "by date", "/manifest.json", d.check)
}

// withoutETag serves what is on sale with a date alone.
func (d *depot) withoutETag() {
	d.Helper()
	m := asset.DownloadManifest{Packs: d.packs}
	text, err := m.MarshalJSON()
	if err != nil {
		d.Fatal(err)
	}
	published := time.Now().Add(-time.Hour)
	d.server.Handle("/"+string(game)+"/manifest.json", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "manifest.json", published, strings.NewReader(string(text)))
	}))
}

// A manifest that was refused is asked for again, not taken for the one that is held; and the
// app's move to another server is no reason to believe the new one.
func TestOnlyWhatWasAcceptedIsAskedForConditionally(t *testing.T) {
	w := newWorld(t)
	w.start()
	d := w.depot()
	d.pack("level", 1, atInstall, map[string]string{"level.txt": "hills"})
	d.sell(managedApp(game, 1))
	w.open(game)
	good := d.packs
	d.packs = append([]asset.Pack{}, good...)
	d.packs[0].DownloadPolicy.Kind = "sometimes"
	d.publish(game)
	for range 2 {
		if err := d.check(); err == nil {
			t.Fatal("a manifest that breaks a rule was accepted")
		}
	}
	d.packs = good
	d.publish(game)
	if err := d.check(); err != nil {
		t.Fatal(err)
	}
	var last http.Header
	d.server.Handle("/"+string(game)+"/manifest.json", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.Header.Clone()
		http.Error(w, "busy", http.StatusForbidden)
	}))
	if err := d.check(); err == nil || last.Get("If-None-Match") == "" {
		t.Errorf("asked with %v, %v", last, err)
	}
}
