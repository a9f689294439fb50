package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/internal/host/certificate/pebbletest"
	"larder/internal/programtest"
)

// selfSigned writes a certificate for this machine that signs itself, and its key.
func selfSigned(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "host.pem"), filepath.Join(dir, "host.key")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{cert: text, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return cert, key, roots
}

func TestAHostSpeaksHTTPSWithTheCertificateThatItWasGiven(t *testing.T) {
	cert, key, roots := selfSigned(t)
	l, base, err := hostOptions{listen: "127.0.0.1:0", cert: cert, key: key}.open(t.Context(), discarded)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if base != "https://"+l.Addr().String() {
		t.Errorf("its URL is %s", base)
	}
	greeted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = fmt.Fprint(c, "hello")
			c.Close()
		}
		greeted <- err
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 5)
	if _, err := c.Read(b); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if err := <-greeted; err != nil {
		t.Error(err)
	}
	if _, _, err := (hostOptions{listen: "127.0.0.1:0", cert: key, key: cert}).open(t.Context(), discarded); err == nil || !strings.Contains(err.Error(), "certificate and key cannot be used") {
		t.Errorf("with the two swapped: %v", err)
	}
}

// An authority that is not ours looks for the host, and gives it a certificate for its name.
func TestAHostGetsACertificateByACMEAndKeepsIt(t *testing.T) {
	var o hostOptions
	o.dir, o.acme = t.TempDir(), true
	port, err := programtest.Port()
	if err != nil {
		t.Fatal(err)
	}
	authority := pebbletest.Start(t, port)
	o.listen, o.url = fmt.Sprint("127.0.0.1:", port), "https://packs.example.test"
	o.from.Directory, o.from.Roots = authority.Directory, authority.CA
	var serials []string
	for range 2 { // the second time from what it kept
		l, base, err := o.open(t.Context(), discarded)
		if err != nil {
			t.Fatal(err)
		}
		if base != o.url {
			t.Errorf("its URL is %s", base)
		}
		server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(discarded.Handler(), slog.LevelDebug)}
		go server.Serve(l)
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: authority.Roots, ServerName: "packs.example.test"})
		if err != nil {
			t.Fatal(err)
		}
		serials = append(serials, c.ConnectionState().PeerCertificates[0].SerialNumber.String())
		c.Close()
		if c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: authority.Roots, ServerName: "other.example.test"}); err == nil {
			c.Close()
			t.Error("it got a certificate for another name")
		}
		server.Close()
	}
	if serials[0] != serials[1] {
		t.Errorf("it asked again: %v", serials)
	}
	found, err := os.ReadDir(filepath.Join(o.dir, "acme"))
	if err != nil || len(found) < 2 {
		t.Errorf("it kept %v, %v", found, err)
	}
	o.url = "https://127.0.0.1"
	o.listen = "127.0.0.1:0"
	if _, _, err := o.open(t.Context(), discarded); err == nil || !strings.Contains(err.Error(), "no authority gives a certificate") {
		t.Errorf("for an address: %v", err)
	}
}

var discarded = slog.New(slog.DiscardHandler)

func TestAHostBehindAProxyIsNamedByItsURL(t *testing.T) {
	l, base, err := hostOptions{listen: "127.0.0.1:0", url: "https://packs.example.org/"}.open(t.Context(), discarded)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if base != "https://packs.example.org" {
		t.Errorf("its URL is %s", base)
	}
}
