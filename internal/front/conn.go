package front

import (
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// conn is a connection that is answered here, as long as what it asks is plain.
type conn struct {
	server *Server
	tcp    *net.TCPConn
	busy   atomic.Bool // a request has begun to come, and is not answered
	until  time.Time   // deadline of reading
	buf    []byte
	n      int // of buf, read and not answered
	req    request
	ans    answer
}

func (k *conn) serve() {
	passed := false
	defer func() {
		k.server.forget(k)
		if !passed {
			_ = k.tcp.Close()
		}
	}()
	k.buf = make([]byte, maxHead)
	for {
		head, plain := k.next()
		if !plain {
			if head > 0 || k.n > 0 {
				passed = true
				k.pass()
			}
			return
		}
		ok := k.answer()
		k.n = copy(k.buf, k.buf[head:k.n])
		k.busy.Store(k.n > 0)
		if !ok || k.server.ending.Load() {
			return
		}
	}
}

// pass gives the connection to net/http, with all that was read of the request.
func (k *conn) pass() {
	_ = k.tcp.SetReadDeadline(time.Time{}) // net/http sets its own
	k.server.rest.take(&begun{TCPConn: k.tcp, read: append([]byte(nil), k.buf[:k.n]...)})
}

// next reads a head. It is not plain when it is something else than what is answered here; then nothing of it is
// read when the connection has ended.
func (k *conn) next() (head int, plain bool) {
	for {
		if head = whole(k.buf[:k.n]); head > 0 {
			return head, k.req.parse(k.buf[:head], k.server.Quick)
		}
		if k.n == len(k.buf) || odd(k.buf[:k.n]) {
			return k.n, false
		}
		k.expire()
		n, err := k.tcp.Read(k.buf[k.n:])
		if k.n += n; n > 0 {
			k.busy.Store(true)
		}
		if err != nil {
			k.n = 0 // net/http would not answer either
			return 0, false
		}
	}
}

// expire sets until when more must have come. A deadline that is nearly as far is left as it is: idle clients
// are many, and a second more or less is nothing to them.
func (k *conn) expire() {
	now := time.Now()
	if k.n > 0 {
		if limit := now.Add(k.server.Rest.ReadHeaderTimeout); k.until.After(limit) {
			k.until = limit
			_ = k.tcp.SetReadDeadline(limit)
		}
		return
	}
	if limit := now.Add(k.server.Rest.IdleTimeout); limit.Sub(k.until).Abs() > k.server.Rest.IdleTimeout/16 {
		k.until = limit
		_ = k.tcp.SetReadDeadline(limit)
	}
}

// answer lets the handler answer, and reports whether the connection lives on.
func (k *conn) answer() (ok bool) {
	defer func() {
		if why := recover(); why != nil { // it ends one connection, as behind net/http
			ok = false
			if log := k.server.Rest.ErrorLog; log != nil && why != http.ErrAbortHandler {
				log.Printf("front: panic serving %s: %v\n%s", k.req.RemoteAddr, why, debug.Stack())
			}
		}
	}()
	if k.req.RemoteAddr == "" {
		k.req.RemoteAddr = k.tcp.RemoteAddr().String()
	}
	k.ans.reset(k.tcp, k.req.Method == http.MethodHead)
	k.server.Handler.ServeHTTP(&k.ans, &k.req.Request)
	return k.ans.end()
}
