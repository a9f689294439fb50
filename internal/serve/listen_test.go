package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fsx"
)

var disk = fsx.OS()

func TestPlainHTTPIsForThisMachineAlone(t *testing.T) {
	for _, host := range []string{"0.0.0.0", "::", "192.0.2.1", "example.org"} {
		for _, hosts := range [][]string{{host}, {"127.0.0.1", host}} {
			if l, _, err := Listen(t.Context(), hosts, 0, Authority{}); asset.CodeOf(err) != asset.CodeBadRequest || !strings.Contains(asset.AsError(err).Help, "--https") {
				t.Errorf("%q: %v", hosts, err)
				if l != nil {
					l.Close()
				}
			}
		}
	}
	l, url, err := Listen(t.Context(), []string{"localhost"}, 0, Authority{})
	if err != nil || !strings.HasPrefix(url, "http://localhost:") {
		t.Fatalf("%s, %v", url, err)
	}
	defer l.Close()
	if _, _, err := Listen(t.Context(), []string{"localhost"}, l.Addr().(*net.TCPAddr).Port, Authority{}); err == nil || !strings.Contains(err.Error(), "another program listens there") {
		t.Errorf("%v", err)
	}
}

func TestWhoeverTrustsTheAuthorityTrustsTheServerUnderAllItsNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	a, err := OpenAuthority(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l, url, err := Listen(t.Context(), []string{"127.0.0.1", "game.localhost"}, 0, a)
	if err != nil || !strings.HasPrefix(url, "https://127.0.0.1:") {
		t.Fatalf("%s, %v", url, err)
	}
	s := open(t, Options{Inputs: []string{newFolder(t).path("level.json")}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, l, url, a) }()
	text, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for roots, want := range map[*x509.CertPool]bool{trusted: true, x509.NewCertPool(): false} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
			}}
		for _, host := range []string{"127.0.0.1", "game.localhost", "localhost", "[::1]"} {
			res, err := (&http.Client{Transport: transport}).Get("https://" + host + ":" + port + "/help")
			if (err == nil) != want {
				t.Errorf("%s: %v; want %v", host, err, want)
			}
			if err == nil {
				page, err := io.ReadAll(res.Body)
				if res.Body.Close(); err != nil || !strings.Contains(string(page), a.File) {
					t.Errorf("the page does not name the authority: %v", err)
				}
			}
		}
		transport.CloseIdleConnections()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTheAuthorityIsMadeOnceAndItsKeyIsItsOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "authority")
	now := time.Now()
	first, err := OpenAuthority(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenAuthority(dir, now)
	if err != nil || !again.cert.Equal(first.cert) {
		t.Fatalf("another one, %v", err)
	}
	if err := os.Remove(first.File); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir, now); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(first.File); err != nil || strings.Contains(string(text), "PRIVATE") {
		t.Errorf("%s, %v", text, err)
	}
	key := filepath.Join(dir, authorityKeyFile)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := OpenAuthority(dir, now.AddDate(authorityYears, 0, -1)); asset.CodeOf(err) != asset.CodeConfiguration || !strings.Contains(err.Error(), "expires") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(key, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir, now); asset.CodeOf(err) != asset.CodeConfiguration {
		t.Errorf("%v", err)
	}
}
