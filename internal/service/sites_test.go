package service

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/bucket"
	"larder/internal/bucket/buckettest"
	"larder/internal/fsx"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/stick"
)

// delivery is a way in which a site reaches devices.
type delivery struct {
	// begin gives where the developer publishes, and the URL of the server.
	begin func(m *maker) (publish.Store, string)
	// plain servers know neither ETag nor Range nor how long anything may be kept.
	plain bool
}

var deliveries = map[string]delivery{
	"larder's own handler": {begin: ownHandler},
	"nginx":                {begin: nginx},
	"versitygw":            {begin: gateway},
	"python's http.server": {begin: python, plain: true},
	"a stick":              {begin: byStick},
}

func ownHandler(m *maker) (publish.Store, string) {
	to := publish.Folder{Dir: m.TempDir(), Disk: fsx.OS()}
	root, err := os.OpenRoot(to.Dir)
	if err != nil {
		m.Fatal(err)
	}
	srv := httptest.NewServer(http.StripPrefix(site.Prefix, site.Handler(root)))
	m.Cleanup(func() { srv.Close(); root.Close() })
	return to, srv.URL
}

// byStick has the developer's site nowhere but on his disk: each release is carried to the site that devices
// read, as one file with what is new.
func byStick(m *maker) (publish.Store, string) {
	there, base := ownHandler(m)
	at := publish.Folder{Dir: m.TempDir(), Disk: fsx.OS()}
	var version int64
	m.carry = func() {
		name := filepath.Join(m.TempDir(), "stick.tar")
		f, err := os.Create(name)
		if err != nil {
			m.Fatal(err)
		}
		file := stick.NewTar(f)
		out, err := stick.Export(m.Context(), at, game, file, version, nil)
		if err := errors.Join(err, file.Close(), f.Close()); err != nil {
			m.Fatal(err)
		}
		version = out.Version
		from, err := stick.OpenArchive(name)
		if err != nil {
			m.Fatal(err)
		}
		in, err := stick.Import(m.Context(), stick.ImportOptions{From: from, App: game, To: there, Scratch: m.TempDir(), Now: time.Now()})
		if err := errors.Join(err, from.Close()); err != nil || !in.Changed {
			m.Fatal(err, in)
		}
	}
	return at, base
}

// nginx delivers a folder as the guide says.
func nginx(m *maker) (publish.Store, string) {
	page, err := os.ReadFile("../../doc/guide/sign-a-site.md")
	if err != nil {
		m.Fatal(err)
	}
	said := regexp.MustCompile("(?s)```text nginx.conf\n(.*?)```").FindSubmatch(page)
	if said == nil {
		m.Fatal("the guide has no configuration for nginx")
	}
	dir := m.TempDir()
	base := m.run(func(addr string) *exec.Cmd {
		conf := fmt.Sprintf("user root; worker_processes 1; daemon off; pid %[1]s/pid; error_log %[1]s/log;\nevents {}\nhttp {\naccess_log off;\n"+
			"client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;\nserver {\nlisten %[2]s;\n%[3]s}\n}\n",
			dir, addr, strings.ReplaceAll(string(said[1]), "/srv/site", dir+"/site"))
		m.write(filepath.Join(dir, "conf"), []byte(conf), 0o600)
		return exec.Command(m.tool("nginx", "/usr/sbin/nginx"), "-e", dir+"/log", "-c", dir+"/conf")
	})
	return publish.Folder{Dir: filepath.Join(dir, "site", "larder", "v1"), Disk: fsx.OS()}, base
}

// python stands for any server that knows nothing but files.
func python(m *maker) (publish.Store, string) {
	dir := m.TempDir()
	base := m.run(func(addr string) *exec.Cmd {
		host, port, _ := net.SplitHostPort(addr)
		return exec.Command(m.tool("python3"), "-m", "http.server", "--bind", host, "--directory", dir, port)
	})
	return publish.Folder{Dir: filepath.Join(dir, "larder", "v1"), Disk: fsx.OS()}, base
}

func gateway(m *maker) (publish.Store, string) {
	srv := buckettest.Start(m.T)
	srv.Setenv(m.T)
	srv.Bucket(m.T, "games")
	to, err := bucket.Open(bucket.Options{Place: "s3://games/larder/v1", Getenv: os.Getenv})
	if err != nil {
		m.Fatal(err)
	}
	return to, srv.URL + "/games"
}

// tool finds a program that the machine must have.
func (w *world) tool(names ...string) string {
	w.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "" {
		w.Skipf("this machine has no %s", names[0])
	}
	w.Fatalf("this machine has no %s", names[0])
	return ""
}

// run starts a server on a free port and waits until it answers.
func (w *world) run(server func(addr string) *exec.Cmd) (base string) {
	w.Helper()
	for try := 1; ; try++ { // another process may take the port first
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		var said strings.Builder
		cmd := server(addr)
		cmd.Stdout, cmd.Stderr = nil, &said
		cmd.WaitDelay = 10 * time.Second
		if err := cmd.Start(); err != nil {
			w.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		if answersAt(addr, ended) {
			w.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
			return "http://" + addr
		}
		_ = cmd.Process.Kill()
		<-ended
		if try == 5 {
			w.Fatalf("%s does not answer: %s", cmd.Path, said.String())
		}
	}
}

func answersAt(addr string, ended <-chan struct{}) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
	}
	return false
}

// tap stands before a server and counts what goes through.
type tap struct {
	URL  string
	mu   sync.Mutex
	seen map[string]int64 // bytes of answers, head and body, by path
	n    map[string]int
}

