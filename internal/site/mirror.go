package site

import "strings"

// Elsewhere gives a URL of a site at the next of the hosts that deliver it; after the last comes the first,
// and then again is set. A URL that is at none of them, or where there is one host only, is "".
func Elsewhere(hosts []string, u string) (next string, again bool) {
	n, rest := hostOf(hosts, u)
	if n < 0 || len(hosts) < 2 {
		return "", false
	}
	n = (n + 1) % len(hosts)
	return hosts[n] + rest, n == 0
}

// Beside gives a URL of a site at the host where another one is; as it is, if that is at none of the hosts.
func Beside(hosts []string, u, other string) string {
	n, _ := hostOf(hosts, other)
	m, rest := hostOf(hosts, u)
	if n < 0 || m < 0 {
		return u
	}
	return hosts[n] + rest
}

// hostOf finds the host that delivers a URL, and what follows its name.
func hostOf(hosts []string, u string) (int, string) {
	found, rest := -1, ""
	for n, h := range hosts { // one may lie in a folder of another
		if after, ok := strings.CutPrefix(u, h); ok && strings.HasPrefix(after, Prefix) && (found < 0 || len(after) < len(rest)) {
			found, rest = n, after
		}
	}
	return found, rest
}
