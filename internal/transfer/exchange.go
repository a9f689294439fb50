package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"larder/asset"
)

// checkJob holds the job to the rules of asset.Download, and its header names to
// the grammar of HTTP, so that no fault of the job passes for one of the network.
func checkJob(j *Job) *Failure {
	d := asset.Download{Identifier: j.ID, URL: j.URL, Method: j.Method, Headers: j.Headers, Body: j.Body, FileSize: j.Size}
	err := d.Validate()
	for name, value := range j.Headers {
		if err == nil && !isHeader(name, value) {
			err = &asset.Error{Code: asset.CodeDownloadInvalid, Op: "fetch", Subject: redactString(j.URL),
				Message: "it has a header that HTTP does not allow", Help: "use plain ASCII header names and values"}
		}
	}
	var e *asset.Error
	if errors.As(err, &e) {
		return &Failure{Kind: KindPermanent, Err: e}
	}
	return nil
}

func isHeader(name, value string) bool {
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return name != ""
}

// exchange sends the job's request, follows redirects, and returns the final
// answer with the URL that gave it. A part that is not empty is the Range to ask for,
// under a validator if there is one; the whole is asked for under Job.Unless.
func (a *attempt) exchange(ctx context.Context, s *stall, part, validator string) (*http.Response, *url.URL, *Failure) {
	u, err := url.Parse(a.job.URL)
	if err != nil {
		return nil, nil, failure(KindPermanent, asset.CodeDownloadInvalid, "url", "it is not a URL", "", nil)
	}
	method, body, custom := a.job.Method, a.job.Body, a.job.Headers
	if method == "" {
		method = http.MethodGet
	}
	for hop := 0; ; hop++ {
		if fail := a.permit(u, hop); fail != nil {
			return nil, u, fail
		}
		s.start()
		req := request(ctx, s, method, u, body, custom, part, validator, a.authorization(u))
		if part == "" && a.job.Unless != "" {
			req.Header.Set(condition(a.job.Unless), a.job.Unless)
		}
		res, err := a.Transport.RoundTrip(req)
		s.stop()
		if err != nil {
			again, fail := a.doubted(ctx, u, err)
			if again {
				hop--
				continue
			}
			if fail == nil {
				fail = a.broken(ctx, u, err)
			}
			return nil, u, fail
		}
		if res.StatusCode == http.StatusUnauthorized {
			again, fail := a.demanded(ctx, u, res)
			if again {
				drain(res, s)
				hop--
				continue
			}
			if fail != nil {
				_ = res.Body.Close()
				return nil, u, fail
			}
		}
		if !isRedirect(res.StatusCode) {
			return res, u, nil
		}
		drain(res, s)
		next, fail := follow(u, res.Header.Get("Location"))
		switch {
		case fail != nil:
			return nil, u, fail
		case hop == maxHops:
			return nil, u, refusedRedirect(redact(u), "more than 10 redirects")
		}
		if method == http.MethodPost && res.StatusCode < http.StatusTemporaryRedirect {
			method, body = http.MethodGet, nil
			custom = withoutContent(custom)
		}
		if !sameOrigin(u, next) {
			custom = nil
		}
		u = next
	}
}

// permit asks the rules for one URL: the URL rule, and then the job's own.
func (a *attempt) permit(u *url.URL, hop int) *Failure {
	code, message := asset.CodeDisallowedByDomain, "its host is not allowed"
	if hop > 0 {
		code, message = asset.CodeRedirectRefused, "the redirect is not allowed"
	}
	if err := asset.CheckURL(u.String()); err != nil {
		return failure(KindPermanent, code, redact(u), message, "use https URLs", err)
	}
	if a.job.Allow == nil {
		return nil
	}
	err := a.job.Allow(u)
	if err == nil {
		return nil
	}
	var e *asset.Error
	if errors.As(err, &e) {
		return &Failure{Kind: KindPermanent, Err: e}
	}
	return failure(KindPermanent, code, redact(u), message, "", err)
}

func request(ctx context.Context, s *stall, method string, u *url.URL, body []byte, custom map[string]string, part, validator, authorization string) *http.Request {
	req := &http.Request{Method: method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	for k, v := range custom {
		req.Header.Set(k, v)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", "identity")
	if part != "" {
		req.Header.Set("Range", "bytes="+part)
	}
	if validator != "" {
		req.Header.Set("If-Range", validator)
	}
	if len(body) > 0 {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return upload{bytes.NewReader(body), s}, nil }
		req.Body, _ = req.GetBody()
	}
	return req.WithContext(ctx)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// drain reads what little a redirect may carry, so that its connection can be
// used again, and closes it.
func drain(res *http.Response, s *stall) {
	s.start()
	_, _ = io.CopyN(io.Discard, res.Body, 2<<10)
	s.stop()
	_ = res.Body.Close()
}

// follow resolves a Location. A public server may not send us to this machine.
func follow(from *url.URL, location string) (*url.URL, *Failure) {
	if location == "" || len(location) > asset.MaxURL {
		return nil, refusedRedirect(redact(from), "the redirect names no usable place")
	}
	to, err := from.Parse(location)
	if err != nil || len(to.String()) > asset.MaxURL {
		return nil, refusedRedirect(redact(from), "the redirect names no usable place")
	}
	to.Fragment, to.RawFragment = "", ""
	if asset.IsLoopback(to.Hostname()) && !asset.IsLoopback(from.Hostname()) {
		return nil, refusedRedirect(redact(from), "the redirect leads from the network to this machine")
	}
	return to, nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// withoutContent drops the headers that describe a body no longer sent.
func withoutContent(h map[string]string) map[string]string {
	h = maps.Clone(h)
	maps.DeleteFunc(h, func(k, _ string) bool { return strings.HasPrefix(http.CanonicalHeaderKey(k), "Content-") })
	return h
}
