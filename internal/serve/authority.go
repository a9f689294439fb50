package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"larder/asset"
	"larder/internal/fsx"
)

// Authority signs certificates for servers of this machine. The zero value is
// none: plain HTTP.
type Authority struct {
	// File is its certificate, in PEM form, for those who are to trust it.
	File string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

const (
	authorityFile    = "larder-serve.pem"     // to be handed on
	authorityKeyFile = "larder-serve-key.pem" // key and certificate; the truth
	authorityYears   = 5
	leafDays         = 90
)

// OpenAuthority reads the authority in dir, or makes one. Whoever can read dir can play any server
// to those who trust the authority, so it belongs to its owner alone.
func OpenAuthority(dir string, now time.Time) (a Authority, err error) {
	wrong := func(message string, err error) (Authority, error) {
		return Authority{}, &asset.Error{Code: asset.CodeConfiguration, Op: "open certificate authority", Subject: dir, Message: message, Err: err,
			Help: "remove the directory, to have a new authority made, which has to be trusted anew"}
	}
	if err := fsx.MkdirAll(fsx.OS(), dir, 0o700); err != nil {
		return wrong("the directory cannot be made", err)
	}
	lock, err := fsx.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return wrong("another process makes it just now", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	a.File = filepath.Join(dir, authorityFile)
	secret := filepath.Join(dir, authorityKeyFile)
	text, err := os.ReadFile(secret)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeAuthority(now)
		if err == nil {
			err = fsx.WriteFile(fsx.OS(), secret, text, 0o600)
		}
	}
	if err != nil {
		return wrong("it cannot be read or made", err)
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return wrong("its file is damaged", err)
	}
	var ours bool
	if a.key, ours = pair.PrivateKey.(*ecdsa.PrivateKey); !ours {
		return wrong("its key is none of ours", nil)
	}
	if a.cert, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return wrong("its file is damaged", err)
	}
	if now.AddDate(0, 0, leafDays).After(a.cert.NotAfter) {
		return wrong("it expires on "+a.cert.NotAfter.Format(time.DateOnly), nil)
	}
	open := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if old, err := os.ReadFile(a.File); err != nil || string(old) != string(open) {
		if err := fsx.WriteFile(fsx.OS(), a.File, open, 0o644); err != nil {
			return wrong("its certificate cannot be written", err)
		}
	}
	return a, nil
}

func serial() (*big.Int, error) { return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) }

func makeAuthority(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	number, err := serial()
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	cert := &x509.Certificate{SerialNumber: number, Subject: pkix.Name{CommonName: "larder serve on " + host}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(authorityYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}

// Config makes a certificate for these names and addresses.
func (a Authority) Config(hosts []string, now time.Time) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	number, err := serial()
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{SerialNumber: number, Subject: pkix.Name{CommonName: hosts[0]}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, leafDays),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}}}, nil
}

// Trust is how a person has this system trust the authority, as a command.
func (a Authority) Trust() string {
	switch runtime.GOOS {
	case "darwin":
		return `security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db "` + a.File + `"`
	case "windows":
		return `certutil -user -addstore Root "` + a.File + `"`
	}
	return `sudo cp "` + a.File + `" /usr/local/share/ca-certificates/larder-serve.crt && sudo update-ca-certificates`
}
