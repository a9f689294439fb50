//go:build !race

package service

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
)

// endless writes head and then piece until the other end has had enough.
func (w *world) endless(head, piece string) http.Handler {
	piece = strings.Repeat(piece, 1+8192/len(piece))
	return w.server.Conn(func(c net.Conn) {
		_, err := c.Write([]byte(head))
		for err == nil {
			_, err = c.Write([]byte(piece))
		}
	})
}

// drip writes text one byte at a time, and again.
func (w *world) drip(text string) http.Handler {
	return w.server.Conn(func(c net.Conn) {
		for n := 0; ; n++ {
			if _, err := c.Write([]byte{text[n%len(text)]}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond) // what is tried is a slow server
		}
	})
}

const okHead = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n"

// Each server answers the one essential download of an app of its own, or its
// manifest; all at once, to one service.
func (w *world) hostileServers() map[string]http.Handler {
	var hop atomic.Int64
	return map[string]http.Handler{
		"endless headers":          w.endless(okHead, "X-More: and more\r\n"),
		"one endless header":       w.endless(okHead+"X-More: ", "a"),
		"an endless status line":   w.endless("HTTP/1.1 200 ", "a"),
		"endless first answers":    w.endless("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
		"endless body":             w.endless(okHead+"\r\n", "x"),
		"endless chunks":           w.endless(okHead+"Transfer-Encoding: chunked\r\n\r\n", "2000\r\n"+strings.Repeat("x", 0x2000)+"\r\n"),
		"an endless chunk size":    w.endless(okHead+"Transfer-Encoding: chunked\r\n\r\n", "0"),
		"endless chunk extensions": w.endless(okHead+"Transfer-Encoding: chunked\r\n\r\n1;", "a=b;"),
		"endless trailers":         w.endless(okHead+"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"+strings.Repeat("x", 1000)+"\r\n0\r\n", "X-More: and more\r\n"),
		"huge Content-Length":      w.endless(okHead+"Content-Length: 9223372036854775807\r\n\r\n", "x"),
		"Content-Length beyond":    w.endless(okHead+"Content-Length: 92233720368547758070\r\n\r\n", "x"),
		"two Content-Lengths":      w.endless(okHead+"Content-Length: 1000\r\nContent-Length: 2000\r\n\r\n", "x"),
		"a huge range":             w.endless("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9223372036854775806/9223372036854775807\r\n\r\n", "x"),
		"a compression bomb":       w.endless(okHead+"Content-Encoding: gzip\r\n\r\n", "\x1f\x8b\x08\x00"),
		"garbage":                  w.endless("", "\x00\xff garbage\r\n"),
		"slow headers":             w.drip("HTTP/1.1 200 OK\r\nX-More: and more\r\n"),
		"a redirect loop":          fault.Redirect(302, "/a redirect loop"),
		"redirects without end": http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, fmt.Sprintf("/redirects without end?%d", hop.Add(1)), http.StatusFound)
		}),
		"a huge Location":     fault.Redirect(302, "/"+strings.Repeat("a", 60_000)),
		"a huge Retry-After":  w.server.Raw("HTTP/1.1 404 Not Found\r\nRetry-After: " + strings.Repeat("9", 60_000) + "\r\nContent-Length: 0\r\n\r\n"),
		"a switched protocol": w.endless("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "x"),
	}
}

// What an extension writes to its standard output before it leaves.
var hostileOutputs = map[string]manifest{
	"a line of 15 MiB":          {Say: `{"jsonrpc":"2.0","id":1,"result":{"x":"` + strings.Repeat("a", 1<<10), Times: 15 << 10},
	"nested without end":        {Say: strings.Repeat("[", 1<<10), Times: 1 << 10},
	"a million notifications":   {Say: strings.Repeat(`{"jsonrpc":"2.0","method":"x"}`+"\n", 1000), Times: 1000},
	"requests nobody waits for": {Say: strings.Repeat(`{"jsonrpc":"2.0","id":"a","method":"currentDownloads"}`+"\n", 100), Times: 1000},
	"endless empty lines":       {Say: strings.Repeat("\n", 1<<10), Times: 10 << 10},
	"a huge number":             {Say: `{"jsonrpc":"2.0","id":` + strings.Repeat("9", 1<<10), Times: 1 << 10},
	"a million answers":         {Say: strings.Repeat(`{"jsonrpc":"2.0","id":999,"result":{}}`+"\n", 1000), Times: 1000},
}

