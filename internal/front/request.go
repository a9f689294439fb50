package front

import (
	"bytes"
	"net/http"
	"net/url"
)

// maxHead is how long the head of a request may be that is answered here.
const maxHead = 4 << 10

// heard are the headers that a handler is shown. A request that has one of them twice is not plain.
var heard = map[string]string{
	"range": "Range", "if-range": "If-Range", "if-none-match": "If-None-Match", "if-match": "If-Match",
	"if-modified-since": "If-Modified-Since", "if-unmodified-since": "If-Unmodified-Since",
}

// meant say something about the connection or a body, which net/http knows how to obey.
var meant = map[string]bool{
	"connection": true, "content-length": true, "transfer-encoding": true, "te": true, "trailer": true, "upgrade": true,
	"expect": true, "keep-alive": true, "proxy-connection": true, "http2-settings": true,
}

// request is a request that is read into what was made for those before it on a connection.
type request struct {
	http.Request
	url    url.URL
	values [6][1]string // of headers
}

// whole tells where the head of the first request in b ends; 0 when it is not there yet.
func whole(b []byte) int {
	if n := bytes.Index(b, []byte("\r\n\r\n")); n >= 0 {
		return n + 4
	}
	return 0
}

// odd reports whether a line ends in another way than all sane clients' do. Who waited for the head to end
// might wait for ever.
func odd(b []byte) bool {
	for n, c := range b {
		if c == '\n' && (n == 0 || b[n-1] != '\r') {
			return true
		}
	}
	return false
}

// parse reads a head that is whole, and reports whether it is plain: in every point as this function
// knows it. What is doubtful is not.
func (r *request) parse(head []byte, quick func(path string) bool) bool {
	line, rest, _ := bytes.Cut(head[:len(head)-2], []byte("\r\n"))
	method := http.MethodGet
	target, ok := bytes.CutPrefix(line, []byte("GET "))
	if !ok {
		method = http.MethodHead
		if target, ok = bytes.CutPrefix(line, []byte("HEAD ")); !ok {
			return false
		}
	}
	if target, ok = bytes.CutSuffix(target, []byte(" HTTP/1.1")); !ok || len(target) == 0 || target[0] != '/' {
		return false
	}
	path, query, _ := bytes.Cut(target, []byte("?"))
	if !each(path, &inPath) || !each(query, &inQuery) || bytes.HasPrefix(path, []byte("//")) {
		return false
	}
	p := string(path)
	if !quick(p) {
		return false
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	clear(r.Header)
	r.url = url.URL{Path: p, RawQuery: string(query), ForceQuery: len(query) == 0 && len(path) < len(target)}
	r.Method, r.URL, r.RequestURI, r.Host = method, &r.url, string(target), ""
	r.Proto, r.ProtoMajor, r.ProtoMinor, r.Body = "HTTP/1.1", 1, 1, http.NoBody
	return r.headers(rest)
}

func (r *request) headers(rest []byte) bool {
	var low [24]byte
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			return false
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
		if !each(name, &inName) || !each(value, &inValue) {
			return false
		}
		if len(name) > len(low) {
			continue
		}
		lower := low[:len(name)]
		for i, c := range name {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			lower[i] = c
		}
		if meant[string(lower)] && !(string(lower) == "connection" && bytes.EqualFold(value, []byte("keep-alive"))) {
			return false
		}
		if string(lower) == "host" {
			if r.Host != "" || len(value) == 0 || !each(value, &inHost) {
				return false
			}
			r.Host = string(value)
			continue
		}
		key, ok := heard[string(lower)]
		if !ok {
			continue
		}
		if _, twice := r.Header[key]; twice {
			return false
		}
		v := &r.values[len(r.Header)]
		v[0] = string(value)
		r.Header[key] = v[:]
	}
	return r.Host != ""
}

// class is a set of bytes.
type class [256]bool

func of(chars string) (c class) {
	for i := range len(chars) {
		c[chars[i]] = true
	}
	return c
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

var (
	inPath  = of(letters + "/._-")
	inQuery = of(letters + "/._-=&~+%")
	inName  = of(letters + "-_")
	inHost  = of(letters + ".-:[]")
	inValue = visible()
)

func visible() (c class) {
	for b := ' '; b < 0x7f; b++ {
		c[b] = true
	}
	return c
}

func each(b []byte, in *class) bool {
	for _, c := range b {
		if !in[c] {
			return false
		}
	}
	return true
}
