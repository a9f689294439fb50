package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pair is the same handler behind a front and behind net/http alone.
type pair struct {
	front, plain string // addresses
	server       *Server
	rest         atomic.Int64 // connections that net/http had of the front
}

const content = "0123456789abcdefghijklmnopqrstuvwxyz"

func quick(path string) bool { return strings.HasPrefix(path, "/q/") }

// handler answers as a site does, and in some ways that it does not.
func handler(t testing.TB) http.Handler {
	file := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/q/file":
			f, err := os.Open(file)
			if err != nil {
				http.Error(w, "gone", http.StatusInternalServerError)
				return
			}
			defer f.Close()
			w.Header().Set("ETag", `"tag"`)
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeContent(w, r, "", time.Time{}, f)
		case "/q/text":
			w.Header().Set("ETag", `"text"`)
			w.Header().Set("Content-Type", "application/json")
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
		case "/q/empty":
			w.Header().Set("Content-Type", "text/plain")
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(""))
		case "/q/nothing":
			w.WriteHeader(http.StatusNoContent)
		case "/q/echo":
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprintf(w, "%s %s %s %s %q %v", r.Method, r.Host, r.URL.Path, r.URL.RawQuery, r.RequestURI, r.Header["Range"])
		case "/q/panic":
			panic(http.ErrAbortHandler)
		case "/q/short":
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "too little") // the other side is judged
		case "/rest":
			b, err := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprintf(w, "%s %q %v", r.Method, b, err)
		default:
			http.NotFound(w, r)
		}
	})
}

func newPair(t testing.TB) *pair {
	h, p := handler(t), &pair{}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	server := func() *http.Server {
		return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	}
	a, b := listen(), listen()
	p.front, p.plain = a.Addr().String(), b.Addr().String()
	p.server = &Server{Quick: quick, Handler: h, Rest: server()}
	p.server.Rest.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			p.rest.Add(1)
		}
	}
	alone := server()
	done := make(chan error, 2)
	go func() { done <- p.server.Serve(a) }()
	go func() { done <- alone.Serve(b) }()
	t.Cleanup(func() {
		if err := errors.Join(p.server.Close(), alone.Close()); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-done; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}
	})
	return p
}

// said is all that a server answers to some bytes, until it closes or was asked to: without dates, and with
// its headers in order.
func said(t testing.TB, addr, raw string) string {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, _ := io.ReadAll(c)                                      // a reset ends it too
	if _, after, ok := bytes.Cut(all, []byte("boundary=")); ok { // it is by chance
		boundary, _, _ := bytes.Cut(after, []byte("\r"))
		all = bytes.ReplaceAll(all, boundary, bytes.Repeat([]byte("b"), len(boundary)))
	}
	var b strings.Builder
	from := bufio.NewReader(bytes.NewReader(all))
	for _, method := range methods(raw) {
		res, err := http.ReadResponse(from, &http.Request{Method: method})
		if err != nil {
			fmt.Fprintf(&b, "then %v\n", err)
			break
		}
		body, err := io.ReadAll(res.Body)
		if res.StatusCode < 500 && res.Header.Get("Date") == "" && res.StatusCode != 400 {
			b.WriteString("no date\n")
		}
		res.Header.Del("Date")
		fmt.Fprintf(&b, "%s %v %v %d %v %q %v\n", res.Status, res.Header, res.TransferEncoding, res.ContentLength, res.Close, body, err)
	}
	return b.String()
}

// methods are those of the requests in raw, as far as a reader of their answers must know them.
func methods(raw string) (list []string) {
	for line := range strings.SplitSeq(raw, "\r\n") {
		if strings.Contains(line, " HTTP/") {
			method, _, _ := strings.Cut(line, " ")
			list = append(list, method)
		}
	}
	if list == nil {
		return []string{"GET"}
	}
	return list
}

func get(path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: example.com\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
}

