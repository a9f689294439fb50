package demo

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// tree is a file system whose broken files end in an error when they are read
// past their first byte.
type tree struct {
	fstest.MapFS
	broken map[string]bool
}

func (t tree) Open(name string) (fs.File, error) {
	f, err := t.MapFS.Open(name)
	if err == nil && t.broken[name] {
		return badFile{f}, nil
	}
	return f, err
}

type badFile struct{ fs.File }

var errBad = errors.New("input/output error")

func (badFile) ReadAt(p []byte, off int64) (int, error) { return min(len(p), 1), errBad }

func text(size int, seed string) *fstest.MapFile {
	return &fstest.MapFile{Data: bytes.Repeat([]byte(seed), size/len(seed)+1)[:size], Mode: 0o644}
}

func program(size int) *fstest.MapFile {
	f := text(size, "run!")
	f.Mode = 0o755
	return f
}

func mustPlan(t *testing.T, fsys fs.FS, limit int64) ([]*item, left) {
	t.Helper()
	var out left
	files, err := gather(t.Context(), fsys, &out)
	if err != nil {
		t.Fatal(err)
	}
	items, err := plan(t.Context(), fsys, files, limit, &out)
	if err != nil {
		t.Fatal(err)
	}
	return items, out
}

func names(items []*item) (out []string) {
	for _, it := range items {
		word := "later"
		if it.Essential {
			word = "essential"
		}
		out = append(out, fmt.Sprintf("%s %s %d", word, it.Name, it.Files))
	}
	return out
}

