// Package certificate is what a host proves its name with over TLS: a certificate that another program
// renews in files, or one that it gets and renews itself by ACME.
//
// It promises that a new certificate is used from the next connection on, without a restart; that one
// which cannot be read replaces none that could; and that ACME is asked about one name alone, with
// account and keys kept in a directory. What is wrong is logged, and not at every connection.
//
// The command line calls it.
package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"larder/asset"
	"larder/internal/fsx"
)

func wrong(subject, message, help string) error {
	return &asset.Error{Code: asset.CodeConfiguration, Op: "host", Subject: subject, Message: message, Help: help}
}

func config(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), protocols ...string) *tls.Config {
	return &tls.Config{GetCertificate: get, NextProtos: append([]string{"h2", "http/1.1"}, protocols...), MinVersion: tls.VersionTLS12}
}

// files is a certificate and its key, in files.
type files struct {
	cert, key string
	troubles  troubles

	mu   sync.Mutex
	pair tls.Certificate
	seen [2]fs.FileInfo
}

// Files serves a certificate in PEM files, with its chain, and looks at each connection whether they were replaced.
func Files(cert, key string, log *slog.Logger) (*tls.Config, error) {
	f := &files{cert: cert, key: key, troubles: troubles{log: log}}
	if err := f.load(); err != nil {
		return nil, wrong(cert, "certificate and key cannot be used: "+err.Error(), "name a PEM file of each")
	}
	return config(f.get), nil
}

func (f *files) load() error {
	var now [2]fs.FileInfo
	for i, name := range []string{f.cert, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		now[i] = info
	}
	if same(f.seen[0], now[0]) && same(f.seen[1], now[1]) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil { // one of the two may not have been replaced yet
		return err
	}
	f.pair, f.seen = pair, now
	return nil
}

func same(a, b fs.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(); err != nil {
		f.troubles.tell("a new certificate cannot be used; the one before is", err)
	}
	pair := f.pair
	return &pair, nil
}

// ACME says where and for what a certificate is had. Dir, Name and Log are required.
type ACME struct {
	Dir       string // where account and keys are kept
	Name      string // the host's
	Directory string // the URL of the authority's directory; empty: Let's Encrypt
	Roots     string // a PEM file with those who vouch for the authority; empty: the system's
	Email     string // for the authority, which may write when something is wrong; may be empty
	Log       *slog.Logger
}

// TLS serves a certificate that is had at the first connection and renewed a month before it ends. The
// authority finds the host at port 443 of its name, by the same listener (tls-alpn-01). The authority's terms are
// accepted.
func (a ACME) TLS() (*tls.Config, error) {
	if net.ParseIP(a.Name) != nil || !strings.Contains(a.Name, ".") {
		return nil, wrong(a.Name, "no authority gives a certificate for this name", "name the host with --url, for example https://packs.example.org")
	}
	client := &http.Client{Timeout: time.Minute}
	if a.Roots != "" {
		text, err := os.ReadFile(a.Roots)
		if err != nil {
			return nil, wrong(a.Roots, err.Error(), "name a PEM file")
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, wrong(a.Roots, "it has no certificate", "name a PEM file")
		}
		client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	}
	m := &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: folder(a.Dir), HostPolicy: autocert.HostWhitelist(a.Name), Email: a.Email,
		Client: &acme.Client{DirectoryURL: a.Directory, HTTPClient: client, UserAgent: "Larder-Host"}}
	if a.Directory == "" {
		m.Client.DirectoryURL = autocert.DefaultACMEDirectory
	}
	told := &troubles{log: a.Log}
	return config(func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := m.GetCertificate(hello)
		if err != nil && strings.EqualFold(hello.ServerName, a.Name) { // strangers ask for any name
			told.tell("no certificate can be had", err)
		}
		return pair, err
	}, acme.ALPNProto), nil
}

// folder keeps what ACME needs as files.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), filepath.Base(name)) }

// Get implements autocert.Cache.
func (f folder) Get(_ context.Context, name string) ([]byte, error) {
	b, err := os.ReadFile(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		err = autocert.ErrCacheMiss
	}
	return b, err
}

// Put implements autocert.Cache.
func (f folder) Put(_ context.Context, name string, data []byte) error {
	if err := fsx.MkdirAll(fsx.OS(), string(f), 0o700); err != nil {
		return err
	}
	return fsx.WriteFile(fsx.OS(), f.path(name), data, 0o600)
}

// Delete implements autocert.Cache.
func (f folder) Delete(_ context.Context, name string) error {
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// troubles logs a trouble once a minute, however many connections have it.
type troubles struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
}

func (t *troubles) tell(what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.Sub(t.last) > time.Minute {
		t.last = now
		t.log.Error(what, "error", err)
	}
}
