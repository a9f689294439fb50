package shelf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

func TestPacksLieOverEachOtherAsOneTree(t *testing.T) {
	b := newBench(t)
	b.view(
		b.tree("base", 1, "", "readme", "img/a.png", "img/deep/b.png", "only/here/x", "empty/"),
		b.tree("extra", 1, "", "img/c.png", "img/deep/d.png", "more", "link→img/c.png", "img/up→../more"))
	s := b.open(Options{})
	for name, want := range map[string]string{
		"readme": "base1:readme", "img/a.png": "base1:img/a.png", "img/c.png": "extra1:img/c.png", "img/deep/b.png": "base1:img/deep/b.png",
		"img/deep/d.png": "extra1:img/deep/d.png", "only/here/x": "base1:only/here/x", "more": "extra1:more", "link": "extra1:img/c.png", "img/up": "extra1:more",
		"img/none": "-", "none": "-", "none/x": "-", "only/here/none": "-",
	} {
		if got := read(t, s, name, In{}); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		pack, _, _ := strings.Cut(want, "1:")
		if want != "-" && read(t, s, name, In{Pack: asset.PackID(pack)}) != want {
			t.Errorf("%s is not in its pack", name)
		}
	}
	if got := read(t, s, "readme", In{Pack: "extra"}); got != "-" {
		t.Errorf("a pack has another's file: %q", got)
	}
	for name, want := range map[string]string{".": "empty img link more only readme", "img": "a.png c.png deep up", "img/deep": "b.png d.png", "only": "here", "empty": ""} {
		entries, err := s.ReadDir(name, In{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := names(entries); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if entries, err := s.ReadDir("img", In{Pack: "base"}); err != nil || names(entries) != "a.png deep" {
		t.Errorf("img of one pack holds %q, %v", names(entries), err)
	}
	_, err := s.Open("x", In{Pack: "nobody"})
	wantManaged(t, err, 0)
	_, err = s.ReadDir("nowhere", In{})
	wantManaged(t, err, 1)
}

func names(entries []fs.DirEntry) string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestLanguagesDecideWhereSeveralPacksHaveAPath(t *testing.T) {
	b := newBench(t)
	b.view(b.tree("text", 1, "", "menu", "all"), b.tree("text-fr", 1, "fr", "menu", "voice"), b.tree("text-de", 1, "de", "menu", "voice"))
	for _, c := range []struct {
		prefer []string
		in     In
		name   string
		want   string
	}{
		{nil, In{}, "menu", "text1:menu"},
		{nil, In{}, "voice", "text-de1:voice"}, // by the tag
		{[]string{"it", "fr"}, In{}, "menu", "text-fr1:menu"},
		{[]string{"fr", "de"}, In{}, "voice", "text-fr1:voice"},
		{[]string{"fr"}, In{}, "all", "text1:all"},
		{[]string{"fr"}, In{Language: "de"}, "menu", "text-de1:menu"},
		{nil, In{Language: "de"}, "all", "-"},
		{nil, In{Language: "en"}, "menu", "-"},
		{nil, In{Language: "de", Pack: "text-fr"}, "menu", "-"},
		{nil, In{Language: "fr", Pack: "text-fr"}, "menu", "text-fr1:menu"},
	} {
		if got := read(t, b.open(Options{Languages: c.prefer}), c.name, c.in); got != c.want {
			t.Errorf("%s, preferring %v, in %+v: %q, want %q", c.name, c.prefer, c.in, got, c.want)
		}
	}
}

func TestNoPathLeadsOut(t *testing.T) {
	b := newBench(t)
	b.must(os.WriteFile(filepath.Join(b.dir, "secret"), []byte("no"), 0o644))
	for _, packs := range [][]Pack{
		{b.tree("a", 1, "", "x", "out→../../../../secret", "abs→/etc/passwd", "dir→../../.."), b.tree("b", 1, "", "y")},
		{b.tree("c", 1, "", "x", "out→../../../../secret", "abs→/etc/passwd", "dir→../../..")},
	} {
		b.view(packs...)
		s := b.open(Options{})
		for _, name := range []string{"out", "abs", "dir/secret", "../../../secret", "x/../../../../secret", "/etc/passwd", "", "..", "x/", "x//", "./x", "a\x00b", "x\xff"} {
			for _, in := range []In{{}, {Pack: packs[0].ID}} {
				f, err := s.Open(name, in)
				if err == nil {
					f.Close()
					t.Errorf("%q was opened", name)
				}
				wantManaged(t, err, 1)
				_, err = s.ReadDir(name, in)
				wantManaged(t, err, 1)
				if at, err := s.Path(name, in); err == nil {
					t.Errorf("%q lies at %s", name, at)
				}
			}
		}
	}
}

func TestAnEmptyShelfHasAnEmptyRoot(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "not", "there"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := s.ReadDir(".", In{}); err != nil || len(entries) > 0 {
		t.Errorf("its root holds %v, %v", entries, err)
	}
	for _, name := range []string{".", "x"} {
		if _, err := s.Open(name, In{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.Packs()) > 0 {
		t.Errorf("it has packs: %v", s.Packs())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, err = s.Open("x", In{})
	wantCode(t, err, asset.CodeState)
	_, err = s.Refresh()
	wantCode(t, err, asset.CodeState)
	wantCode(t, s.Add("a"), asset.CodeState)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestDirectoriesWithMoreNamesThanAreKeptStillMerge(t *testing.T) {
	defer func(n int) { maxNames = n }(maxNames)
	maxNames = 10
	b := newBench(t)
	many := make([]string, 8)
	other := make([]string, len(many))
	for i := range many {
		many[i], other[i] = fmt.Sprintf("wide/a%d", i), fmt.Sprintf("wide/b%d", i)
	}
	b.view(b.tree("a", 1, "", append(many, "wide/sub/x")...), b.tree("b", 1, "", append(other, "wide/sub/y")...))
	s := b.open(Options{})
	for _, name := range []string{"wide/a0", "wide/a7", "wide/b7", "wide/sub/x", "wide/sub/y", "wide/sub/x"} {
		pack := "a"
		if strings.Contains(name, "b") && !strings.HasSuffix(name, "x") {
			pack = "b"
		}
		if got, want := read(t, s, name, In{}), pack+"1:"+name; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := read(t, s, "wide/none", In{}); got != "-" {
		t.Errorf("none is %q", got)
	}
	if !s.now.all.top.names["wide"].branch.wide {
		t.Error("the directory is not wide; the test shows nothing")
	}
}

func TestSharedDirectoriesAreMadeWhenAPathIsAskedFor(t *testing.T) {
	b := newBench(t)
	b.view(
		b.tree("base", 1, "", "img/a.png", "img/deep/b.png", "img/solo/s", "one/x"),
		b.tree("extra", 1, "", "img/c.png", "img/deep/d.png", "img/up→c.png"))
	scratch := t.TempDir()
	s := b.open(Options{Scratch: scratch})
	one, err := s.Path("one", In{})
	if err != nil || !strings.HasPrefix(one, b.dir) {
		t.Errorf("a directory of one pack lies at %s, %v", one, err)
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("something was made for it: %v", left)
	}
	img, err := s.Path("img", In{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a.png": "base1:img/a.png", "c.png": "extra1:img/c.png", "deep/b.png": "base1:img/deep/b.png",
		"deep/d.png": "extra1:img/deep/d.png", "solo/s": "base1:img/solo/s", "up": "extra1:img/c.png"} {
		if got, err := os.ReadFile(filepath.Join(img, name)); string(got) != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	entries, err := os.ReadDir(img)
	if err != nil || names(entries) != "a.png c.png deep solo up" {
		t.Errorf("it holds %q, %v", names(entries), err)
	}
	if again, err := s.Path("img", In{}); again != img || err != nil {
		t.Errorf("asked again it lies at %s, %v; want %s", again, err, img)
	}
	if in, err := s.Path("img", In{Pack: "base"}); err != nil || !strings.HasPrefix(in, b.dir) {
		t.Errorf("in one pack it lies at %s, %v", in, err)
	}
	if file, err := s.Path("img/c.png", In{}); err != nil || !strings.HasPrefix(file, b.dir) {
		t.Errorf("a file lies at %s, %v", file, err)
	}
	_, err = s.Path("img/none", In{})
	wantManaged(t, err, 1)

	// Another process neither touches what this one has nor leaves what a dead one had.
	dead := filepath.Join(scratch, scratchPrefix+"dead")
	b.must(os.MkdirAll(filepath.Join(dead, "1", "img"), 0o755))
	other, err := Open(b.dir, Options{Scratch: scratch})
	b.must(err)
	at, err := other.Path("img", In{})
	if err != nil || at == img {
		t.Errorf("the other's lies at %s, %v", at, err)
	}
	if _, err := os.Stat(filepath.Join(img, "a.png")); err != nil {
		t.Errorf("the first one's is gone: %v", err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dead one's is there: %v", err)
	}
	b.must(other.Close())
	b.must(s.Close())
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("something is left: %v", left)
	}
}

func TestMergedDirectoriesAreCopiedWhereNoLinksCanBe(t *testing.T) {
	b := newBench(t)
	p := b.tree("a", 1, "", "dir/x", "dir/y/z")
	to := filepath.Join(t.TempDir(), "to")
	b.must(os.MkdirAll(filepath.Join(to, "dir"), 0o755)) // in the way of a link
	if err := join(filepath.Join(b.dir, p.Root, "dir"), filepath.Join(to, "dir"), true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("something was replaced: %v", err)
	}
	b.must(copyFile(filepath.Join(b.dir, p.Root, "dir/x"), filepath.Join(to, "x")))
	got, err := os.ReadFile(filepath.Join(to, "x"))
	if diff := cmp.Diff("a1:dir/x", string(got)); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
