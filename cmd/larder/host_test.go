package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a certificate for this machine that signs itself, and its key.
func certificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
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
	cert, key, roots := certificate(t)
	l, base, err := hostOptions{listen: "127.0.0.1:0", cert: cert, key: key}.open(t.Context())
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
	if _, _, err := (hostOptions{listen: "127.0.0.1:0", cert: key, key: cert}).open(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate and key cannot be used") {
		t.Errorf("with the two swapped: %v", err)
	}
}

func TestAHostBehindAProxyIsNamedByItsURL(t *testing.T) {
	l, base, err := hostOptions{listen: "127.0.0.1:0", url: "https://packs.example.org/"}.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if base != "https://packs.example.org" {
		t.Errorf("its URL is %s", base)
	}
}