// alike are requests that a front answers, or passes on, as net/http does.
var alike = map[string]struct {
	raw  string
	rest int64 // connections that net/http must see
}{
	"a file":                           {get("/q/file"), 0},
	"a range":                          {get("/q/file", "Range: bytes=3-9"), 0},
	"the end":                          {get("/q/file", "Range: bytes=-4"), 0},
	"ranges":                           {get("/q/file", "Range: bytes=1-2,5-6"), 0},
	"no such range":                    {get("/q/file", "Range: bytes=100-"), 0},
	"no range":                         {get("/q/file", "Range: lines=1"), 0},
	"a range if it is the same":        {get("/q/file", "Range: bytes=3-9", `If-Range: "tag"`), 0},
	"a range if it is another":         {get("/q/file", "range: bytes=3-9", `if-range: "other"`), 0},
	"a file that is had":               {get("/q/file", `If-None-Match: "tag"`), 0},
	"one that is another":              {get("/q/file", `If-Match: "other"`), 0},
	"a text":                           {get("/q/text"), 0},
	"a text that is had":               {get("/q/text", `IF-NONE-MATCH: W/"text"`), 0},
	"an empty one":                     {get("/q/empty"), 0},
	"nothing":                          {get("/q/nothing"), 0},
	"what is not there":                {get("/q/missing"), 0},
	"a query":                          {get("/q/echo?platform=Linux&x=%20"), 0},
	"an empty query":                   {get("/q/echo?"), 0},
	"headers of no interest":           {get("/q/echo", "User-Agent: x/1 (y)", "Accept: */*", "A-Header-That-Is-Longer-Than-All-That-Mean-Something: x"), 0},
	"a client that keeps alive":        {get("/q/echo", "Connection: Keep-Alive"), 0},
	"HEAD":                             {strings.Replace(get("/q/file"), "GET", "HEAD", 1), 0},
	"HEAD of an error":                 {strings.Replace(get("/q/missing"), "GET", "HEAD", 1), 0},
	"HEAD of a range":                  {strings.Replace(get("/q/file", "Range: bytes=3-9"), "GET", "HEAD", 1), 0},
	"several in one piece":             {get("/q/file") + get("/q/text") + get("/q/missing") + get("/q/file", "Range: bytes=0-0"), 0},
	"a path that goes up":              {get("/q/../q/file"), 0},
	"a path for the rest":              {get("/rest"), 1},
	"quick ones, then another":         {get("/q/file") + get("/rest") + get("/q/text"), 1},
	"a body":                           {"POST /q/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 1},
	"GET with a body":                  {get("/q/echo", "Content-Length: 3") + "abc", 1},
	"a body in chunks":                 {"POST /rest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get("/q/text"), 1},
	"both lengths":                     {get("/q/text", "Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n" + get("/q/text"), 1},
	"a client that closes":             {get("/q/text", "Connection: close"), 1},
	"an upgrade":                       {get("/q/text", "Connection: Upgrade", "Upgrade: websocket"), 1},
	"one that expects":                 {get("/q/text", "Expect: 100-continue"), 1},
	"an escape in the path":            {get("/q/te%78t"), 1},
	"a whole URL":                      {get("http://example.com/q/text"), 1},
	"two slashes":                      {get("//q/text"), 1},
	"HTTP/1.0":                         {"GET /q/text HTTP/1.0\r\nHost: x\r\n\r\n", 1},
	"HTTP/1.0 without a host":          {"GET /q/text HTTP/1.0\r\n\r\n", 1},
	"no host":                          {"GET /q/text HTTP/1.1\r\n\r\n", 1},
	"two hosts":                        {get("/q/text", "Host: other"), 1},
	"a host of odd letters":            {"GET /q/text HTTP/1.1\r\nHost: a b\r\n\r\n", 1},
	"a header twice":                   {get("/q/file", "Range: bytes=1-2", "Range: bytes=3-4"), 1},
	"a header that is folded":          {get("/q/text", "X: a", " b"), 1},
	"a header without a colon":         {get("/q/text", "nonsense"), 1},
	"a space before the colon":         {get("/q/text", "Range : bytes=1-2"), 1},
	"a control character":              {get("/q/text", "X: a\x01b"), 1},
	"a bare line feed":                 {"GET /q/text HTTP/1.1\nHost: x\n\n", 1},
	"a line feed within":               {get("/q/text", "X: a\nRange: bytes=1-2"), 1},
	"a carriage return within":         {get("/q/text", "X: a\rRange: bytes=1-2"), 1},
	"letters of another world":         {get("/q/text", "X: é"), 1},
	"a head that is long":              {get("/q/text", "X: "+strings.Repeat("x", 2*maxHead)), 1},
	"another method":                   {"DELETE /q/text HTTP/1.1\r\nHost: x\r\n\r\n", 1},
	"a method in small letters":        {"get /q/text HTTP/1.1\r\nHost: x\r\n\r\n", 1},
	"garbage":                          {"\x16\x03\x01\x02\r\n\r\n", 1},
	"an empty line first":              {"\r\n\r\n" + get("/q/text"), 1},
	"a handler that ends in the midst": {get("/q/short") + get("/q/text"), 0},
	"a handler that panics":            {get("/q/panic") + get("/q/text"), 0},
}

func TestAFrontAnswersAsNetHTTPDoes(t *testing.T) {
	for name, c := range alike {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			want, got := said(t, p.plain, c.raw), said(t, p.front, c.raw)
			if got != want {
				t.Errorf("it says\n%s\nand net/http\n%s", got, want)
			}
			if n := p.rest.Load(); n != c.rest {
				t.Errorf("net/http saw %d connections, want %d", n, c.rest)
			}
		})
	}
}

func FuzzAFrontAnswersAsNetHTTPDoes(f *testing.F) {
	for _, c := range alike {
		f.Add([]byte(c.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r request
		head := whole(raw)
		if head == 0 || head > maxHead || !r.parse(raw[:head], quick) {
			return // net/http has it
		}
		want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw[:head])))
		if err != nil {
			t.Fatalf("%q is answered, and net/http says %v", raw[:head], err)
		}
		if want.Method != r.Method || want.URL.Path != r.URL.Path || want.URL.RawQuery != r.URL.RawQuery || want.Host != r.Host || want.RequestURI != r.RequestURI ||
			want.ContentLength != 0 || len(want.TransferEncoding) > 0 || want.Close {
			t.Errorf("%q: %+v, and net/http has %+v", raw[:head], r.Request, want)
		}
		for _, key := range heard {
			if fmt.Sprint(want.Header[key]) != fmt.Sprint(r.Header[key]) {
				t.Errorf("%q: %s is %q, and net/http has %q", raw[:head], key, r.Header[key], want.Header[key])
			}
		}
	})
}

