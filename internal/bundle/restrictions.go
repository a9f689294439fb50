package bundle

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Restrictions is BAInitialDownloadRestrictions (classic §1): what binds
// between installation and the first launch. Allowances are bytes on the wire.
type Restrictions struct {
	DownloadAllowance          int64
	EssentialDownloadAllowance int64 // includes the manifest
	// DomainAllowList holds host names, "*." and a host name, or IP addresses.
	DomainAllowList []string
}

// Allows reports whether the list names host, which may carry a port. "*.x"
// names the subdomains of x and not x; case is folded; an IP address is allowed
// only when listed itself; ports are ignored (design §12). Without restrictions
// every host is allowed.
func (r *Restrictions) Allows(host string) bool {
	if r == nil {
		return true
	}
	name, ip := splitHost(host)
	for _, entry := range r.DomainAllowList {
		listed, listedIP := splitHost(entry)
		switch {
		case ip.IsValid() || listedIP.IsValid():
			if ip == listedIP {
				return true
			}
		case name == "" || listed == "":
		case strings.HasPrefix(listed, "*."):
			if strings.HasSuffix(name, listed[1:]) && len(name) > len(listed)-1 && !numeric(name) {
				return true
			}
		case name == listed:
			return true
		}
	}
	return false
}

// splitHost gives an IP address, or the lower-case name without port and final
// dot. Names outside ASCII give neither: the list is compared as DNS sees it.
func splitHost(host string) (string, netip.Addr) {
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(bare); err == nil {
		return "", ip.Unmap()
	}
	if h, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil && port != "" {
			return "", netip.Addr{}
		}
		host = h
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return "", ip.Unmap()
	}
	for i := range len(host) {
		if host[i] <= ' ' || host[i] >= 0x7f {
			return "", netip.Addr{}
		}
	}
	return strings.ToLower(strings.TrimSuffix(host, ".")), netip.Addr{}
}

// numeric reports whether the last label of name is a number, as in the odd
// spellings of IPv4 addresses ("127.1", "0x7f000001") that some resolvers take.
func numeric(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	return err == nil || last != "" && strings.Trim(last, "0123456789") == ""
}

func readRestrictions(info dict) *Restrictions {
	const key = "BAInitialDownloadRestrictions"
	d, ok := info.dict(key, "write a dictionary with BADownloadAllowance, BAEssentialDownloadAllowance and BADownloadDomainAllowList")
	if !ok {
		return nil
	}
	r := &Restrictions{}
	if d.need("BADownloadAllowance", mendSize) {
		r.DownloadAllowance, _ = d.size("BADownloadAllowance")
	}
	if d.need("BAEssentialDownloadAllowance", mendSize) {
		r.EssentialDownloadAllowance, _ = d.size("BAEssentialDownloadAllowance")
	}
	r.DomainAllowList = readDomains(d)
	checkNames(d, restrictionKeys, rootKeys, "move it out of "+key)
	return r
}

func readDomains(d dict) []string {
	const key, mend = "BADownloadDomainAllowList", "list the host names that assets and manifest come from"
	if !d.need(key, mend) {
		return nil
	}
	entries, ok := d.m[key].([]any)
	if !ok {
		d.wrongType(key, "a list", mend)
		return nil
	}
	if len(entries) == 0 {
		d.fault(key, "", "it is empty", mend)
	}
	var out []string
	for i, e := range entries {
		at := key + "." + strconv.Itoa(i)
		s, ok := e.(string)
		if !ok {
			d.fault(at, show(e), "it is "+kind(e)+", not a string", "write a host name")
			continue
		}
		if problem, mend := checkDomain(s); problem != "" {
			d.fault(at, s, problem, mend)
			continue
		}
		out = append(out, s)
	}
	return out
}

// checkDomain holds the form of an entry: a DNS name, "*." and a DNS name, or an
// IP address.
func checkDomain(s string) (problem, mend string) {
	if _, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return "", ""
	}
	name := strings.TrimSuffix(strings.TrimPrefix(s, "*."), ".")
	switch {
	case s == "":
		return "it is empty", "remove it, or write a host name"
	case strings.Contains(name, "*"):
		return "a wildcard stands elsewhere than as the first label", "write *.example.com for all subdomains of example.com"
	case strings.ContainsAny(s, ":/?#@"):
		return "it is more than a host name", "leave out scheme, port and path"
	case len(name) > 253:
		return "it is longer than 253 bytes", "write a host name"
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notLabel) {
			return "it is not a host name", "write it as DNS knows it, for example assets.example.com (xn-- form for other alphabets)"
		}
	}
	if numeric(name) {
		return "it looks like an IP address and is none", "write the address in full"
	}
	return "", ""
}

func notLabel(r rune) bool {
	return !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
}
