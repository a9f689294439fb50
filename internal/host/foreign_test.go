package host

import (
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/internal/host/api"
)

// noise is text that does not compress, so that a pack has several parts.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return string(b)
}

// A client of App Store Connect that is not ours, generated from Apple's own document, has
// only the host's address changed.
func TestAClientOfAppStoreConnectBringsAPackAndReadsItBack(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(tool + " is needed")
			}
			t.Skip("no " + tool + " on this machine")
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/app-store-connect")); err != nil {
		t.Fatal(err)
	}
	run := func(env []string, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	run(nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")

	w := newWorld(t, func(o *Options) { o.Limits = api.Limits{Part: 64 << 10} })
	app := w.newApp(bundle)
	key, archive := filepath.Join(dir, "key.p8"), filepath.Join(dir, "a.assetpack")
	text, err := w.admin.PEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{key: text, archive: build(t, "level-2", map[string]string{"map.bin": noise(300 << 10)})} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := run([]string{"KEY_ID=" + w.admin.KeyID, "ISSUER=" + w.admin.Issuer, "KEY_FILE=" + key, "HOST=" + w.inspected(), "APP=" + app, "PACK=level-2", "ARCHIVE=" + archive},
		"node", "walk.cjs")
	if !strings.Contains(out, `{"version":"1"}`) {
		t.Errorf("it said %s", out)
	}
}

// inspected is the URL of a way to the host on which every call is held to
// doc/host-api.yaml.
func (w *world) inspected() string {
	to, err := url.Parse(w.base)
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: w.http.Transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	server := &http.Server{Handler: proxy}
	l := listen(w.t)
	go server.Serve(l)
	w.t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}