func readAll(t *testing.T, it *item) []byte {
	t.Helper()
	r := &reader{content: it.content}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSmallFilesAreJoinedByFolderAndLargeOnesStandAlone(t *testing.T) {
	fsys := fstest.MapFS{
		"README":         text(100, "r"),
		"bin/go":         program(3 << 20),
		"bin/tiny":       program(10),
		"doc/big":        text(2<<20, "d"),
		"src/a.go":       text(700, "a"),
		"src/deep/b.go":  text(512, "b"),
		"src/empty":      text(0, "-"),
		"test/large.txt": text(1<<20, "t"),
	}
	items, out := mustPlan(t, fsys, maxBytes)
	want := []string{"essential bin/go 1", "later files.tar 1", "later doc/big 1", "later bin.tar 1", "later test/large.txt 1", "later src.tar 3"}
	if diff := cmp.Diff(want, names(items)); diff != "" {
		t.Error(diff)
	}
	if out != (left{}) {
		t.Errorf("left out: %+v, want nothing", out)
	}
	for _, it := range items {
		data := readAll(t, it)
		sum := sha256.Sum256(data)
		if int64(len(data)) != it.Size || hex.EncodeToString(sum[:]) != it.SHA256 {
			t.Errorf("%s has %d bytes with %x; its entry says %d with %s", it.Name, len(data), sum, it.Size, it.SHA256)
		}
	}
}

func TestAJoinIsATarOfItsFiles(t *testing.T) {
	long := "src/" + strings.Repeat("long/", 60) + "ä.go"
	fsys := fstest.MapFS{"src/a.go": text(700, "a"), "src/b.go": text(512, "b"), "src/empty": text(0, "-"), long: text(30, "l")}
	items, _ := mustPlan(t, fsys, maxBytes)
	if len(items) != 1 {
		t.Fatalf("items: %v", names(items))
	}
	got := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(readAll(t, items[0]))); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = string(data)
	}
	want := map[string]string{}
	for name, f := range fsys {
		want[name] = string(f.Data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFileThatCannotBeReadIsLeftOutAndSpoilsNothing(t *testing.T) {
	good := fstest.MapFS{"src/a.go": text(700, "a"), "src/c.go": text(900, "c")}
	all := fstest.MapFS{"src/a.go": good["src/a.go"], "src/b.go": text(800, "b"), "src/c.go": good["src/c.go"], "huge": text(2<<20, "h")}
	want, _ := mustPlan(t, good, maxBytes)
	got, out := mustPlan(t, tree{all, map[string]bool{"src/b.go": true, "huge": true}}, maxBytes)
	if diff := cmp.Diff(names(want), names(got)); diff != "" {
		t.Fatal(diff)
	}
	if got[0].SHA256 != want[0].SHA256 || !bytes.Equal(readAll(t, got[0]), readAll(t, want[0])) {
		t.Error("the join holds something of the unreadable file")
	}
	if out.unreadable != 2 || out.firstUnreadable != "huge" {
		t.Errorf("told of %d unreadable files, the first %q; want 2 and huge", out.unreadable, out.firstUnreadable)
	}
}

func TestBytesAreBounded(t *testing.T) {
	fsys := fstest.MapFS{"a": text(2<<20, "a"), "b": text(9<<20, "b"), "c": text(100, "c")}
	items, out := mustPlan(t, fsys, 3<<20)
	if diff := cmp.Diff([]string{"essential a 1", "later files.tar 1"}, names(items)); diff != "" {
		t.Error(diff)
	}
	if out.tooMuch != 1 || out.tooMuchBytes != 9<<20 {
		t.Errorf("left out %d files of %d bytes, want b alone", out.tooMuch, out.tooMuchBytes)
	}
}

func TestDownloadsStayFewWithManyFoldersOrManyLargeFiles(t *testing.T) {
	fsys := fstest.MapFS{}
	for n := range 500 {
		fsys[fmt.Sprintf("folder-%03d/small", n)] = text(10, "s")
	}
	for n := range maxLarge + 20 {
		fsys[fmt.Sprintf("large/%03d", n)] = text(largeFile, "l")
	}
	items, _ := mustPlan(t, fsys, maxBytes)
	if len(items) > maxLarge+10 {
		t.Errorf("%d downloads", len(items))
	}
	files := 0
	for _, it := range items {
		files += it.Files
	}
	if files != len(fsys) {
		t.Errorf("they hold %d files of %d", files, len(fsys))
	}
}

func TestNamesAreUniqueAndNeverAlsoAFolder(t *testing.T) {
	fsys := fstest.MapFS{
		"src.tar":     text(1<<20, "1"),
		"src/small":   text(10, "2"),
		"x.tar/large": text(1<<20, "3"),
		"x/small":     text(10, "4"),
		"bad\nname":   text(1<<20, "5"),
		"bad\\name":   text(1<<20, "6"),
	}
	items, _ := mustPlan(t, fsys, maxBytes)
	seen := map[string]bool{}
	for _, it := range items {
		if seen[it.Name] || !plain(it.Name) {
			t.Errorf("the name %q is taken or not plain", it.Name)
		}
		seen[it.Name] = true
	}
	for name := range seen {
		for other := range seen {
			if strings.HasPrefix(other, name+"/") {
				t.Errorf("%q is a file and a folder of %q", name, other)
			}
		}
	}
}

func TestEssentialIsWhatTheAppStartsWith(t *testing.T) {
	for _, c := range []struct {
		name string
		tree fstest.MapFS
		want []string
	}{
		{"programs up to half", fstest.MapFS{"a": text(4<<20, "a"), "p": program(4 << 20), "q": program(4 << 20)},
			[]string{"essential p 1", "later a 1", "later q 1"}},
		{"without programs a third", fstest.MapFS{"a": text(2<<20, "a"), "b": text(2<<20, "b"), "c": text(2<<20, "c")},
			[]string{"essential a 1", "later b 1", "later c 1"}},
		{"one file", fstest.MapFS{"a": text(5, "a")}, []string{"essential files.tar 1"}},
		{"nothing but an empty file", fstest.MapFS{"a": text(0, "-")}, []string{"essential files.tar 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			items, _ := mustPlan(t, c.tree, maxBytes)
			if diff := cmp.Diff(c.want, names(items)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOnlyRegularFilesAreTaken(t *testing.T) {
	fsys := fstest.MapFS{"a": text(5, "a"), "link": {Data: []byte("a"), Mode: fs.ModeSymlink | 0o777}, "pipe": {Mode: fs.ModeNamedPipe}}
	items, out := mustPlan(t, fsys, maxBytes)
	if len(items) != 1 || items[0].Files != 1 || out.special != 2 {
		t.Errorf("items %v, %d special", names(items), out.special)
	}
}

func TestAChangedFileIsAnErrorAndNotOtherBytes(t *testing.T) {
	fsys := fstest.MapFS{"a": text(2<<20, "a")}
	items, _ := mustPlan(t, fsys, maxBytes)
	fsys["a"] = text(1<<20, "a")
	if _, err := io.ReadAll(&reader{content: items[0].content}); !errors.Is(err, errChanged) {
		t.Errorf("got %v, want errChanged", err)
	}
}
