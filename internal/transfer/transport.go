package transfer

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// NewTransport makes the transport for Fetcher: HTTP/1.1 only, so that each
// transfer has a connection of its own; proxy from the environment; no
// decompression; bounded headers. There is no time-out on headers, because the
// Fetcher's stall timer rules. A nil dial means TCP with a 10 s time-out.
func NewTransport(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ProxyConnectHeader:     http.Header{"User-Agent": {userAgent}},
		DialContext:            dial,
		Protocols:              &protocols,
		TLSHandshakeTimeout:    10 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		// Bodies are read straight into the transfer's own buffer.
		ReadBufferSize:      4 << 10,
		WriteBufferSize:     4 << 10,
		MaxIdleConns:        8,
		MaxIdleConnsPerHost: Connections,
		IdleConnTimeout:     30 * time.Second,
	}
}

// Connections is how many small requests of one download may run at once: with one after the
// other, most of the time would go into waiting for each to begin.
const Connections = 6

// Backoff is the wait before try number attempt (1 is the first repetition):
// full jitter, so anything from nothing up to 1 s, 2 s, 4 s … 1 h. A nil rnd
// means the default random source; it returns a number in [0, 1).
func Backoff(attempt int, rnd func() float64) time.Duration {
	if rnd == nil {
		rnd = rand.Float64
	}
	const most = time.Hour
	ceiling := most
	if attempt < 12 {
		ceiling = time.Second << max(attempt-1, 0)
	}
	return time.Duration(rnd() * float64(ceiling))
}
