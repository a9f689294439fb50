package asset

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// DownloadState is one of Apple's five words (classic §3.1). There is no paused
// state: a paused download is waiting, with a reason.
type DownloadState string

// The states of a download.
const (
	StateCreated     DownloadState = "created"
	StateWaiting     DownloadState = "waiting"
	StateDownloading DownloadState = "downloading"
	StateFinished    DownloadState = "finished"
	StateFailed      DownloadState = "failed"
)

// Number is Apple's value: failed -1, created 0, waiting 1, downloading 2, finished 3.
func (s DownloadState) Number() int {
	switch s {
	case StateFailed:
		return -1
	case StateWaiting:
		return 1
	case StateDownloading:
		return 2
	case StateFinished:
		return 3
	}
	return 0
}

// Settled reports whether the download has ended, well or badly.
func (s DownloadState) Settled() bool { return s == StateFinished || s == StateFailed }

// Priority orders the downloads of one app, higher first. Values outside
// [PriorityMin, PriorityMax] are refused (classic §3.2; the numbers are ours).
type Priority int

// The named priorities.
const (
	PriorityMin     Priority = -100
	PriorityDefault Priority = 0
	PriorityMax     Priority = 100
)

// Bounds of one download's description.
const (
	MaxIdentifier  = 1024
	MaxURL         = 8192
	MaxBody        = 1 << 20
	MaxHeaders     = 64
	maxHeaderBytes = 16 << 10
)

// Download describes one file to fetch (classic §3): what an extension answers,
// and what the service tells of it. Sizes are bytes on the wire.
type Download struct {
	// Identifier is chosen by the app and unique among its scheduled downloads.
	Identifier string `json:"identifier"`
	// UniqueIdentifier is a UUID made by the service; empty in an extension's answer.
	UniqueIdentifier string `json:"uniqueIdentifier,omitempty"`
	// Manifest marks the app's own manifest, which nobody scheduled: an app or
	// extension hears of it only when it failed (classic §2.2). Set by the service.
	Manifest bool `json:"manifest,omitempty"`
	// State is set by the service; empty in an extension's answer.
	State DownloadState `json:"state,omitempty"`

	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"`  // GET (default) or POST
	Headers map[string]string `json:"headers,omitempty"` // sent on every request to the first host only
	Body    []byte            `json:"body,omitempty"`    // base64 in JSON; POST only, at most 1 MiB

	// FileSize is the exact number of bytes; a mismatch fails the download
	// (1001). 0 means unknown and is refused for essential downloads.
	FileSize  int64    `json:"fileSize"`
	Essential bool     `json:"essential"`
	Priority  Priority `json:"priority,omitempty"`
	// Group names the app group whose container receives the file; empty means
	// the app's own.
	Group GroupID `json:"applicationGroupIdentifier,omitempty"`
}

// URLDownload is a download that can be scheduled: Apple's BAURLDownload. (Its
// other kind of BADownload, the manifest, has Manifest set.)
type URLDownload = Download

// RemovingEssential is the same download as a non-essential one that was never
// scheduled: for asking again after an essential one failed (classic §3.1).
func (d *Download) RemovingEssential() Download {
	c := *d
	c.Headers, c.Body = maps.Clone(d.Headers), slices.Clone(d.Body)
	c.Essential, c.UniqueIdentifier, c.State = false, "", StateCreated
	return c
}

// Validate reports the first thing wrong with d as a typed error
// (code 0, downloadInvalid); it never changes d.
func (d *Download) Validate() error {
	bad := func(msg, help string) error {
		return &Error{Code: CodeDownloadInvalid, Op: "check download", Subject: quote(d.Identifier), Message: msg, Help: help}
	}
	switch {
	case d.Identifier == "":
		return bad("its identifier is empty", "give each download an identifier of its own")
	case len(d.Identifier) > MaxIdentifier:
		return bad("its identifier is longer than 1,024 bytes", "use a shorter identifier")
	case len(d.URL) > MaxURL:
		return bad("its url is longer than 8,192 bytes", "use a shorter url")
	case d.FileSize < 0:
		return bad("its fileSize is negative", "give the exact number of bytes")
	case d.Essential && d.FileSize == 0:
		return bad("it is essential and has no fileSize", "give the exact number of bytes; only non-essential downloads may leave it out")
	case d.Priority < PriorityMin || d.Priority > PriorityMax:
		return bad("its priority is outside -100 to 100", "use a priority from -100 to 100")
	case d.Method != "" && d.Method != http.MethodGet && d.Method != http.MethodPost:
		return bad("its method is neither GET nor POST", "use GET, or POST with a body of at most 1 MiB")
	case len(d.Body) > 0 && d.Method != http.MethodPost:
		return bad("it has a body but its method is not POST", "set method to POST, or leave the body out")
	case len(d.Body) > MaxBody:
		return bad("its body is larger than 1 MiB", "send a smaller body")
	}
	if err := CheckURL(d.URL); err != nil {
		return bad(err.Error(), "use an absolute https url (http only for this machine)")
	}
	if msg := checkHeaders(d.Headers); msg != "" {
		return bad(msg, "leave Range, If-Range, Host, Content-Length, Accept-Encoding and hop-by-hop headers to Larder")
	}
	if d.Group != "" {
		if _, err := ParseGroupID(string(d.Group)); err != nil {
			return bad(err.Error(), "name the app's own group")
		}
	}
	return nil
}

// CheckURL holds the rule for every URL Larder fetches: absolute, https, or http
// to a loopback host. Userinfo is refused so that secrets stay out of logs.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return urlError("its url is not an absolute URL")
	case u.User != nil:
		return urlError("its url holds a user name or password")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && IsLoopback(u.Hostname()):
		return nil
	}
	return urlError("its url is not https (http is for loopback hosts only)")
}

type urlError string

func (e urlError) Error() string { return string(e) }

// IsLoopback reports whether host (no port) names this machine.
func IsLoopback(host string) bool {
	h := strings.ToLower(strings.TrimSuffix(host, "."))
	return h == "localhost" || h == "::1" || strings.HasSuffix(h, ".localhost") || isLoopback4(h)
}

func isLoopback4(h string) bool {
	parts := strings.Split(h, ".")
	if len(parts) != 4 || parts[0] != "127" {
		return false
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

var reserved = map[string]bool{
	"Range": true, "If-Range": true, "Host": true, "Content-Length": true, "Accept-Encoding": true,
	"Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"User-Agent": true, "Cookie": true,
}

func checkHeaders(h map[string]string) string {
	if len(h) > MaxHeaders {
		return "it has more than 64 headers"
	}
	total := 0
	for k, v := range h {
		total += len(k) + len(v)
		switch {
		case k == "" || strings.ContainsAny(k, " \t\r\n:\x00"):
			return "it has a header with an invalid name"
		case strings.ContainsAny(v, "\r\n\x00"):
			return "its header " + k + " has an invalid value"
		case reserved[http.CanonicalHeaderKey(k)]:
			return "its header " + k + " is set by Larder alone"
		}
	}
	if total > maxHeaderBytes {
		return "its headers are larger than 16 KiB"
	}
	return ""
}
