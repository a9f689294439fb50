package dirs

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestOneFolderHoldsEverything(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("LARDER_DATA", dir)
	d, err := Find("")
	if err != nil || d.Data != dir {
		t.Fatalf("Find = %+v, %v", d, err)
	}
	short, _ := Find("/d")
	for _, p := range []string{short.Database(), short.OwnerSocket(), short.Container("group.a"), short.Inbox("group.a", "a"), short.LockFile()} {
		if !strings.HasPrefix(p, "/d/") {
			t.Errorf("%s lies outside the data directory", p)
		}
	}
}

func TestSocketsFitTheAddressEvenForALongDataDirectory(t *testing.T) {
	long := "/" + strings.Repeat("long/", 60)
	d, err := Find(long)
	if err != nil {
		t.Fatal(err)
	}
	if p := d.AppSocket("org.example.game"); len(p) > 103 {
		t.Errorf("socket path has %d bytes: %s", len(p), p)
	}
	again, _ := Find(long + "/")
	if d != again {
		t.Errorf("the same folder gave %+v and %+v", d, again)
	}
	if other, _ := Find(filepath.Join(long, "x")); other.Run == d.Run {
		t.Error("two data directories share their sockets")
	}
}
