package site

import "testing"

func TestAMirrorIsAskedForTheSamePath(t *testing.T) {
	hosts := []string{"https://a.example", "https://b.example/x", "https://b.example"}
	for u, want := range map[string]struct {
		next  string
		again bool
	}{
		"https://a.example/larder/v1/apps/q/manifest.json": {"https://b.example/x/larder/v1/apps/q/manifest.json", false},
		"https://b.example/x/larder/v1/blobs/1":            {"https://b.example/larder/v1/blobs/1", false},
		"https://b.example/larder/v1/blobs/1":              {"https://a.example/larder/v1/blobs/1", true},
		"https://a.example/other/1":                        {"", false},
		"https://cdn.example/larder/v1/blobs/1":            {"", false},
		"https://a.example.evil/larder/v1/blobs/1":         {"", false},
	} {
		if next, again := Elsewhere(hosts, u); next != want.next || again != want.again {
			t.Errorf("%s: %s, %v", u, next, again)
		}
	}
	if next, _ := Elsewhere(hosts[:1], "https://a.example/larder/v1/x"); next != "" {
		t.Errorf("one host has the mirror %s", next)
	}
	if got := Beside(hosts, "https://a.example/larder/v1/x", "https://b.example/x/larder/v1/y"); got != "https://b.example/x/larder/v1/x" {
		t.Error(got)
	}
	if got := Beside(hosts, "https://a.example/larder/v1/x", "https://else.example/larder/v1/y"); got != "https://a.example/larder/v1/x" {
		t.Error(got)
	}
}
