package access

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const issuer = "57246542-96fe-1a63-e053-0824d011072a"

func world(t *testing.T) (Credential, func(string) ([]byte, error)) {
	t.Helper()
	c, err := New(issuer)
	if err != nil {
		t.Fatal(err)
	}
	der, err := c.Public()
	if err != nil {
		t.Fatal(err)
	}
	return c, func(id string) ([]byte, error) {
		if id != c.KeyID {
			return nil, ErrRefused
		}
		return der, nil
	}
}

func TestATokenIsHeldToAppStoreConnectsRules(t *testing.T) {
	c, public := world(t)
	other, _ := world(t)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	claims := func(change func(*jwt.RegisteredClaims)) string {
		r := jwt.RegisteredClaims{Issuer: issuer, ExpiresAt: jwt.NewNumericDate(now.Add(19 * time.Minute)), Audience: jwt.ClaimStrings{audience}}
		change(&r)
		token := jwt.NewWithClaims(jwt.SigningMethodES256, r)
		token.Header["kid"] = c.KeyID
		s, err := token.SignedString(c.private)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	signed := func(c Credential, id string, method jwt.SigningMethod, key any) string {
		token := jwt.NewWithClaims(method, jwt.RegisteredClaims{Issuer: issuer, ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)), Audience: jwt.ClaimStrings{audience}})
		if id != "" {
			token.Header["kid"] = id
		}
		s, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	der, _ := x509.MarshalPKIXPublicKey(&c.private.PublicKey)
	for _, row := range []struct {
		name, token string
		ok          bool
	}{
		{"a sound one, without iat as some clients make it", claims(func(*jwt.RegisteredClaims) {}), true},
		{"another issuer", claims(func(r *jwt.RegisteredClaims) { r.Issuer = "x" }), false},
		{"another audience", claims(func(r *jwt.RegisteredClaims) { r.Audience = jwt.ClaimStrings{"x"} }), false},
		{"expired", claims(func(r *jwt.RegisteredClaims) { r.ExpiresAt = jwt.NewNumericDate(now.Add(-2 * time.Minute)) }), false},
		{"no end", claims(func(r *jwt.RegisteredClaims) { r.ExpiresAt = nil }), false},
		{"a long life", claims(func(r *jwt.RegisteredClaims) { r.ExpiresAt = jwt.NewNumericDate(now.Add(time.Hour)) }), false},
		{"a long life that is nearly over", claims(func(r *jwt.RegisteredClaims) {
			r.IssuedAt = jwt.NewNumericDate(now.Add(-time.Hour))
		}), false},
		{"not yet", claims(func(r *jwt.RegisteredClaims) { r.NotBefore = jwt.NewNumericDate(now.Add(5 * time.Minute)) }), false},
		{"an unknown key", signed(other, other.KeyID, jwt.SigningMethodES256, other.private), false},
		{"another's signature", signed(other, c.KeyID, jwt.SigningMethodES256, other.private), false},
		{"no key", signed(c, "", jwt.SigningMethodES256, c.private), false},
		{"the public key as a shared secret", signed(c, c.KeyID, jwt.SigningMethodHS256, der), false},
		{"no signature", signed(c, c.KeyID, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), false},
		{"no token", "a.b.c", false},
		{"nothing", "", false},
	} {
		id, err := Verify(row.token, issuer, now, public)
		if (err == nil) != row.ok || err == nil && id != c.KeyID {
			t.Errorf("%s: %q, %v", row.name, id, err)
		}
		if err != nil && (!errors.Is(err, ErrRefused) || len(row.token) > 10 && strings.Contains(err.Error(), row.token)) {
			t.Errorf("%s: the refusal is %v", row.name, err)
		}
	}
	broken := errors.New("the disk is gone")
	if _, err := Verify(claims(func(*jwt.RegisteredClaims) {}), issuer, now, func(string) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("when keys cannot be read: %v", err)
	}
}

func TestASecretSignsWhatItsHostAccepts(t *testing.T) {
	c, public := world(t)
	secret, err := c.Secret()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSecret(secret + "\n")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err := again.Token(now)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := Verify(token, issuer, now, public); err != nil || id != c.KeyID {
		t.Errorf("%q, %v", id, err)
	}
	for _, bad := range []string{"", "a", "a:b", "a:b:c", "::" + secret[strings.LastIndex(secret, ":")+1:], secret + "x", secret[:len(secret)-9]} {
		if _, err := ParseSecret(bad); err == nil || len(bad) > 9 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
