package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write writes a certificate with a number, and its key, as a program does that renews it.
func write(t *testing.T, dir string, number int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(number), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"packs.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	replace(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	replace(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, key
}

func replace(t *testing.T, name string, data []byte) {
	t.Helper()
	err := os.WriteFile(name+".new", data, 0o600)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestACertificateThatWasReplacedIsUsedWithoutARestart(t *testing.T) {
	var log strings.Builder
	dir := t.TempDir()
	cert, key := write(t, dir, 1)
	c, err := Files(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shows := func(want int64) {
		t.Helper()
		pair, err := c.GetCertificate(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil || leaf.SerialNumber.Int64() != want {
			t.Errorf("the certificate is %v, not %d; %v", leaf.SerialNumber, want, err)
		}
	}
	shows(1)
	write(t, dir, 2)
	shows(2)
	replace(t, cert, []byte("half a file"))
	shows(2)
	shows(2)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	shows(2)
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("it was logged %d times: %s", n, &log)
	}
	write(t, dir, 3)
	shows(3)
	if _, err := Files(key, cert, slog.Default()); err == nil || !strings.Contains(err.Error(), "certificate and key cannot be used") {
		t.Errorf("with the two swapped: %v", err)
	}
}

func TestOnlyANameGetsACertificateByACME(t *testing.T) {
	for _, name := range []string{"", "localhost", "127.0.0.1", "::1"} {
		if _, err := (ACME{Dir: t.TempDir(), Name: name}).TLS(); err == nil {
			t.Errorf("%q has one", name)
		}
	}
	roots := filepath.Join(t.TempDir(), "roots")
	replace(t, roots, []byte("none"))
	for _, file := range []string{roots, roots + ".missing"} {
		if _, err := (ACME{Dir: t.TempDir(), Name: "packs.example.org", Roots: file}).TLS(); err == nil {
			t.Errorf("%q is taken for roots", file)
		}
	}
}
