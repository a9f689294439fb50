// Package webhook tells the receivers of an app's webhooks what happened, in the form of App Store
// Connect.
//
// It promises that a receiver is a public address, whatever its name leads to, or one that the host's
// operator allows; that no redirect is followed and no proxy asked; that time and bytes are bounded;
// and that what is sent is signed, with its time. Neither secrets nor URLs are in its errors. It
// keeps nothing and tries once: process does the rest.
//
// process sends with it; api judges URLs with it.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"larder/internal/host/catalog"
)

// Sender sends deliveries. The fields are required.
type Sender struct {
	Allowed Allowed
	Base    string // the URL of the host, in links
	Now     func() time.Time
}

// patience bounds all of one attempt; maxAnswer what of an answer is read.
const (
	patience  = 10 * time.Second
	maxAnswer = 4 << 10
)

// Send tells a webhook of an event, once. Status is what its receiver answered, 0 if nothing.
func (s Sender) Send(ctx context.Context, h catalog.Webhook, e catalog.Event, delivery string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if fault := s.Allowed.URL(h.URL); fault != "" { // what the operator allows may have changed
		return 0, errors.New(fault)
	}
	body := Payload(e, s.Base)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("it is no URL")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Larder-Host")
	r.Header.Set("X-Larder-Delivery", delivery)
	r.Header.Set("X-Larder-Signature", Signature(h.Secret, s.Now(), body))
	r.Header.Set("X-Apple-Signature", "hmacsha256="+sum(h.Secret, body)) // as App Store Connect's, without a time
	t := &http.Transport{DialContext: s.Allowed.dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10, TLSHandshakeTimeout: patience / 2, ForceAttemptHTTP2: true}
	c := http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(r)
	if err != nil {
		return 0, reason(ctx, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return resp.StatusCode, reason(ctx, err)
	}
	switch {
	case resp.StatusCode/100 == 3:
		return resp.StatusCode, errors.New("the receiver answered with a redirect, which is not followed")
	case resp.StatusCode/100 != 2:
		return resp.StatusCode, fmt.Errorf("the receiver answered %d", resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// reason says why there was no answer, without URL and address.
func reason(ctx context.Context, err error) error {
	var number syscall.Errno
	var name *net.DNSError
	var cert x509.UnknownAuthorityError
	var other x509.HostnameError
	var old x509.CertificateInvalidError
	switch {
	case errors.Is(err, errAddress):
		return errAddress
	case ctx.Err() != nil:
		return fmt.Errorf("there was no whole answer within %s", patience)
	case errors.As(err, &name):
		return errors.New("its name leads nowhere")
	case errors.As(err, &cert), errors.As(err, &other), errors.As(err, &old):
		return errors.New("its certificate is not valid")
	case errors.As(err, &number):
		return fmt.Errorf("there was no connection: %w", number)
	}
	return errors.New("there was no answer in the form of HTTP")
}

// Signature is what X-Larder-Signature has: the time in seconds since 1970, and the HMAC-SHA256 of
// that, a dot and the body.
func Signature(secret string, now time.Time, body []byte) string {
	t := strconv.FormatInt(now.Unix(), 10)
	return "t=" + t + ",v1=" + sum(secret, append([]byte(t+"."), body...))
}

func sum(secret string, text []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(text)
	return hex.EncodeToString(m.Sum(nil))
}

// instances are the types of what changed, by the type of the event.
var instances = map[string]string{catalog.VersionUpdated: "backgroundAssetVersions", catalog.InternalCreated: "backgroundAssetVersionInternalBetaReleases",
	catalog.ExternalUpdated: "backgroundAssetVersionExternalBetaReleases", catalog.ProductionUpdated: "backgroundAssetVersionAppStoreReleases"}

// Payload is what is sent of an event: the same bytes each time.
func Payload(e catalog.Event, base string) []byte {
	type object = map[string]any
	attributes := object{"timestamp": e.Created.UTC().Format(time.RFC3339Nano)}
	data := object{"type": camel(e.Type), "id": e.ID, "version": 1, "attributes": attributes}
	if typ := instances[e.Type]; typ != "" {
		attributes["assetPackIdentifier"], attributes["version"] = e.Pack, strconv.FormatInt(e.Number, 10)
		attributes["newState"] = e.New
		if e.Old != "" {
			attributes["oldState"] = e.Old
		}
		data["relationships"] = object{"instance": object{"data": object{"type": typ, "id": e.Instance}, "links": object{"self": base + "/v1/" + typ + "/" + e.Instance}}}
	}
	text, err := json.Marshal(object{"data": data})
	if err != nil {
		panic(err) // strings alone
	}
	return text
}

// camel spells the type of an event as payloads do.
func camel(s string) string {
	var b strings.Builder
	for i, word := range strings.Split(strings.ToLower(s), "_") {
		if i > 0 && word != "" {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	return b.String()
}
