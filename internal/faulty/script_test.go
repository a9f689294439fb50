package faulty

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestAScriptIsRead(t *testing.T) {
	got, err := Parse("drop@1MiB:3, slow=2Mbit,status=503:3,stall@50%:*,truncate,etag-change,*.assetpack:corrupt@random,/a/b:status=404:*,level1:drop@7")
	if err != nil {
		t.Fatal(err)
	}
	want := []Fault{{Kind: Drop, At: 1 << 20, Times: 3}, {Kind: Slow, Value: 250_000, Times: Always}, {Kind: Status, Value: 503, Times: 3},
		{Kind: Stall, Part: 0.5, Times: Always}, {Kind: Drop, Part: 0.5, Times: 1}, {Kind: ETagChange, Times: 1},
		{Kind: Corrupt, Random: true, Times: 1, File: "*.assetpack"}, {Kind: Status, Value: 404, Times: Always, File: "/a/b"}, {Kind: Drop, At: 7, Times: 1, File: "level1"}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Fault{}, "Word")); diff != "" {
		t.Error(diff)
	}
	if got[1].Word != "slow=2Mbit" || got[6].Word != "*.assetpack:corrupt@random" {
		t.Errorf("%+v", got)
	}
	if none, err := Parse(""); none != nil || err != nil {
		t.Errorf("%v, %v", none, err)
	}
}

func TestAScriptWithAMistakeIsRefused(t *testing.T) {
	for _, s := range []string{"x", "drop", "drop@", "drop@x", "drop@100%", "drop@0%", "drop@-1", "drop@NaN", "slow", "slow=0", "slow=1e300GiB", "status=1", "status=503@5", "status",
		"truncate:0", "truncate:x", "truncate=1", ",", "etag-change@5", "a:b:drop@1", ":drop@1", "[:drop@1", "a:", "drop@1:2:3", "drop@1=2",
		strings.Repeat("truncate,", 1000) + "truncate"} {
		if f, err := Parse(s); err == nil {
			t.Errorf("%.100q is read as %+v", s, f)
		}
	}
}

func TestAFileIsMatchedByPathOrByName(t *testing.T) {
	names := []string{"/larder/v1/blobs/ab/abcd", "level1", "level1.assetpack"}
	for pattern, want := range map[string]bool{"": true, "*.assetpack": true, "level?": true, "abcd": true, "larder/v1/blobs/*/*": true, "/larder/**": true,
		"*": true, "*.json": false, "blobs/*": false, "level2": false} {
		if f := (Fault{File: pattern}); f.matches(names) != want {
			t.Errorf("%q: %v", pattern, !want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("drop@1MiB:3,slow=2Mbit")
	f.Add("*.assetpack:corrupt@random:*,a/[b]:status=503")
	f.Fuzz(func(t *testing.T, s string) {
		faults, err := Parse(s)
		for _, x := range faults {
			if err == nil && (x.Times < 1 || x.At < 0 || x.Part < 0 || x.Part >= 1 || x.Value < 0) {
				t.Fatalf("%q: %+v", s, x)
			}
			again, err := Parse(x.Word)
			if err != nil || len(again) != 1 || again[0] != x {
				t.Fatalf("%q is read as %+v, then as %+v (%v)", x.Word, x, again, err)
			}
			x.matches([]string{"/a/b", "c"})
		}
	})
}
