package corpus

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a release of one file, and counts how often it was asked for.
type fake struct {
	text  string
	asked *int
}

func (f fake) fetch(_ context.Context, dir string) error {
	*f.asked++
	if f.text == "" {
		return errors.New("no such version")
	}
	return os.WriteFile(filepath.Join(dir, "file"), []byte(f.text), 0o644)
}

func digestOf(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := Digest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestACorpusIsFetchedOnce(t *testing.T) {
	asked, folder := 0, t.TempDir()
	p := Pair{Name: "x", Old: Release{Digest: digestOf(t, "one"), from: fake{"one", &asked}}, New: Release{Digest: digestOf(t, "two"), from: fake{"two", &asked}}}
	for range 2 {
		place, err := p.Fetch(t.Context(), folder)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(place, "new", "file")); err != nil || string(b) != "two" {
			t.Fatalf("%q, %v", b, err)
		}
	}
	if asked != 2 {
		t.Fatalf("asked %d times for two releases", asked)
	}
}

func TestACorpusOfOtherBytesOrWithoutOneReleaseIsNotThere(t *testing.T) {
	for _, second := range []string{"other", ""} {
		asked, folder := 0, t.TempDir()
		p := Pair{Name: "x", Old: Release{Digest: digestOf(t, "one"), from: fake{"one", &asked}}, New: Release{Digest: digestOf(t, "two"), from: fake{second, &asked}}}
		if _, err := p.Fetch(t.Context(), folder); err == nil {
			t.Errorf("%q was taken for two", second)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
			t.Errorf("left %v, %v", left, err)
		}
	}
}

func TestADigestSeesNamesBytesAndLinks(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	step := func(err error) {
		t.Helper()
		d, err2 := Digest(dir)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if seen[d] {
			t.Errorf("the digest did not change")
		}
		seen[d] = true
	}
	step(nil)
	step(os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644))
	step(os.WriteFile(filepath.Join(dir, "a"), []byte("y"), 0o644))
	step(os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
	step(os.Symlink("b", filepath.Join(dir, "c")))
}

func TestEachTreeIsPinned(t *testing.T) {
	lines := strings.Count(digests, "\n")
	for _, p := range All() {
		for _, r := range []Release{p.Old, p.New} {
			if len(r.Digest) != 64 {
				t.Errorf("%s of %s has no digest", r.What, p.Name)
			}
			lines--
		}
	}
	if lines != 0 {
		t.Errorf("digests.txt has %d lines too many", lines)
	}
}

func TestTheMirrorIsTheOneOfDebianItself(t *testing.T) {
	got, err := mirrorIn("Debian-Security main http://one/\nDebian contrib http://two/\nDebian main http://three/debian/\nDebian main http://four/\n")
	if err != nil || got != "http://three/debian/" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := mirrorIn("Other main http://one/\n"); err == nil {
		t.Errorf("%q", got)
	}
}

func TestAnAptStateLiesInItsFolderAlone(t *testing.T) {
	folder := t.TempDir()
	options, err := newAptState(folder, "http://mirror/", "trixie")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range options {
		name, value, ok := strings.Cut(o, "=")
		if ok && strings.HasPrefix(name, "Dir::") && value != "-" && !strings.HasPrefix(value, folder) {
			t.Errorf("%s lies outside", o)
		}
	}
	if b, err := os.ReadFile(filepath.Join(folder, "sources.list")); err != nil || !strings.Contains(string(b), "] http://mirror/ trixie main") {
		t.Errorf("%q, %v", b, err)
	}
}
