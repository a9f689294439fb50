package demo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsLeftOutIsSaid(t *testing.T) {
	var out strings.Builder
	w := &world{out: &out}
	w.sayLeft(left{})
	if out.Len() > 0 {
		t.Errorf("nothing was left out, and it says:\n%s", out.String())
	}
	w.sayLeft(left{unreadable: 2, firstUnreadable: "a/secret", special: 1234, tooMuch: 3, tooMuchBytes: 5e9, more: true})
	holds(t, out.String(), "cannot be read: 2, the first: a/secret", "no plain files: 1,234", "a long one: 3, 5.0 GB", "the first 100,000 files")
}

func TestWordsAreFitForPeople(t *testing.T) {
	got := []string{some(1, "file"), some(0, "file"), some(15036, "file"), thousands(1234567), thousands(999), bar(1, 4), bar(9, 4), bar(0, 0)}
	want := []string{"1 file", "0 files", "15,036 files", "1,234,567", "999",
		"[=======---------------------]", "[============================]", "[----------------------------]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
