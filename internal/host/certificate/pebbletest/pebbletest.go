// Package pebbletest runs a real ACME authority, Pebble, for tests, with a name server that leads every name to
// this machine.
package pebbletest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/internal/programtest"
)

// What .ci/run installs too.
const (
	authority  = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"
	nameServer = "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.1"
)

// Authority is a running authority. It ends with the test.
type Authority struct {
	Directory string         // its URL
	CA        string         // a PEM file with who vouches for it
	Roots     *x509.CertPool // who vouches for the certificates that it gives
}

// Start runs an authority that looks for whom it gives certificates at that port of this machine.
func Start(t testing.TB, port int) *Authority {
	t.Helper()
	for range 5 {
		if a := start(t, port); a != nil {
			return a
		}
	}
	t.Fatal("the authority does not start")
	return nil
}

// start gives nil when another process took a port first.
func start(t testing.TB, port int) *Authority {
	t.Helper()
	dir := t.TempDir()
	names, api, manage := programtest.Free(t, "udp"), programtest.Free(t, "tcp"), programtest.Free(t, "tcp")
	if !run(t, programtest.Find(t, nameServer), "Starting management server", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dnsserver", names, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", programtest.Free(t, "tcp")) {
		return nil
	}
	a := &Authority{Directory: "https://" + api + "/dir", CA: filepath.Join(dir, "cert.pem")}
	client := a.own(t, dir)
	file := filepath.Join(dir, "pebble.json")
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{"listenAddress": api, "managementListenAddress": manage, "certificate": a.CA, "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": 1, "tlsPort": port, "ocspResponderURL": "", "externalAccountBindingRequired": false, "retryAfter": map[string]int{"authz": 1, "order": 1}}})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !run(t, programtest.Find(t, authority), "ACME directory available", "-config", file, "-dnsserver", names) || !listens(api) || !listens(manage) {
		return nil
	}
	resp, err := client.Get("https://" + manage + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	root, err := io.ReadAll(resp.Body)
	a.Roots = x509.NewCertPool()
	if err != nil || !a.Roots.AppendCertsFromPEM(root) {
		t.Fatalf("the authority has no root: %s, %v", root, err)
	}
	return a
}

// listens waits until a server is there: Pebble says that it is before it is.
func listens(address string) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return true
		}
	}
	return false
}

// own makes the certificate of the authority's own server, and a client that knows it.
func (a *Authority) own(t testing.TB, dir string) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{a.CA: text, filepath.Join(dir, "key.pem"): pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// run runs a program until the test ends, and waits until it has said that it is ready, or has ended.
func run(t testing.TB, file, ready string, args ...string) bool {
	t.Helper()
	cmd := exec.Command(file, args...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	var said strings.Builder
	var mu sync.Mutex
	is, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var once sync.Once
		for lines := bufio.NewScanner(out); lines.Scan(); {
			mu.Lock()
			said.WriteString(lines.Text() + "\n")
			mu.Unlock()
			if strings.Contains(lines.Text(), ready) {
				once.Do(func() { close(is) })
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
		_ = out.Close()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	select {
	case <-is:
		return true
	case <-ended:
		t.Logf("%s ended:\n%s", file, said.String())
	case <-time.After(time.Minute): // only a broken one comes here
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("%s is not ready:\n%s", file, said.String())
	}
	return false
}
