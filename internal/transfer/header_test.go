package transfer

import (
	"net/http"
	"testing"
	"time"
)

func TestContentRange(t *testing.T) {
	for s, want := range map[string]part{
		"bytes 0-9/10":                   {0, 10, 10},
		"BYTES 5-9/*":                    {5, 10, -1},
		"bytes 0-0/1":                    {0, 1, 1},
		"bytes 9-0/10":                   {},
		"bytes 0-10/10":                  {},
		"bytes */10":                     {},
		"bytes -5/10":                    {},
		"bytes 0-/10":                    {},
		"bytes +0-9/10":                  {},
		"bytes 0-9":                      {},
		"bytes=0-9/10":                   {},
		"items 0-9/10":                   {},
		"bytes 0-9/10 ":                  {},
		"bytes 0-9/99999999999999999999": {},
		"":                               {},
	} {
		got, ok := parseContentRange(s)
		if got != want || ok != (want != part{}) {
			t.Errorf("%q: %+v, %v", s, got, ok)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"5": 5 * time.Second, " 60 ": time.Minute, "86400": 24 * time.Hour, "86401": 24 * time.Hour,
		"99999999999999999999999": 24 * time.Hour, "0": 0, "-5": 0, "": 0, "soon": 0, "1.5": 0,
		"Mon, 23 Nov 2026 00:10:00 GMT": 10 * time.Minute, "Sun, 22 Nov 2026 00:00:00 GMT": 0, "Tue, 01 Jan 2999 00:00:00 GMT": 24 * time.Hour,
	} {
		got := retryAfter(http.Header{"Retry-After": {s}}, now)
		if want == 0 && !got.IsZero() || want > 0 && !got.Equal(now.Add(want)) {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestBackoffIsJitteredBetweenNothingAndAnHour(t *testing.T) {
	for attempt, want := range map[int]time.Duration{-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second,
		11: 1024 * time.Second, 12: time.Hour, 100: time.Hour, 1 << 40: time.Hour} {
		if got := Backoff(attempt, func() float64 { return 0.5 }); got != want/2 {
			t.Errorf("attempt %d: %v; want %v", attempt, got, want/2)
		}
		if got := Backoff(attempt, nil); got < 0 || got > want {
			t.Errorf("attempt %d: %v", attempt, got)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-9/*", "bytes */10", "bytes 9223372036854775807-9223372036854775807/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parseContentRange(s)
		if !ok {
			return
		}
		if p.start < 0 || p.end <= p.start || p.total >= 0 && p.end > p.total {
			t.Fatalf("%q: %+v", s, p)
		}
		total := "*"
		if p.total >= 0 {
			total = decimal(p.total)
		}
		again, ok := parseContentRange("bytes " + decimal(p.start) + "-" + decimal(p.end-1) + "/" + total)
		if !ok || again != p {
			t.Fatalf("%q: %+v is read back as %+v", s, p, again)
		}
	})
}

func FuzzValidator(f *testing.F) {
	f.Add(`"a"`, "", "")
	f.Add(`W/"a"`, "Mon, 23 Nov 2026 00:00:00 GMT", "Mon, 23 Nov 2026 00:10:00 GMT")
	f.Add("", "Mon, 23 Nov 2026 00:00:00 GMT", "Mon, 23 Nov 2026 00:10:00 GMT")
	f.Add("", "Mon, 23 Nov 2026 00:00:00 GMT", "Mon, 23 Nov 2026 00:00:59 GMT")
	f.Fuzz(func(t *testing.T, etag, modified, date string) {
		h := http.Header{"Last-Modified": {modified}, "Date": {date}}
		if etag != "" {
			h.Set("ETag", etag)
		}
		v := validatorOf(h)
		if v == "" {
			return
		}
		if !isValidator(v) || !isHeader("If-Range", v) || len(v) > maxValidator {
			t.Fatalf("%q cannot be sent", v)
		}
		if !sameEntity(h, v) {
			t.Fatalf("%q does not match the headers it came from", v)
		}
		if etag != "" && v != etag {
			t.Fatalf("%q is used beside the tag %q", v, etag)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("Mon, 23 Nov 2026 00:10:00 GMT", "Mon, 23 Nov 2026 00:00:00 GMT")
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 0000 00:00:00 GMT")
	f.Fuzz(func(t *testing.T, value, date string) {
		now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		got := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if !got.IsZero() && (!got.After(now) || got.After(now.Add(24*time.Hour))) {
			t.Fatalf("%q at %q: %v", value, date, got)
		}
	})
}
