package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"larder/internal/host/jsonapi"
)

// failures counts, for a minute and in memory alone, the tokens from each network that were refused: whoever
// tries keys costs the host a signature's check each time.
type failures struct {
	mu     sync.Mutex
	minute time.Time
	used   map[netip.Prefix]int
}

// maxNetworks bounds how many are told apart; those beyond share one count.
const maxNetworks = 10_000

// count adds to the refusals from a network, and gives how many there were in this minute.
func (f *failures) count(from netip.Prefix, add int, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(f.minute) {
		f.minute, f.used = minute, map[netip.Prefix]int{}
	}
	if _, known := f.used[from]; !known && len(f.used) >= maxNetworks {
		from = netip.Prefix{}
	}
	if add > 0 {
		f.used[from] += add
	}
	return f.used[from]
}

// network is where a request comes from: an address, or 64 bits of one of IPv6. A proxy on this machine names it
// last in X-Forwarded-For; from elsewhere that header says what its sender likes.
func network(r *http.Request) netip.Prefix {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	ip, err := netip.ParseAddr(host)
	if via := r.Header.Values("X-Forwarded-For"); err == nil && ip.Unmap().IsLoopback() && len(via) > 0 {
		list := strings.Split(via[len(via)-1], ",")
		if told, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			ip = told
		}
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		p, _ := ip.Prefix(64) // an address of IPv6 has as many
		return p
	}
	return netip.PrefixFrom(ip, 32)
}

// tooMany answers one whose tokens were refused too often.
func (c *call) tooMany() error {
	c.w.Header().Set("Retry-After", "60")
	return jsonapi.Plain(http.StatusTooManyRequests, jsonapi.CodeRate, "The rate limit was passed", "%d tokens were refused in a minute: no more are looked at until it is over", c.Limits.Failures)
}
