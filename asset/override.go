package asset

import (
	"fmt"
	"net/url"
)

// CheckURLOverride judges the base URL from which a developer has an app's manifest and packs
// come in place of their own servers (managed §7.2): https, or http of this machine, and no more than a
// host. The empty one overrides nothing.
func CheckURLOverride(s string) error {
	if s == "" {
		return nil
	}
	err := CheckURL(s)
	if u, e := url.Parse(s); err == nil && e == nil && (u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "") {
		err = urlError("it holds more than scheme, host and port")
	}
	if err == nil && len(s) > MaxURL {
		err = urlError("it is too long")
	}
	if err == nil {
		return nil
	}
	return &Error{Code: CodeBadRequest, Op: "override URL", Subject: fmt.Sprintf("%.200q", s), Message: err.Error(),
		Help: "name what \"larder serve\" prints, as in http://127.0.0.1:8080"}
}

// OverrideURL is a URL with scheme, host and port of base, and all else its own. With an
// empty base, or where one of the two is no URL, it is s.
func OverrideURL(base, s string) string {
	if base == "" {
		return s
	}
	b, err := url.Parse(base)
	u, e := url.Parse(s)
	if err != nil || e != nil {
		return s
	}
	u.Scheme, u.Host = b.Scheme, b.Host
	return u.String()
}