// A request may come in pieces, and its connection answers further ones.
func TestARequestInPieces(t *testing.T) {
	p := newPair(t)
	c, err := net.Dial("tcp", p.front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from := bufio.NewReader(c)
	for range 2 {
		for _, b := range []byte(get("/q/file", "Range: bytes=3-9")) {
			if _, err := c.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		res, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != content[3:10] {
			t.Errorf("%s %q %v", res.Status, body, err)
		}
	}
	if n := p.rest.Load(); n != 0 {
		t.Errorf("net/http saw %d connections", n)
	}
}

// Who is answered when a front shuts down hears the end; who is idle is hung up on.
func TestAFrontShutsDownAsNetHTTPDoes(t *testing.T) {
	h, entered, leave := handler(t), make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/q/slow" {
			close(entered)
			<-leave
		}
		h.ServeHTTP(w, r)
	})
	s := &Server{Quick: quick, Handler: slow, Rest: &http.Server{Handler: slow, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	base := "http://" + l.Addr().String()
	idle, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if _, err := io.WriteString(idle, get("/q/text")); err != nil {
		t.Fatal(err)
	}
	at := bufio.NewReader(idle)
	if res, err := http.ReadResponse(at, nil); err != nil {
		t.Fatal(err)
	} else if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		res, err := http.Get(base + "/q/slow")
		if err == nil {
			err = res.Body.Close()
		}
		answered <- err
	}()
	<-entered
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	if _, err := at.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle one: %v", err)
	}
	close(leave)
	if err := <-answered; err != nil {
		t.Errorf("the one under way: %v", err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("it accepts")
	}
}

func TestAFrontThatWasShutDownBeforeItServedServesNobody(t *testing.T) {
	s := &Server{Quick: quick, Handler: http.NotFoundHandler(), Rest: &http.Server{}}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("it accepts")
	}
}
