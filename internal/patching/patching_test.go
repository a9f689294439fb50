package patching

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/pack"
)

type files map[string]string

func noise(seed uint64, size int) string {
	b := make([]byte, size)
	var key [32]byte
	key[0] = byte(seed)
	_, _ = rand.NewChaCha8(key).Read(b)
	return string(b)
}

func built(t *testing.T, f files) *pack.Archive {
	t.Helper()
	tree := pack.Tree{Open: func(name string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(f[name])), nil }}
	for name, data := range f {
		tree.Sources = append(tree.Sources, pack.Source{Entry: pack.Entry{Path: name, Kind: pack.KindFile, Size: int64(len(data))}})
	}
	var b bytes.Buffer
	if _, err := pack.Build(t.Context(), &b, tree, pack.BuildOptions{}); err != nil {
		t.Fatal(err)
	}
	a, err := pack.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestEachChangeHasItsCostAndItsReason(t *testing.T) {
	big := noise(1, 3<<20)
	old := files{"same": noise(2, 9000), "big": big, "gone": "x", "before": noise(3, 200_000), "all": noise(4, 1<<20), "a.zip": noise(5, 1<<20), "small": "one", "emptied": "full"}
	now := files{"same": old["same"], "big": big[:1<<20] + "new bytes" + big[1<<20:], "after": old["before"], "all": noise(6, 1<<20), "a.zip": noise(7, 1<<20), "small": "two",
		"copy": old["same"], "new": noise(8, 5000), "emptied": ""}
	u, err := Compare(t.Context(), built(t, old), built(t, now))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Change{}
	for _, c := range u.Changes {
		got[c.Path] = c
	}
	for path, want := range map[string]struct {
		fate Fate
		why  string
		from string
	}{
		"same": {Kept, "unchanged", ""}, "big": {Changed, "of its", ""}, "gone": {Removed, "not in the new version", ""},
		"after": {Moved, "it was before", "before"}, "copy": {Moved, "those of same, which stays", "same"}, "all": {Changed, "written anew", ""},
		"a.zip": {Changed, "it is compressed", ""}, "small": {Changed, "a single chunk", ""}, "new": {Added, "it is new", ""}, "emptied": {Changed, "empty now", ""},
	} {
		c := got[path]
		if c.Fate != want.fate || !strings.Contains(c.Why, want.why) || c.From != want.from {
			t.Errorf("%s: %+v", path, c)
		}
		if dear := c.Fate == Added || c.Fate == Changed && path != "emptied"; dear != (c.Cost > 0) {
			t.Errorf("%s costs %d", path, c.Cost)
		}
	}
	if u.Cost() != u.Figures.Download {
		t.Errorf("the changes cost %d, the download is %d", u.Cost(), u.Figures.Download)
	}
	if len(got) != 10 {
		t.Errorf("%d changes", len(got))
	}
}

func zipped(method uint16, when time.Time, names ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name[:min(len(name), 5)], Method: method, Modified: when})
		if err == nil {
			_, err = io.WriteString(f, name+noise(uint64(len(name)), 100_000))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

func tarred(when time.Time) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "a", Size: 100_000, Mode: 0o644, ModTime: when, Format: tar.FormatUSTAR}); err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, noise(1, 100_000))
	_ = w.Close()
	return b.String()
}

func gzipped(text string, when time.Time) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.ModTime = when
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

var someday = time.Date(2024, 5, 6, 7, 8, 10, 0, time.UTC)

func told(found []Finding) string {
	lines := map[string]bool{}
	for _, f := range found {
		lines[fmt.Sprintf("%s %s", f.Path, f.Rule)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(lines)), ", ")
}

func TestWhatMakesUpdatesDearIsFound(t *testing.T) {
	none, noisy := time.Time{}, noise(9, 100_000)
	tree := files{
		"good.zip": zipped(zip.Store, none, "a"), "times.zip": zipped(zip.Store, someday, "a"), "packed.zip": zipped(zip.Deflate, none, noisy),
		"good.tar": tarred(time.Unix(0, 0)), "times.tar": tarred(someday), "a.tar.gz": gzipped(tarred(someday)+noisy, none), "times.gz": gzipped(noisy, someday),
		"a.7z": "7z\xbc\xaf\x27\x1c" + noisy, "a.xz": "\xfd7zXZ\x00" + noisy, "tiny.gz": gzipped("text", someday), "sub/.DS_Store": "x", "text": "PK is no zip", "broken.zip": "PK\x03\x04 no end", "empty": "", "empty.zip": zipped(zip.Store, none),
	}
	want := "a.7z solid, a.tar.gz solid, a.xz solid, packed.zip compressed, sub/.DS_Store litter, times.gz solid, times.gz timestamps, times.tar timestamps, times.zip timestamps"
	ofPack, err := LintPack(t.Context(), nil, built(t, tree))
	if err != nil || told(ofPack) != want {
		t.Errorf("of the pack: %s (%v)", told(ofPack), err)
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range tree {
		if err := root.WriteFile(name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ofTree, err := LintTree(t.Context(), root)
	if err != nil || told(ofTree) != want {
		t.Errorf("of the tree: %s (%v)", told(ofTree), err)
	}
	for _, f := range ofTree {
		if f.Problem == "" || f.Advice == "" {
			t.Errorf("%+v says too little", f)
		}
	}
	if err := root.WriteFile("giant", nil, 0o644); err == nil {
		err = os.Truncate(dir+"/giant", giantBytes)
		if found, lintErr := LintTree(t.Context(), root); err != nil || lintErr != nil || !strings.Contains(told(found), "giant giant") {
			t.Errorf("%s (%v, %v)", told(found), err, lintErr)
		}
	}
}

func TestAComparisonFindsMore(t *testing.T) {
	old := files{"a.zip": zipped(zip.Store, time.Time{}, "a", "b", "c"), "b.zip": zipped(zip.Store, time.Time{}, "a", "b"), "blob": noise(1, 2<<20), "blob2": noise(2, 2<<20)}
	now := files{"a.zip": zipped(zip.Store, time.Time{}, "c", "a", "b"), "b.zip": zipped(zip.Store, time.Time{}, "a", "aa", "b"), "blob": noise(3, 2<<20), "blob2": old["blob2"] + "x"}
	found, err := LintPack(t.Context(), built(t, old), built(t, now))
	if err != nil || told(found) != "a.zip reordered, blob rewritten" {
		t.Errorf("%s (%v)", told(found), err)
	}
}

func FuzzLintLooksAtAnything(f *testing.F) {
	f.Add([]byte(zipped(zip.Deflate, someday, "a", "b")))
	f.Add([]byte(gzipped(tarred(someday), someday)))
	f.Add([]byte(tarred(someday)))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &linter{}
		l.look(&sample{path: "x", size: worthwhile + int64(len(data)), head: data[:min(len(data), headSize)], tail: data[max(0, len(data)-tailSize):]})
		l.done()
	})
}
