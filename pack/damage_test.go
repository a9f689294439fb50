package pack

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/asset"
)

// small is a pack of a few frames, so that each can be damaged in turn.
func small() forest {
	f := sample()
	f["data/big.bin"] = node{kind: KindFile, data: noise(2, 900<<10)}
	f["data/big.txt"] = node{kind: KindFile, data: text(3, 300<<10)}
	return f
}

var damage = []asset.Code{asset.CodeSizeMismatch, asset.CodeHashMismatch, asset.CodeDoesNotFit, asset.CodeTooLarge}

func TestEveryTruncationIsRefused(t *testing.T) {
	b, _ := pack(t, small(), BuildOptions{})
	for n := 0; n < len(b); n += 4096 {
		cut := b[:n]
		_, err := Open(bytes.NewReader(cut), int64(n))
		wantCode(t, err, damage...)
		_, err = Open(bytes.NewReader(cut), int64(len(b))) // a size that lies
		wantCode(t, err, damage...)
	}
}

func TestEveryFlippedBitIsFoundAndNamed(t *testing.T) {
	b, _ := pack(t, small(), BuildOptions{})
	places := []int{len(b) - 1, len(b) - 8, len(b) - 9, len(b) - 40, len(b) - 41, len(b) - 44, len(b) - 45, len(b) - 48, len(b) - 56, len(b) - 64}
	for n := 0; n < len(b); n += 4096 {
		places = append(places, n)
	}
	a := open(t, b)
	for i := range a.root.sections {
		start := int(a.start + a.from[i].index)
		places = append(places, start, start+4, start+7, start+8, start+30, start+int(a.root.sections[i].size()))
	}
	rooms := t.TempDir()
	for _, n := range places {
		for _, bit := range []byte{0x01, 0x80} {
			b[n] ^= bit
			checkDamaged(t, b, n, rooms)
			b[n] ^= bit
		}
	}
}

func checkDamaged(t *testing.T, b []byte, n int, rooms string) {
	t.Helper()
	a, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		wantCode(t, err, damage...)
		return
	}
	bad, err := a.Verify(t.Context())
	if err != nil || len(bad) == 0 {
		t.Errorf("flip at %d: verify found %v, %v", n, bad, err)
	}
	for _, m := range bad {
		if m.At < 0 || m.At > int64(n) {
			t.Errorf("flip at %d: blamed on byte %d: %v", n, m.At, m)
		}
	}
	dir, err := os.MkdirTemp(rooms, "")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	switch err := a.Extract(t.Context(), root); {
	case err == nil: // zstd ignores some bits; then all that was written must be right
		sameForest(t, readForest(t, root), small())
	case !strings.Contains(err.Error(), "at byte"):
		t.Errorf("flip at %d: the error names no place: %v", n, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyGoesOnAndListsAll(t *testing.T) {
	b, _ := pack(t, sample(), BuildOptions{})
	a := open(t, b)
	frames := []Frame{}
	for f, err := range a.Frames() {
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
	for _, f := range frames {
		b[f.Offset+f.Size/2] ^= 1
	}
	bad, err := a.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if !slices.ContainsFunc(bad, func(m Mismatch) bool { return m.At == f.Offset }) {
			t.Errorf("nothing was said of the frame at %d", f.Offset)
		}
	}
	if !slices.ContainsFunc(bad, func(m Mismatch) bool { return m.Path == "data/big.bin" && m.Offset > 0 }) {
		t.Errorf("no place in data/big.bin was named: %v", bad)
	}
}

func TestVerifyTreeNamesEverythingWrong(t *testing.T) {
	b, _ := pack(t, sample(), BuildOptions{})
	a, root := open(t, b), tempRoot(t)
	if err := a.Extract(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	big := bytes.Clone(sample()["data/big.bin"].data)
	big[1<<20] ^= 1
	must(root.WriteFile("data/big.bin", big, 0o644))
	must(root.Remove("data/one"))
	must(root.WriteFile("data/new", nil, 0o644))
	must(root.MkdirAll("extra/dir", 0o755))
	must(root.Chmod("bin/tool", 0o644))
	must(root.WriteFile("data.txt", []byte("short"), 0o644))
	must(root.Remove("bin/t"))
	must(root.Symlink("other", "bin/t"))
	must(root.RemoveAll("nothing"))
	must(root.WriteFile("nothing", nil, 0o644))
	bad, err := a.VerifyTree(t.Context(), root)
	must(err)
	got := map[string]bool{}
	for _, m := range bad {
		got[m.Path] = true
		if m.Path == "data/big.bin" && (m.Offset > 1<<20 || m.Offset+maxChunk <= 1<<20) {
			t.Errorf("the flipped byte is blamed on offset %d", m.Offset)
		}
	}
	for _, path := range []string{"data/big.bin", "data/one", "data/new", "extra", "bin/tool", "data.txt", "bin/t", "nothing", "nothing/in/here"} {
		if !got[path] {
			t.Errorf("nothing was said of %s", path)
		}
		delete(got, path)
	}
	if len(got) > 0 {
		t.Errorf("blamed without cause: %v", got)
	}
}

func TestExtractRefusesADirectoryInUse(t *testing.T) {
	b, _ := pack(t, forest{"a": {kind: KindFile, data: []byte("x")}}, BuildOptions{})
	root := tempRoot(t)
	if err := root.WriteFile("b", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wantCode(t, open(t, b).Extract(t.Context(), root), asset.CodeState)
}

func TestAnIndexAloneListsButDoesNotExtract(t *testing.T) {
	b, sum := pack(t, sample(), BuildOptions{})
	index := b[sum.Size-sum.IndexSize:]
	a := open(t, index)
	if a.Whole() || a.Content() != sum.Content {
		t.Errorf("whole %v, content %v", a.Whole(), a.Content())
	}
	n := 0
	for _, err := range a.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != sum.Entries {
		t.Errorf("%d entries; want %d", n, sum.Entries)
	}
	if bad, err := a.Verify(t.Context()); err != nil || len(bad) > 0 {
		t.Errorf("verify: %v, %v", bad, err)
	}
	wantCode(t, a.Extract(t.Context(), tempRoot(t)), asset.CodeState)
}

func TestErrorsOfTheDiskAreTyped(t *testing.T) {
	if err := disk("write", `"x"`, &os.PathError{Op: "write", Path: filepath.Join("a", "x"), Err: errNoSpace}); asset.CodeOf(err) != asset.CodeNoSpace || !errors.Is(err, errNoSpace) {
		t.Errorf("got %v", err)
	}
}
