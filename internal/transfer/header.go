package transfer

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxValidator bounds what is stored and sent back to the server.
const maxValidator = 1024

// part is a parsed Content-Range: bytes from start up to end (excluded) of
// total; total is -1 when the server does not say.
type part struct{ start, end, total int64 }

// parseContentRange reads "bytes 0-9/10" and "bytes 0-9/*" (RFC 9110 §14.4).
func parseContentRange(s string) (part, bool) {
	unit, spec, ok := strings.Cut(s, " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return part{}, false
	}
	span, length, ok := strings.Cut(spec, "/")
	if !ok {
		return part{}, false
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return part{}, false
	}
	start, ok1 := parseNumber(first)
	end, ok2 := parseNumber(last)
	total, ok3 := int64(-1), true
	if length != "*" {
		total, ok3 = parseNumber(length)
	}
	if !ok1 || !ok2 || !ok3 || end < start || total >= 0 && end >= total {
		return part{}, false
	}
	return part{start, end + 1, total}, true
}

// parseNumber reads digits only: no sign, no space, and small enough that
// sums of two never overflow.
func parseNumber(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 63)
	return n, err == nil
}

// isStrongETag reports whether s is one well-formed strong entity tag
// (RFC 9110 §8.8.3).
func isStrongETag(s string) bool {
	if len(s) < 2 || len(s) > maxValidator || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c < 0x21 || c == '"' || c == 0x7f {
			return false
		}
	}
	return true
}

// isValidator reports whether s may stand in If-Range.
func isValidator(s string) bool {
	if isStrongETag(s) {
		return true
	}
	_, err := http.ParseTime(s)
	return err == nil
}

// validatorOf is the strong validator of an answer, or "". A date counts only
// when there is no entity tag of any kind, and when it lies a minute before the
// answer's own Date: enough for the clocks of two machines (RFC 9110 §8.8.2.2,
// §13.1.5).
func validatorOf(h http.Header) string {
	if tags := h.Values("ETag"); len(tags) > 0 {
		if len(tags) == 1 && isStrongETag(tags[0]) {
			return tags[0]
		}
		return ""
	}
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || date.Sub(modified) < time.Minute {
		return ""
	}
	return modified.UTC().Format(http.TimeFormat)
}

// nameOf is what names the entity of an accepted answer, for a condition later: an ETag of
// any strength, or a date that is strong by the rule of validatorOf. A weaker date
// might name two entities of one second, and the second would never be seen.
func nameOf(res *http.Response, asked Held) string {
	if res.StatusCode == http.StatusPartialContent {
		return asked.Validator
	}
	if tags := res.Header.Values("ETag"); len(tags) == 1 && isETag(tags[0]) {
		return tags[0]
	}
	return validatorOf(res.Header)
}

// isETag accepts weak ones too.
func isETag(s string) bool { return isStrongETag(strings.TrimPrefix(s, "W/")) }

// condition is the header under which an entity is asked for unless it is that one.
func condition(name string) string {
	if isETag(name) {
		return "If-None-Match"
	}
	return "If-Modified-Since"
}

// sameEntity reports whether the headers of a 206 agree with the validator the
// part was asked under. A server that leaves the validator out has said enough
// by honouring If-Range.
func sameEntity(h http.Header, validator string) bool {
	if strings.HasPrefix(validator, `"`) {
		tags := h.Values("ETag")
		return len(tags) == 0 || len(tags) == 1 && tags[0] == validator
	}
	modified := h.Get("Last-Modified")
	if modified == "" {
		return true
	}
	got, err1 := http.ParseTime(modified)
	want, err2 := http.ParseTime(validator)
	return err1 == nil && err2 == nil && got.Equal(want)
}

// maxRetryAfter bounds what a server may ask of us.
const maxRetryAfter = 24 * time.Hour

// retryAfter is the time a Retry-After header names, in seconds or as a date,
// at most a day ahead; zero when there is none, or it is past or malformed. A
// date is read against the answer's own Date, since clocks differ.
func retryAfter(h http.Header, now time.Time) time.Time {
	s := strings.TrimSpace(h.Get("Retry-After"))
	var wait time.Duration
	if s != "" && strings.Trim(s, "0123456789") == "" {
		wait = maxRetryAfter
		if n, ok := parseNumber(s); ok && n < int64(maxRetryAfter/time.Second) {
			wait = time.Duration(n) * time.Second
		}
	} else if at, err := http.ParseTime(s); err == nil {
		from := now
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			from = date
		}
		wait = min(at.Sub(from), maxRetryAfter)
	}
	if wait <= 0 {
		return time.Time{}
	}
	return now.Add(wait)
}
