package main

import "testing"

func TestCapsAreReadAndShown(t *testing.T) {
	for in, want := range map[string]struct {
		n     int64
		shown string
	}{
		"off": {0, "off"}, "500kB": {500_000, "500kB"}, "1.5MB": {1_500_000, "1.5MB"}, "2 MB": {2_000_000, "2MB"},
		"1GB": {1_000_000_000, "1GB"}, "4096": {4096, "4096B"}, "1234567": {1234567, "1234567B"},
	} {
		n, ok := readCap(in)
		if !ok || *n != want.n || showCap(*n) != want.shown {
			t.Errorf("%q is read as %v, %v and shown as %q; want %d and %q", in, n, ok, showCap(want.n), want.n, want.shown)
		}
	}
	for _, in := range []string{"", "on", "-1MB", "0", "12", "1e30", "NaN", "InfGB", "MB", "1 M"} {
		if n, ok := readCap(in); ok {
			t.Errorf("%q is read as %d", in, *n)
		}
	}
}
