package front

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// answer is what a handler writes to, made anew for each request on a connection.
type answer struct {
	tcp    *net.TCPConn
	header http.Header
	head   []byte
	body   []byte // of an answer whose length is known at its end only
	quiet  bool   // HEAD, or a status without a body
	asked  bool   // HEAD
	status int    // 0 until it is said
	length int64  // of the body; -1 when nobody said it
	sent   int64
	failed error
}

// maxBody is how much of a body is kept that does not say how long it is: an error's text, say.
const maxBody = 16 << 10

var errLong = errors.New("the answer is too long, or other than it said")

func (a *answer) reset(tcp *net.TCPConn, head bool) {
	if a.header == nil {
		a.header = http.Header{}
	}
	clear(a.header)
	*a = answer{tcp: tcp, header: a.header, head: a.head[:0], body: a.body[:0], quiet: head, asked: head, length: -1}
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < 200 {
		return
	}
	a.status = status
	if status == http.StatusNoContent || status == http.StatusNotModified {
		a.quiet = true
		delete(a.header, "Content-Length")
		return
	}
	if n, err := strconv.ParseInt(a.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		a.length = n
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case a.failed != nil:
		return 0, a.failed
	case a.quiet && !a.asked:
		return 0, http.ErrBodyNotAllowed
	case a.length < 0:
		if len(a.body)+len(b) > maxBody {
			a.failed = errLong
			return 0, a.failed
		}
		a.body = append(a.body, b...)
		return len(b), nil
	case a.sent+int64(len(b)) > a.length:
		return 0, http.ErrContentLength
	case a.quiet:
		a.sent += int64(len(b))
		return len(b), nil
	}
	var n int64 // the first bytes go with the head
	if a.sent == 0 {
		a.begin()
		parts := net.Buffers{a.head, b}
		n, a.failed = parts.WriteTo(a.tcp)
		n = max(0, n-int64(len(a.head)))
	} else {
		var k int
		k, a.failed = a.tcp.Write(b)
		n = int64(k)
	}
	a.sent += n
	return int(n), a.failed
}

// ReadFrom lets the system send a file without copying it through this process.
func (a *answer) ReadFrom(r io.Reader) (n int64, err error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	part, ok := r.(*io.LimitedReader)
	if !ok || a.failed != nil || a.quiet || a.length < 0 || a.sent > 0 || part.N != a.length || part.N == 0 {
		return io.Copy(struct{ io.Writer }{a}, r)
	}
	a.begin()
	if a.failed = more(a.tcp, a.head); a.failed == nil {
		n, a.failed = a.tcp.ReadFrom(part)
	}
	a.sent += n
	return n, a.failed
}

// begin makes the head.
func (a *answer) begin() {
	h := append(a.head[:0], "HTTP/1.1 "...)
	h = strconv.AppendInt(h, int64(a.status), 10)
	h = append(h, ' ')
	h = append(h, http.StatusText(a.status)...)
	h = append(h, "\r\nDate: "...)
	h = append(h, date()...)
	h = append(h, '\r', '\n')
	for name, values := range a.header {
		for _, v := range values {
			h = append(h, name...)
			h = append(h, ':', ' ')
			h = append(h, v...)
			h = append(h, '\r', '\n')
		}
	}
	a.head = append(h, '\r', '\n')
}

// end sends what is not sent yet, and reports whether another request may follow.
func (a *answer) end() bool {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case a.failed != nil:
		return false
	case a.status == http.StatusNoContent || a.status == http.StatusNotModified:
		return a.last(nil)
	case a.length < 0:
		a.header["Content-Length"] = []string{strconv.Itoa(len(a.body))}
		if a.asked {
			return a.last(nil)
		}
		return a.last(a.body)
	case a.asked, a.length == 0:
		return a.last(nil)
	}
	return a.sent == a.length
}

// last sends an answer in one piece.
func (a *answer) last(body []byte) bool {
	a.begin()
	a.head = append(a.head, body...)
	_, err := a.tcp.Write(a.head)
	return err == nil
}

// stamp is a date as HTTP writes it.
type stamp struct {
	second int64
	text   string
}

var today atomic.Pointer[stamp]

// date is the time to the second: a thousand requests in one have one text.
func date() string {
	now := time.Now()
	if s := today.Load(); s != nil && s.second == now.Unix() {
		return s.text
	}
	s := &stamp{now.Unix(), now.UTC().Format(http.TimeFormat)}
	today.Store(s)
	return s.text
}
