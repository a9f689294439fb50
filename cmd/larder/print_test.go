package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

func TestForeignWordsCannotSteerTheTerminal(t *testing.T) {
	var out, errOut strings.Builder
	c := &cli{out: &out, err: &errOut}
	c.say("%s", "a\x1b[2Jb\rc\u202ed")
	c.note("%s", "e\x07f")
	c.report(&asset.Error{Op: "fetch", Subject: "g\x1bh", Message: "i\x9bj", Help: "k\x1bl\nm"})
	if got := out.String() + errOut.String(); strings.ContainsAny(got, "\x1b\x07\r\u009b\u202e") {
		t.Errorf("%q reaches the terminal", got)
	}
	if want := "  k\ufffdl\n  m\n"; !strings.HasSuffix(errOut.String(), want) {
		t.Errorf("%q does not end with the two lines of help", errOut.String())
	}
}

func TestTableAlignsWhatIsNotASCII(t *testing.T) {
	tab := table{right: []int{1}}
	tab.add("äöü", "5 %", "x")
	tab.add("a", "100 %", "")
	want := []string{"> äöü    5 %  x", "> a    100 %"}
	if d := cmp.Diff(want, tab.lines("> ")); d != "" {
		t.Error(d)
	}
}

func TestWordsForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{span(59), "59 s"}, {span(200), "3 min 20 s"}, {span(7800), "2 h 10 min"},
		{short("level1.bin", 10), "level1.bin"}, {short("textures/level1.bin", 9), "text….bin"},
		{counted(1, "file"), "1 file"}, {counted(2, "file"), "2 files"},
		{redacted("https://user:secret@example.org/m?token=1#x"), "https://example.org/m"}, {redacted("http://[::1"), "an unreadable URL"},
		{percent(asset.DownloadStatus{Bytes: 1, TotalBytes: 3}), "33 %"}, {percent(asset.DownloadStatus{Bytes: 1}), ""},
		{percent(asset.DownloadStatus{Bytes: 4, TotalBytes: 3}), "100 %"},
	} {
		if c.got != c.want {
			t.Errorf("%q; want %q", c.got, c.want)
		}
	}
}

func TestExitCodeFollowsTheErrorThroughItsChain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("x"), 1}, {&usageError{"x", ""}, 2}, {told{7}, 7},
		{fmt.Errorf("x: %w", asset.Sentinel(asset.CodeConfiguration)), 65}, {asset.Sentinel(asset.CodeNotFound), 66},
		{asset.Sentinel(asset.CodeDownloadDoesNotExist), 66}, {asset.Sentinel(asset.CodeConnectionInvalid), 69},
		{asset.Sentinel(asset.CodeState), 75}, {asset.Sentinel(asset.CodeNoSpace), 1},
		{fmt.Errorf("x: %w", context.Canceled), 130}, {interrupted{"x"}, 130},
	} {
		if got := exitOf(c.err); got != c.want {
			t.Errorf("%v: exit code %d; want %d", c.err, got, c.want)
		}
	}
}

func TestTheFenceIsToldWithWhatItLacks(t *testing.T) {
	if fenceLines(nil) != nil {
		t.Error("a service that runs no processes has no fence to tell of")
	}
	full := asset.FenceStatus{Level: "namespaces+landlock+seccomp"}
	if d := cmp.Diff([]string{"", "extensions are held by namespaces+landlock+seccomp"}, fenceLines(&full)); d != "" {
		t.Error(d)
	}
	less := asset.FenceStatus{Level: "landlock", Missing: []asset.FenceGap{{What: "udp", Why: "old"}, {What: "sight", Why: "no namespaces"}}}
	want := []string{"", "extensions are held by landlock; not held:", "  udp    old", "  sight  no namespaces"}
	if d := cmp.Diff(want, fenceLines(&less)); d != "" {
		t.Error(d)
	}
}
