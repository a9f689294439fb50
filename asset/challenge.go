package asset

import (
	"fmt"
	"strings"
)

// ChallengeMethod is what a server demands (classic §2.7).
type ChallengeMethod string

// The methods. ServerTrust is asked only when the server's certificate is not
// valid for this system or the app group's own authorities.
const (
	ChallengeBasic       ChallengeMethod = "httpBasic"  // a user and a password
	ChallengeBearer      ChallengeMethod = "httpBearer" // a token
	ChallengeServerTrust ChallengeMethod = "serverTrust"
)

// Challenge is a server's demand for authentication during a download of the
// app, or of its manifest (classic §2.7).
type Challenge struct {
	Method ChallengeMethod `json:"authenticationMethod"`
	Host   string          `json:"host"`
	Port   int             `json:"port"`
	Realm  string          `json:"realm,omitempty"`
	// Failures is how often a credential for this was refused just now.
	Failures int `json:"previousFailureCount"`
	// Certificates are the server's, DER, its own first; only for serverTrust.
	Certificates [][]byte `json:"certificates,omitempty"`
}

// Disposition says what to do about a Challenge.
type Disposition string

// The dispositions; the default is DefaultHandling.
const (
	UseCredential Disposition = "useCredential"
	// DefaultHandling goes on without a credential: the download fails with the
	// server's answer, or waits as for any server whose certificate is not valid.
	DefaultHandling Disposition = "performDefaultHandling"
	// CancelChallenge ends the download: cancelled (-999).
	CancelChallenge Disposition = "cancelAuthenticationChallenge"
	// RejectProtectionSpace goes on to the next method that the server offers.
	RejectProtectionSpace Disposition = "rejectProtectionSpace"
)

// Credential answers a Challenge: User and Password for httpBasic, Token for
// httpBearer. It does not print itself.
type Credential struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`
}

// String tells nothing, so that no log can.
func (Credential) String() string { return "[credential]" }

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// ChallengeAnswer is an app's or extension's word on a Challenge. Credential goes
// with UseCredential only; for serverTrust it is nil there too.
type ChallengeAnswer struct {
	Disposition Disposition `json:"disposition"`
	Credential  *Credential `json:"credential,omitempty"`
}

// The bounds of a credential, in bytes.
const (
	maxUser  = 1 << 10
	maxToken = 16 << 10
)

// Check says what is wrong with a as an answer to c (1014). It quotes nothing of a.
func (a ChallengeAnswer) Check(c Challenge) error {
	bad := func(message, help string) error {
		return &Error{Code: CodeBadRequest, Op: "answer challenge", Subject: string(c.Method), Message: message, Help: help}
	}
	switch a.Disposition {
	case DefaultHandling, CancelChallenge, RejectProtectionSpace:
		if a.Credential != nil {
			return bad("it has a credential that is not to be used", "say useCredential, or leave the credential out")
		}
		return nil
	case UseCredential:
	default:
		return bad("its disposition is unknown", "known: useCredential, performDefaultHandling, cancelAuthenticationChallenge, rejectProtectionSpace")
	}
	k := a.Credential
	switch {
	case c.Method == ChallengeServerTrust && k != nil:
		return bad("trust in a server needs no credential", "leave it out")
	case c.Method == ChallengeServerTrust:
		return nil
	case k == nil:
		return bad("it has no credential", "add it")
	case c.Method == ChallengeBasic && (k.User == "" && k.Password == "" || k.Token != ""):
		return bad("its credential has not user and password", "give these and no token")
	case c.Method == ChallengeBearer && (k.Token == "" || k.User != "" || k.Password != ""):
		return bad("its credential has no token", "give a token, and no user or password")
	case len(k.User) > maxUser || len(k.Password) > maxToken || len(k.Token) > maxToken:
		return bad("its credential is too long", fmt.Sprintf("a user has at most %d bytes, a password or token %d", maxUser, maxToken))
	case strings.Contains(k.User, ":") || strings.ContainsFunc(k.User+k.Password, isControl):
		return bad("its user or password has characters that HTTP cannot carry", "a user has no colon, and neither has control characters")
	case strings.ContainsFunc(k.Token, notToken):
		return bad("its token has characters that HTTP cannot carry", "a token is letters, digits and -._~+/=")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func notToken(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~+/=", r))
}
