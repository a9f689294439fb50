package transfer

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"sync"
)

// maxCertificates is how many of a server's certificates an owner is shown.
const maxCertificates = 8

// maxAccepted bounds the servers that one owner has accepted.
const maxAccepted = 64

// Trust is a transport of one owner, with authorities of its own and the servers
// whose certificate that owner has accepted. Both are good for its own
// connections alone: none is shared with another Trust. It keeps them in memory.
type Trust struct {
	base  *http.Transport
	roots *x509.CertPool // nil: the system's

	mu       sync.Mutex
	own      *http.Transport            // with roots; nil while not needed
	accepted map[string]*http.Transport // by host and port
}

// NewTrust makes one over base, which it never changes. authorities are PEM
// certificates to be trusted beside the system's; without any, and without an
// accepted server, base itself is used.
func NewTrust(base *http.Transport, authorities string) (*Trust, error) {
	t := &Trust{base: base, accepted: map[string]*http.Transport{}}
	if authorities == "" {
		return t, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without any
	}
	if !pool.AppendCertsFromPEM([]byte(authorities)) {
		return nil, errors.New("no certificate among the authorities can be read")
	}
	t.roots = pool
	t.own = t.with(&tls.Config{RootCAs: pool})
	return t, nil
}

func (t *Trust) with(c *tls.Config) *http.Transport {
	x := t.base.Clone()
	if old := x.TLSClientConfig; old != nil {
		c.MinVersion, c.NextProtos = old.MinVersion, old.NextProtos
	}
	x.TLSClientConfig = c
	return x
}

// RoundTrip sends one request.
func (t *Trust) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	x := t.accepted[place(r.URL)]
	if x == nil {
		x = t.own
	}
	t.mu.Unlock()
	if x == nil {
		x = t.base
	}
	return x.RoundTrip(r)
}

// accept lets the server at u show this certificate, or a valid one.
func (t *Trust) accept(u *url.URL, leaf []byte) {
	host, pin := u.Hostname(), sha256.Sum256(leaf)
	x := t.with(&tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("the server shows no certificate")
			}
			if shown := sha256.Sum256(s.PeerCertificates[0].Raw); bytes.Equal(shown[:], pin[:]) {
				return nil
			}
			between := x509.NewCertPool()
			for _, c := range s.PeerCertificates[1:] {
				between.AddCert(c)
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: t.roots, DNSName: host, Intermediates: between})
			if err != nil {
				return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
			}
			return nil
		},
	})
	t.mu.Lock()
	if len(t.accepted) >= maxAccepted {
		clear(t.accepted) // to be asked about again
	}
	old := t.accepted[place(u)]
	t.accepted[place(u)] = x
	t.mu.Unlock()
	if old != nil {
		old.CloseIdleConnections()
	}
}

func place(u *url.URL) string { return u.Hostname() + " " + port(u) }

// CloseIdleConnections closes what no request uses.
func (t *Trust) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.own != nil {
		t.own.CloseIdleConnections()
	}
	for _, x := range t.accepted {
		x.CloseIdleConnections()
	}
}
