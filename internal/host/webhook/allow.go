package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"larder/asset"
)

// Allowed are the receivers that whoever runs the host allows beside all public ones: names of
// machines and networks. The zero value allows none.
type Allowed struct {
	names []string
	nets  []netip.Prefix
}

// ParseAllowed reads names, addresses and networks, for example "hooks.lan" and "10.1.0.0/16".
func ParseAllowed(list []string) (a Allowed, err error) {
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			a.nets = append(a.nets, p.Masked())
			continue
		}
		if ip, err := netip.ParseAddr(s); err == nil {
			a.nets = append(a.nets, netip.PrefixFrom(ip.Unmap().WithZone(""), ip.Unmap().BitLen()))
			continue
		}
		if s == "" || len(s) > 253 || strings.ContainsAny(s, "/:@*? ") {
			return a, &asset.Error{Code: asset.CodeConfiguration, Op: "allow webhooks", Subject: fmt.Sprintf("%.80q", s), Message: "this is neither a name of a machine nor a network",
				Help: "for example hooks.example.lan, 10.1.2.3 or 10.1.0.0/16"}
		}
		a.names = append(a.names, strings.ToLower(s))
	}
	return a, nil
}

// private are the networks that nobody reaches from elsewhere, or that lead to others in disguise.
var private = func() (all []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"::/96",                          // unspecified, loopback, and IPv4 in an old disguise
		"64:ff9b::/96", "64:ff9b:1::/48", // IPv4 behind a translator
		"100::/64", "2001::/23", "2001:db8::/32", // nowhere; Teredo and its like; examples
		"2002::/16", // IPv4 in a tunnel
		"3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()

// Address reports whether an address may be spoken to.
func (a Allowed) Address(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(ip) }
	return ip.IsValid() && (slices.ContainsFunc(a.nets, within) || !slices.ContainsFunc(private, within))
}

func (a Allowed) name(host string) bool { return slices.Contains(a.names, strings.ToLower(host)) }

// maxURL bounds a URL, in bytes.
const maxURL = 2000

// URL judges what can be judged before anything is sent: the fault is empty if it may be a receiver. What its
// name leads to is judged at each delivery.
func (a Allowed) URL(raw string) (fault string) {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxURL || u.Host == "" || u.Hostname() == "" {
		return "it is no URL, or longer than " + fmt.Sprint(maxURL) + " bytes"
	}
	ip, noIP := netip.ParseAddr(u.Hostname())
	within := func(p netip.Prefix) bool { return noIP == nil && p.Contains(ip.Unmap().WithZone("")) }
	known := a.name(u.Hostname()) || slices.ContainsFunc(a.nets, within)
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !known):
		return "its scheme is not https"
	case u.User != nil || u.Fragment != "":
		return "it holds a user or a fragment"
	case noIP == nil && !known && !a.Address(ip):
		return errAddress.Error()
	}
	return ""
}

var errAddress = errors.New("it leads to an address that is not public, and the host's operator does not allow it (larder host --allow-webhooks)")

// dial connects to a receiver. The address is judged when it is known, after all names were
// resolved and before a packet is sent: so a name that leads elsewhere the second time gains nothing.
func (a Allowed) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	if !a.name(host) {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !a.Address(at.Addr()) {
				return errAddress
			}
			return nil
		}
	}
	return d.DialContext(ctx, network, addr)
}
