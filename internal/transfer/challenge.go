package transfer

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"larder/asset"
)

// Bounds of what one attempt asks its owner: how often a credential for one thing
// may be refused, and how many challenges there are in all.
const (
	maxRefused    = 3
	maxChallenges = 8
)

// login is what an attempt sends to one origin, and to no other.
type login struct {
	origin *url.URL
	offer  offer
	header string
}

// offer is one way to authenticate that a server offers.
type offer struct {
	method asset.ChallengeMethod
	realm  string
}

// authorization is what goes to u of what the owner gave.
func (a *attempt) authorization(u *url.URL) string {
	if a.login == nil || !sameOrigin(a.login.origin, u) {
		return ""
	}
	return a.login.header
}

// demanded asks the owner about a 401, and tells whether to ask the server again.
func (a *attempt) demanded(ctx context.Context, u *url.URL, res *http.Response) (again bool, fail *Failure) {
	if a.job.Challenge == nil {
		return false, nil
	}
	refused := offer{}
	if a.login != nil && sameOrigin(a.login.origin, u) {
		refused = a.login.offer
		a.login = nil
		a.refused++
	}
	for _, o := range offers(res.Header.Values("WWW-Authenticate")) {
		c := asset.Challenge{Method: o.method, Host: u.Hostname(), Port: portNumber(u), Realm: o.realm}
		if o == refused {
			if c.Failures = a.refused; c.Failures >= maxRefused {
				continue
			}
		}
		ans, fail := a.ask(ctx, u, c)
		switch {
		case fail != nil:
			return false, fail
		case ans.Disposition == asset.UseCredential:
			if o != refused {
				a.refused = 0
			}
			a.login = &login{origin: u, offer: o, header: header(o.method, ans.Credential)}
			return true, nil
		case ans.Disposition != asset.RejectProtectionSpace:
			return false, nil
		}
	}
	return false, nil
}

// doubted asks the owner about a server whose certificate is not valid.
func (a *attempt) doubted(ctx context.Context, u *url.URL, err error) (again bool, fail *Failure) {
	var cert *tls.CertificateVerificationError
	trust, ok := a.Transport.(*Trust)
	if a.job.Challenge == nil || !ok || !errors.As(err, &cert) || len(cert.UnverifiedCertificates) == 0 {
		return false, nil
	}
	c := asset.Challenge{Method: asset.ChallengeServerTrust, Host: u.Hostname(), Port: portNumber(u)}
	for n, x := range cert.UnverifiedCertificates {
		if n < maxCertificates {
			c.Certificates = append(c.Certificates, x.Raw)
		}
	}
	ans, fail := a.ask(ctx, u, c)
	if fail != nil || ans.Disposition != asset.UseCredential {
		return false, fail
	}
	trust.accept(u, cert.UnverifiedCertificates[0].Raw)
	return true, nil
}

// ask puts one challenge to the owner. Beyond the bound, and after an answer that
// makes no sense, the default holds.
func (a *attempt) ask(ctx context.Context, u *url.URL, c asset.Challenge) (asset.ChallengeAnswer, *Failure) {
	standard := asset.ChallengeAnswer{Disposition: asset.DefaultHandling}
	if a.challenges++; a.challenges > maxChallenges {
		return standard, nil
	}
	ans, err := a.job.Challenge(ctx, c)
	switch {
	case ctx.Err() != nil:
		return standard, a.broken(ctx, u, ctx.Err())
	case err != nil || ans.Check(c) != nil:
		return standard, nil
	case ans.Disposition == asset.CancelChallenge:
		return ans, failure(KindPermanent, asset.CodeCancelled, redact(u), "the app cancelled the server's demand for authentication",
			"answer it with a credential, or with performDefaultHandling", nil)
	}
	return ans, nil
}

func header(m asset.ChallengeMethod, c *asset.Credential) string {
	if m == asset.ChallengeBearer {
		return "Bearer " + c.Token
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))
}

func portNumber(u *url.URL) int {
	n, err := strconv.Atoi(port(u))
	if err != nil {
		return 0
	}
	return n
}

// The bounds of what is read of a server's offers.
const (
	maxOffers     = 8
	maxOfferBytes = 16 << 10
	maxRealm      = 256
)

// offers reads WWW-Authenticate (RFC 9110 §11.6.1): what we know of it, in the
// server's order, each once. What cannot be read ends the list.
func offers(lines []string) (out []offer) {
	for _, line := range lines {
		if len(line) > maxOfferBytes {
			return out
		}
		p := offerParser{line}
		for len(out) < maxOffers {
			scheme, realm, ok := p.next()
			if !ok {
				break
			}
			o := offer{realm: cleanRealm(realm)}
			switch strings.ToLower(scheme) {
			case "basic":
				o.method = asset.ChallengeBasic
			case "bearer":
				o.method = asset.ChallengeBearer
			default:
				continue
			}
			known := false
			for _, x := range out {
				known = known || x == o
			}
			if !known {
				out = append(out, o)
			}
		}
	}
	return out
}

// offerParser reads challenges one by one.
type offerParser struct{ rest string }

func (p *offerParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

func (p *offerParser) word() string {
	n := strings.IndexFunc(p.rest, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
	if n < 0 {
		n = len(p.rest)
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

// next gives a scheme and its realm.
func (p *offerParser) next() (scheme, realm string, ok bool) {
	p.skip(" \t,")
	if scheme = p.word(); scheme == "" {
		return "", "", false
	}
	for first := true; ; first = false {
		before := p.rest
		if first {
			p.skip(" \t")
		} else {
			p.skip(" \t,")
		}
		name := p.word()
		p.skip(" \t")
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			p.rest = before // the next scheme, or the end
			if first {      // a token68 may follow
				p.skip(" \t")
				if n := strings.IndexByte(p.rest, ','); n >= 0 && strings.Contains(p.rest[:n], "/") {
					p.rest = p.rest[n:]
				}
			}
			return scheme, realm, true
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		value, good := p.value()
		if !good {
			p.rest = ""
			return scheme, realm, true
		}
		if strings.EqualFold(name, "realm") {
			realm = value
		}
	}
}

func (p *offerParser) value() (string, bool) {
	if !strings.HasPrefix(p.rest, `"`) {
		return strings.TrimRight(p.word(), "="), true
	}
	var b strings.Builder
	for n := 1; n < len(p.rest); n++ {
		switch c := p.rest[n]; {
		case c == '"':
			p.rest = p.rest[n+1:]
			return b.String(), true
		case c == '\\' && n+1 < len(p.rest):
			n++
			b.WriteByte(p.rest[n])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// cleanRealm makes a server's word fit to be shown.
func cleanRealm(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > maxRealm {
		s = strings.ToValidUTF8(s[:maxRealm], "")
	}
	return s
}