// hostileBundles makes each of these below dir and gives what must be refused.
func (w *world) hostileBundles(dir string) (paths []string) {
	make := func(name string, f func(at string) error) {
		at := filepath.Join(dir, name)
		err := os.MkdirAll(at, 0o755)
		if err == nil {
			err = f(at)
		}
		if err != nil {
			w.Fatal(name, err)
		}
		paths = append(paths, at)
	}
	info := func(at string) string { return filepath.Join(at, "Info.plist") }
	big := func(text string) func(at string) error {
		return func(at string) error { return os.WriteFile(info(at), []byte(text), 0o644) }
	}
	make("sparse plist of 1 TiB", func(at string) error {
		f, err := os.Create(info(at))
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(1 << 40)
	})
	make("deep plist", big(`<plist version="1.0">`+strings.Repeat("<array>", 100_000)))
	make("wide plist", big(`<plist version="1.0"><dict>`+strings.Repeat("<key>a</key><true/>", 50_000)+"</dict></plist>"))
	make("binary plist of zeros", big("bplist00"+strings.Repeat("\x00", 1<<20-8)))
	make("nothing", big(""))
	make("FIFO", func(at string) error { return syscall.Mkfifo(info(at), 0o644) })
	make("directory", func(at string) error { return os.Mkdir(info(at), 0o755) })
	make("link to itself", func(at string) error { return os.Symlink("Info.plist", info(at)) })
	make("link to a device", func(at string) error { return os.Symlink("/dev/zero", info(at)) })
	make("socket", func(at string) error { return syscall.Mknod(info(at), syscall.S_IFSOCK|0o644, 0) })
	if os.Geteuid() == 0 {
		make("device", func(at string) error { return syscall.Mknod(info(at), syscall.S_IFCHR|0o644, 1<<8|5) }) // /dev/zero
	}
	return paths
}

// A hostile bundle, extension or server neither ends the service nor makes it
// exceed 64 MiB: the real program is measured by the kernel's own high-water mark.
func TestAHostileWorldNeitherEndsTheServiceNorMakesItLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pid := w.startBinary()
	names := map[asset.AppID]string{}
	add := func(name string, a app) {
		a.id = asset.AppID(fmt.Sprintf("org.example.hostile%d", len(names)))
		names[a.id] = name
		w.install(a)
	}
	for name, handler := range w.hostileServers() {
		w.server.Handle("/"+name, handler)
		url := w.server.URL + "/" + strings.ReplaceAll(name, " ", "%20")
		add(name+", download", app{manifest: manifest{Downloads: []asset.Download{{Identifier: "x", URL: url, FileSize: 1000, Essential: true}}}})
		add(name+", manifest", app{keys: map[string]any{"BAManifestURL": url}})
	}
	for name, m := range hostileOutputs {
		add(name, app{manifest: m})
	}
	for _, bundle := range w.hostileBundles(t.TempDir()) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, err := w.client.Install(ctx, localapi.InstallRequest{Bundle: bundle})
		cancel()
		if code := asset.CodeOf(err); code != asset.CodeConfiguration && code != asset.CodeNotFound {
			t.Errorf("bundle %s: %v", filepath.Base(bundle), err)
		}
	}
	w.server.Handle("/slow", w.drip(okHead+"Content-Length: 1000000\r\n\r\n"+strings.Repeat("x", 1000)))
	slow := w.install(app{id: "org.example.slow", manifest: manifest{Downloads: []asset.Download{{Identifier: "x", URL: w.server.URL + "/slow", FileSize: 1_000_000, Essential: true}}}})
	good := w.install(app{id: "org.example.innocent", manifest: manifest{Downloads: []asset.Download{w.put("innocent", 2<<20, true, "")}}})
	w.open(good)
	w.holds(good, "innocent", 2<<20)
	for id, name := range names {
		began := time.Now()
		p := w.openWithin(5*time.Minute, id)
		if waited := time.Since(began); waited > time.Second {
			t.Logf("%s: %v more", name, waited.Round(time.Second))
		}
		if p.Gate.Reason == nil || p.Gate.Reason.Code == asset.WhyReady || p.Gate.Reason.Message == "" {
			t.Errorf("%s: the gate opened as %s", name, pretty(p.Gate))
		} else {
			t.Logf("%-36s %s: %.140s", name, p.Gate.Reason.Code, p.Gate.Reason.Message)
		}
	}
	// One that is slow and goes on is waited for, as long as the person likes.
	if st, err := w.client.Control(t.Context(), slow, localapi.ActionCancel); err != nil || !st.Gate.Open {
		t.Errorf("cancelling: %v, %s", err, pretty(st.Gate))
	}
	h, err := w.client.Hello(t.Context())
	if err != nil || h.PID != pid {
		t.Errorf("the service is another, or gone: %+v, %v", h, err)
	}
	most := w.status(fmt.Sprintf("/proc/%d/status", pid), "VmHWM") << 10
	t.Logf("%d apps: at most %.1f MiB", len(names), float64(most)/mebibyte)
	if most > 64*mebibyte {
		t.Error("more than 64 MiB")
	}
	if log, _ := os.ReadFile(w.log); bytes.Contains(log, []byte("panic")) {
		t.Errorf("the service's log tells of a panic:\n%s", log)
	}
}
