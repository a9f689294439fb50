package bundle

import "testing"

func TestAllows(t *testing.T) {
	r := &Restrictions{DomainAllowList: []string{"*.Example.org", "cdn.example.net", "127.0.0.1", "::1", "localhost.", "*.2.3.4"}}
	cases := map[string]bool{
		"a.example.org": true, "A.B.EXAMPLE.ORG.": true, "a.example.org:8443": true, "a.example.org:": true,
		"example.org": false, ".example.org": false, "badexample.org": false, "a.example.org.evil.com": false,
		"cdn.example.net": true, "x.cdn.example.net": false, "CDN.example.net:1": true,
		"127.0.0.1": true, "127.0.0.1:80": true, "127.0.0.2": false, "::ffff:127.0.0.1": true, "127.1": false,
		"[::1]": true, "[::1]:443": true, "::1": true, "[::2]:443": false, "0:0:0:0:0:0:0:1": true,
		"localhost": true, "localhost:9999": true, "localhost:x": false,
		"1.2.3.4": false, "x.2.3.4": false,
		"": false, "a.example.org\x00": false, "ä.example.org": false, "cdn.example.net evil": false,
	}
	for host, want := range cases {
		if got := r.Allows(host); got != want {
			t.Errorf("Allows(%q) = %v", host, got)
		}
	}
	if !(*Restrictions)(nil).Allows("anything") {
		t.Error("no restrictions, and yet a host is refused")
	}
	if (&Restrictions{}).Allows("a.org") {
		t.Error("an empty list allows a host")
	}
}

func TestParseVersion(t *testing.T) {
	good := map[string]string{"1": "1.0.0", "1.2": "1.2.0", "01.002.3": "1.2.3", "0": "0.0.0", "999999999.0.1": "999999999.0.1"}
	for in, want := range good {
		if v, err := ParseVersion(in); err != nil || v.String() != want {
			t.Errorf("ParseVersion(%q) = %v, %v", in, v, err)
		}
	}
	for _, in := range []string{"", ".", "1.", "1.2.3.4", "-1", "+1", "1.a", "1 ", "1234567890", "١"} {
		if v, err := ParseVersion(in); err == nil {
			t.Errorf("ParseVersion(%q) = %v", in, v)
		}
	}
}
