package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"larder/asset"
)

// Kind groups failures by what the caller does next.
type Kind string

// The kinds of failure.
const (
	// KindConnectivity: no connection, or it broke, stalled or was garbled. Try again.
	KindConnectivity Kind = "connectivity"
	// KindServer: the server is at fault (5xx, 429, 408, 425, an answer that makes
	// no sense, or one below the job's Floor). Try again, not before NotBefore.
	KindServer Kind = "server"
	// KindPermanent: another try would fail in the same way.
	KindPermanent Kind = "permanent"
	// KindSpace: the disk or quota is full.
	KindSpace Kind = "space"
	// KindDisk: another failure to write, or to record.
	KindDisk Kind = "disk"
	// KindCancelled: the context ended.
	KindCancelled Kind = "cancelled"
)

// Failure is why Fetch did not complete the entity.
type Failure struct {
	Kind Kind
	Err  *asset.Error
	// NotBefore is when the server wants to be asked again, at most 24 h ahead;
	// zero when it did not say.
	NotBefore time.Time
	// Progressed tells that this attempt wrote at least one byte.
	Progressed bool
}

// Error is the text of f.Err.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns f.Err.
func (f *Failure) Unwrap() error { return f.Err }

func failure(k Kind, c asset.Code, subject, message, help string, cause error) *Failure {
	if cause != nil {
		cause = brief{cause}
	}
	return &Failure{Kind: k, Err: &asset.Error{Code: c, Op: "fetch", Subject: subject, Message: message, Help: help, Err: cause}}
}

// brief bounds the text of a cause, which may quote a hostile server.
type brief struct{ error }

func (b brief) Error() string {
	s := b.error.Error()
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

func (b brief) Unwrap() error { return b.error }

// redact leaves scheme, host and path of a URL: queries and user names may be secrets.
func redact(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func redactString(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "url"
	}
	return redact(u)
}

var errStalled = errors.New("no progress")

// broken classifies an error of the connection. ctx is the attempt's own
// context, whose cause tells a stall from a cancellation.
func (a *attempt) broken(ctx context.Context, u *url.URL, err error) *Failure {
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(cause, errStalled) {
		return cancelled(redact(u), cause)
	}
	lost := func(message, help string) *Failure {
		return failure(KindConnectivity, asset.CodeNetwork, redact(u), message, help, err)
	}
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.Is(err, ErrSlow):
		return failure(KindServer, asset.CodeNetwork, redact(u), "the server sends too slowly to wait for", "check the network; if others find it slow too, tell whoever runs the server", err)
	case cause != nil:
		return failure(KindConnectivity, asset.CodeNetwork, redact(u), "no bytes arrived for "+a.Stall.String(),
			"check the network; Larder goes on where it stopped", nil)
	case errors.As(err, &dns):
		return lost("the server's name could not be resolved", "check the network and the URL's host")
	case errors.As(err, &cert):
		return lost("the server's certificate is not valid", "check this machine's clock and for a network sign-in page")
	case errors.As(err, &op) && op.Op == "dial":
		return lost("no connection to the server", "check the network, and that the server runs")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return lost("the connection ended early", "nothing to do; Larder goes on where it stopped")
	}
	return lost("the connection broke, or the answer was not HTTP", "check the network; Larder goes on where it stopped")
}

func cancelled(subject string, cause error) *Failure {
	return failure(KindCancelled, asset.CodeCancelled, subject, "cancelled", "", cause)
}

func (a *attempt) disk(doing string, err error) *Failure {
	if isNoSpace(err) {
		return failure(KindSpace, asset.CodeNoSpace, a.job.Path, doing+" failed: no space left", "free space on this disk", err)
	}
	return failure(KindDisk, asset.CodeInternal, a.job.Path, doing+" failed", "check this disk", err)
}

// oddAnswer is for an answer that no sound server gives to our request.
func oddAnswer(subject, message string) *Failure {
	return failure(KindServer, asset.CodeServer, subject, message, "tell whoever runs this server", nil)
}

func refusedRedirect(subject, message string) *Failure {
	return failure(KindPermanent, asset.CodeRedirectRefused, subject, message, "point the download at its final URL", nil)
}

func sizeMismatch(subject string, want int64, got string) *Failure {
	return failure(KindPermanent, asset.CodeSizeMismatch, subject,
		"fileSize says "+decimal(want)+" bytes, the server "+got,
		"correct fileSize, or put the right file on the server", nil)
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func tooLarge(subject string, limit int64) *Failure {
	return failure(KindPermanent, asset.CodeTooLarge, subject,
		"it is larger than "+decimal(limit)+" bytes", "serve a smaller file", nil)
}

// badStatus judges every status but 200, 206 and redirects.
func badStatus(subject string, res *http.Response, now time.Time) *Failure {
	message := "the server answered " + strconv.Itoa(res.StatusCode)
	if text := http.StatusText(res.StatusCode); text != "" {
		message += " " + text
	}
	f := failure(KindServer, asset.CodeServer, subject, message, "", nil)
	switch c := res.StatusCode; {
	case c == http.StatusTooManyRequests, c == http.StatusRequestTimeout, c == http.StatusTooEarly, c >= 500:
		f.Err.Help = "nothing to do; Larder tries again later"
		f.NotBefore = retryAfter(res.Header, now)
	case c == http.StatusUnauthorized:
		f.Kind = KindPermanent
		f.Err.Help = "let the app or its extension answer the server's demand for a user or token"
	case c >= 400:
		f.Kind = KindPermanent
		f.Err.Help = "check the URL, and that the server may give this file away"
	default:
		f.Err.Help = "tell whoever runs this server"
	}
	return f
}
