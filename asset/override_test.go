package asset

import (
	"strings"
	"testing"
)

func TestAnOverrideIsABaseURLThatMayBeFetchedFrom(t *testing.T) {
	for _, s := range []string{"", "http://127.0.0.1:8080", "http://localhost/", "http://[::1]:1", "https://192.0.2.1:8443", "https://game.example.org"} {
		if err := CheckURLOverride(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"127.0.0.1:8080", "http://192.0.2.1", "ftp://127.0.0.1", "http://127.0.0.1/manifest.json", "https://a.example?", "https://a.example?x=1", "https://a.example#x", "https://u:p@a.example",
		"https://", "https://" + strings.Repeat("a", MaxURL)} {
		if err := CheckURLOverride(s); CodeOf(err) != CodeBadRequest {
			t.Errorf("%.80q: %v", s, err)
		}
	}
}

func TestAnOverrideKeepsPathAndQuery(t *testing.T) {
	for _, c := range [][3]string{
		{"http://127.0.0.1:8080", "https://cdn.example.org/game/manifest.json?platform=Linux", "http://127.0.0.1:8080/game/manifest.json?platform=Linux"},
		{"http://127.0.0.1:8080/", "https://cdn.example.org:444/a%2Fb", "http://127.0.0.1:8080/a%2Fb"},
		{"", "https://cdn.example.org/a", "https://cdn.example.org/a"},
	} {
		if got := OverrideURL(c[0], c[1]); got != c[2] {
			t.Errorf("%q over %q is %q; want %q", c[0], c[1], got, c[2])
		}
	}
}
