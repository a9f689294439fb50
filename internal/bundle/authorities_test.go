package bundle

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestAuthoritiesAreCertificatesOfTheBundleOrAFault(t *testing.T) {
	good := certificate(t)
	for name, c := range map[string]struct{ path, text, fault string }{
		"one":                  {"ca.pem", good, ""},
		"two with words":       {"sub/ca.pem", "here they are\n" + good + "\n" + good, ""},
		"none":                 {"ca.pem", "nothing", "no PEM block"},
		"a key":                {"ca.pem", good + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "block 2 of the file is no certificate"},
		"no certificate in it": {"ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"},
		"too many":             {"ca.pem", strings.Repeat(good, 17), "more than 16"},
		"too large":            {"ca.pem", strings.Repeat("x", 300<<10), "larger than 256 KiB"},
		"outside":              {"../ca.pem", good, "not a path inside"},
		"absent":               {"", good, "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "bundle")
			if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
				t.Fatal(err)
			}
			if c.path != "" {
				if err := os.WriteFile(filepath.Join(dir, c.path), []byte(c.text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			var b Bundle
			faults := &faultList{}
			b.readAuthorities(root, dict{file: "Info.json", m: map[string]any{"LarderCertificateAuthorities": c.path}, faults: faults})
			list := faults.all()
			switch {
			case c.fault == "" && (len(list) > 0 || strings.Count(b.Authorities, "BEGIN") != strings.Count(c.text, "BEGIN") || strings.Contains(b.Authorities, "here")):
				t.Errorf("faults %v, authorities %q", list, b.Authorities)
			case c.fault != "" && (len(list) != 1 || !strings.Contains(list[0].Problem, c.fault) || b.Authorities != ""):
				t.Errorf("faults %v; want one that says %q", list, c.fault)
			}
		})
	}
}
