package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"larder/asset"
)

// Listen opens a port. hosts are names and addresses of this machine: it listens on the first, and a
// certificate names all. Without an authority only this machine may ask, in plain HTTP. url is the
// base of all URLs.
func Listen(ctx context.Context, hosts []string, port int, a Authority) (l net.Listener, url string, err error) {
	first := strings.Trim(hosts[0], "[]")
	scheme := "https"
	if a.cert == nil {
		scheme = "http"
		for _, host := range hosts {
			if !asset.IsLoopback(strings.Trim(host, "[]")) {
				return nil, "", fault(asset.CodeBadRequest, host, "plain HTTP is for this machine alone: no device takes packs from elsewhere without TLS",
					"say --https, or leave --host out to serve on 127.0.0.1")
			}
		}
	}
	var config net.ListenConfig
	if l, err = config.Listen(ctx, "tcp", net.JoinHostPort(first, strconv.Itoa(port))); err != nil {
		message, help := "it cannot be listened on: "+plain(err), "name an address of this machine"
		if errors.Is(err, syscall.EADDRINUSE) {
			message, help = "another program listens there", "leave --port out to have a free one"
		}
		return nil, "", fault(asset.CodeConfiguration, net.JoinHostPort(first, strconv.Itoa(port)), message, help)
	}
	names := []string{}
	for _, host := range hosts {
		names = append(names, reached(strings.Trim(host, "[]"))...)
	}
	if a.cert != nil {
		config, err := a.Config(append(names, "localhost", "127.0.0.1", "::1"), time.Now())
		if err != nil {
			return nil, "", errors.Join(err, l.Close())
		}
		l = tls.NewListener(l, config)
	}
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, "", errors.Join(fmt.Errorf("listen on %s: it is no TCP address", first), l.Close())
	}
	return l, scheme + "://" + net.JoinHostPort(names[0], strconv.Itoa(at.Port)), nil
}

// plain is the reason without the address, which stands before it already.
func plain(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// reached are the names by which others reach an address that is listened on: of "all
// addresses" those of this machine.
func reached(host string) (out []string) {
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		return []string{host}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		addresses = nil // the machine's name is left
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			out = append(out, n.IP.String())
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return strings.Count(a, ":") - strings.Count(b, ":") }) // IPv4 first
	if name, err := os.Hostname(); err == nil {
		out = append(out, name)
	}
	return append(out, "localhost")
}
