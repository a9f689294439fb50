// Package access says who asks a host, and what they may do. A caller signs a token, a
// JWT by ES256, with a key of which the host has only the public half; the scheme is that of
// App Store Connect (managed §8.4), so that its clients can ask.
//
// It promises that a token of another host, of a revoked key, of another algorithm or with
// a life of more than 20 minutes is refused, and that no refusal tells more than
// what is wrong with the token. It keeps nothing: its caller has the keys.
//
// api verifies with it; the command line signs.
package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"larder/asset"
)

// Roles, from the one that may do everything to the one that may only look.
const (
	Admin      = "ADMIN"       // everything, for every app: apps, keys, review
	AppManager = "APP_MANAGER" // uploads and releases
	Developer  = "DEVELOPER"   // uploads, for internal testers
	Reader     = "READ_ONLY"
)

// Roles gives all there are.
func Roles() []string { return []string{Admin, AppManager, Developer, Reader} }

// May reports whether a role is one of those allowed.
func May(role string, allowed ...string) bool { return slices.Contains(allowed, role) }

const (
	audience = "appstoreconnect-v1"
	maxLife  = 20 * time.Minute
	leeway   = time.Minute // between two clocks
)

// ErrRefused is every refusal of a token; its text may be told to the caller.
var ErrRefused = errors.New("the token is not accepted")

// Verify checks a token and gives its key's ID. public gives the public key (PKIX, DER) of an
// ID that is in force, or an error, which is passed on if it is not ErrRefused.
func Verify(token, issuer string, now time.Time, public func(id string) ([]byte, error)) (id string, err error) {
	var broken error
	p := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(audience), jwt.WithIssuer(issuer),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(func() time.Time { return now }))
	var claims jwt.RegisteredClaims
	_, err = p.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if kid == "" {
			return nil, errors.New("it names no key (kid)")
		}
		der, err := public(kid)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				broken = err
			}
			return nil, errors.New("its key is not known here, or was revoked")
		}
		id = kid
		return x509.ParsePKIXPublicKey(der)
	})
	switch {
	case broken != nil:
		return "", broken
	case err != nil:
		return "", fmt.Errorf("%w: %s", ErrRefused, strings.TrimPrefix(err.Error(), "token is unverifiable: error while executing keyfunc: "))
	case claims.ExpiresAt.After(now.Add(maxLife + leeway)), claims.IssuedAt != nil && claims.ExpiresAt.Sub(claims.IssuedAt.Time) > maxLife:
		return "", fmt.Errorf("%w: it lives longer than 20 minutes", ErrRefused)
	}
	return id, nil
}

// Credential is what a caller needs to sign: the private half too.
type Credential struct {
	KeyID   string
	Issuer  string // the host
	private *ecdsa.PrivateKey
}

const digits = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// New makes a key for callers of a host.
func New(issuer string) (Credential, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Credential{}, err
	}
	id := make([]byte, 10) // the form of Apple's key IDs
	rand.Read(id)
	for i := range id {
		id[i] = digits[int(id[i])%len(digits)]
	}
	return Credential{KeyID: string(id), Issuer: issuer, private: private}, nil
}

// Public is the half that the host keeps: PKIX, DER.
func (c Credential) Public() ([]byte, error) { return x509.MarshalPKIXPublicKey(&c.private.PublicKey) }

// PEM is the private key as App Store Connect gives it, in a file with the ending p8.
func (c Credential) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Secret is all of it in one word, for the environment of a build machine: key ID, issuer and
// private key, with colons between.
func (c Credential) Secret() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.private)
	if err != nil {
		return "", err
	}
	return c.KeyID + ":" + c.Issuer + ":" + base64.RawURLEncoding.EncodeToString(der), nil
}

// ParseSecret reads what [Credential.Secret] gave. The error does not repeat it.
func ParseSecret(secret string) (Credential, error) {
	wrong := &asset.Error{Code: asset.CodeConfiguration, Op: "read API key", Message: "it is not in the form KEY:ISSUER:PRIVATE", Help: "set the variable to what \"larder host\" printed when it made the key"}
	part := strings.Split(strings.TrimSpace(secret), ":")
	if len(part) != 3 || part[0] == "" || part[1] == "" {
		return Credential{}, wrong
	}
	der, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil {
		return Credential{}, wrong
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	private, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok || private.Curve != elliptic.P256() {
		return Credential{}, wrong
	}
	return Credential{KeyID: part[0], Issuer: part[1], private: private}, nil
}

// Token signs a token that lives ten minutes.
func (c Credential) Token(now time.Time) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{Issuer: c.Issuer, IssuedAt: jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(10 * time.Minute)), Audience: jwt.ClaimStrings{audience}})
	t.Header["kid"] = c.KeyID
	return t.SignedString(c.private)
}