func (w *world) tap(to string) *tap {
	u, err := url.Parse(to)
	if err != nil {
		w.Fatal(err)
	}
	p := &tap{}
	p.reset()
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c := &countingWriter{ResponseWriter: rw}
		pass.ServeHTTP(c, r)
		var head strings.Builder
		_ = rw.Header().Write(&head) // never fails
		p.mu.Lock()
		defer p.mu.Unlock()
		p.n[r.URL.Path]++
		p.seen[r.URL.Path] += c.n + int64(head.Len())
	}))
	w.Cleanup(srv.Close)
	p.URL = srv.URL
	return p
}

func (p *tap) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen, p.n = map[string]int64{}, map[string]int{}
}

// of counts requests, and bytes of answers, to paths with that part in them.
func (p *tap) of(part string) (n int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path := range p.n {
		if strings.Contains(path, part) {
			n, bytes = n+p.n[path], bytes+p.seen[path]
		}
	}
	return n, bytes
}

type countingWriter struct {
	http.ResponseWriter
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n += int64(n)
	return n, err
}

func (c *countingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// The same signed site from every kind of server: a device installs from it, follows an update,
// and asks next to nothing when there is no news.
func TestAnythingThatDeliversFilesDeliversASignedSite(t *testing.T) {
	for name, d := range deliveries {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			m := w.maker()
			var base string
			m.at, base = d.begin(m)
			m.release("one")
			seen := w.tap(base)
			m.hosts = []string{seen.URL}
			if p := m.install(); p.Gate.Reason.Code != asset.WhyReady || p.Failed > 0 {
				t.Fatalf("ended as %s", pretty(p))
			}
			m.word("one")

			// Twice within a second: a server that tells files apart by time and size
			// must not take the second for the first.
			for _, word := range []string{"two", "six", "ten"} {
				m.release(word)
				seen.reset()
				if err := m.checked(); err != nil {
					t.Fatal(err)
				}
				m.until2(word)
			}
			n, bytes := seen.of("/trust/")
			t.Logf("an update: %d requests and %d bytes for signatures", n, bytes)
			if bytes > 10<<10 {
				t.Errorf("an update cost %d bytes of signatures", bytes)
			}

			for _, life := range []string{"in use", "started anew"} {
				seen.reset()
				if err := m.checked(); err != nil {
					t.Fatal(err)
				}
				part := "" // all of it
				if d.plain {
					part = "/trust/" // beside the manifest
				}
				n, bytes = seen.of(part)
				t.Logf("an idle check (%s): %d requests and %d bytes", life, n, bytes)
				if n != 1 || bytes > 1<<10 {
					t.Errorf("an idle check asked %d times and got %d bytes", n, bytes)
				}
				m.stop()
				m.start()
			}
			if !d.plain {
				m.forACDN(base)
			}
		})
	}
}

// What a publisher puts into a bucket beside a pack is found there by a device.
func TestADeltaComesFromABucket(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.maker()
	var base string
	m.at, base = gateway(m)
	m.deltas = 1
	seen := w.tap(base)
	m.hosts = []string{seen.URL}
	old, next := edited(200 << 10)
	m.release(old)
	if p := m.install(); p.Gate.Reason.Code != asset.WhyReady || p.Failed > 0 {
		t.Fatalf("ended as %s", pretty(p))
	}
	m.release(next)
	seen.reset()
	if err := m.checked(); err != nil {
		t.Fatal(err)
	}
	m.until2(next)
	row := m.manifestOfSite().Packs[0]
	if len(row.Deltas) != 1 {
		t.Fatalf("the pack has %d deltas", len(row.Deltas))
	}
	whole, _ := site.BlobOf(row.URL)
	if n, bytes := seen.of(row.Deltas[0].Hash); n == 0 || bytes < row.Deltas[0].Size {
		t.Errorf("of the delta's %d bytes %d came", row.Deltas[0].Size, bytes)
	}
	if n, bytes := seen.of(whole); n > 0 {
		t.Errorf("%d bytes of the pack came beside its delta", bytes)
	}
}

// forACDN looks at what a cache would be told.
func (m *maker) forACDN(base string) {
	m.Helper()
	row := m.manifestOfSite().Packs[0]
	blob, _ := site.BlobOf(row.URL)
	for name, keep := range map[string]string{
		site.ManifestPath(game, "production"): "no-cache", site.AppPath(game, "trust/timestamp.json"): "no-cache",
		site.AppPath(game, "trust/1.root.json"): "public, max-age=31536000, immutable", blob: "public, max-age=31536000, immutable",
	} {
		at := base + site.Prefix + name
		res := m.fetch(at, nil)
		tag := res.Header.Get("ETag")
		if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != keep || tag == "" || strings.HasPrefix(tag, "W/") {
			m.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
		}
		if again := m.fetch(at, map[string]string{"If-None-Match": tag}); again.StatusCode != http.StatusNotModified {
			m.Errorf("%s, asked with its tag: %d", name, again.StatusCode)
		}
	}
	if part := m.fetch(base+site.Prefix+blob, map[string]string{"Range": "bytes=3-9"}); part.StatusCode != http.StatusPartialContent || part.ContentLength != 7 {
		m.Errorf("a range of a blob: %d, %d bytes", part.StatusCode, part.ContentLength)
	}
}

func (m *maker) manifestOfSite() *asset.DownloadManifest {
	m.Helper()
	text, err := m.at.Get(m.Context(), site.ManifestPath(game, "production"), asset.MaxDownloadManifest)
	if err != nil {
		m.Fatal(err)
	}
	all, err := asset.ParseDownloadManifest(text)
	if err != nil {
		m.Fatal(err)
	}
	return all
}

func (w *world) fetch(at string, headers map[string]string) *http.Response {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodGet, at, nil)
	if err != nil {
		w.Fatal(err)
	}
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if err != nil {
		w.Fatal(err)
	}
	return res
}
