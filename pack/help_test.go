package pack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"larder/asset"
)

// node is a file of a tree in memory. A nil *node is nothing.
type node struct {
	kind   Kind
	data   []byte
	target string
}

type forest map[string]node

func (f forest) tree() Tree {
	t := Tree{Open: func(name string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(f[name].data)), nil
	}}
	for path, n := range f {
		t.Sources = append(t.Sources, Source{Entry: Entry{Path: path, Kind: n.kind, Size: int64(len(n.data)), Target: n.target}})
	}
	return t
}

// noise gives bytes that do not compress; text gives bytes that do. Both depend on
// nothing but their arguments.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func text(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	words := []string{"larder ", "stocks ", "the ", "shelf ", "before ", "anyone ", "asks\n", "for ", "bread ", "and ", "salt "}
	b := make([]byte, 0, size+8)
	for len(b) < size {
		b = append(b, words[r.IntN(len(words))]...)
	}
	return b[:size]
}

// sample has every kind of entry, and files below, at and above the bounds that matter.
func sample() forest {
	f := forest{
		"bin/tool":          {kind: KindExecutable, data: text(1, 5000)},
		"bin/t":             {kind: KindLink, target: "tool"},
		"data/empty":        {kind: KindFile},
		"data/one":          {kind: KindFile, data: []byte{1}},
		"data/big.bin":      {kind: KindFile, data: noise(2, 3<<20)},
		"data/big.txt":      {kind: KindFile, data: text(3, 2<<20+17)},
		"data/block":        {kind: KindFile, data: text(4, 512)},
		"data/chunk":        {kind: KindFile, data: noise(5, minChunk)},
		"data-2/x":          {kind: KindFile, data: text(6, 40000)},
		"data.txt":          {kind: KindFile, data: text(7, 100)},
		"nothing/in/here":   {kind: KindDirectory},
		"über/straße.txt":   {kind: KindFile, data: text(8, 10)},
		"links/up":          {kind: KindLink, target: "../data/one"},
		"links/top":         {kind: KindLink, target: ".."},
		"zero":              {kind: KindFile, data: make([]byte, 700<<10)},
		longPath():          {kind: KindFile, data: text(9, 1000)},
		"links/long target": {kind: KindLink, target: "../" + longPath()},
	}
	return f
}

func longPath() string {
	b := []byte("deep")
	for range 12 {
		b = append(b, "/a directory with a name"...)
	}
	return string(b)
}

// quick has many sections, so that few files are enough to reach over them.
var quick = effort{level: zstd.SpeedFastest, section: 12}

// pack builds with a fast encoder; what it compresses to is tested with the vectors.
func pack(t testing.TB, f forest, opts BuildOptions) ([]byte, Summary) {
	t.Helper()
	var b bytes.Buffer
	sum, err := build(context.Background(), &b, f.tree(), opts, quick)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), sum
}

func open(t testing.TB, b []byte) *Archive {
	t.Helper()
	a, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tempRoot(t testing.TB) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func subRoot(t testing.TB, root *os.Root, name string) *os.Root {
	t.Helper()
	if err := root.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub
}

// readForest is what lies below root, read by nothing of ours.
func readForest(t testing.TB, root *os.Root) forest {
	t.Helper()
	f := forest{}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		n := node{kind: KindFile}
		switch {
		case d.IsDir():
			if entries, err := fs.ReadDir(root.FS(), name); err != nil || len(entries) > 0 || name == "." {
				return err
			}
			n.kind = KindDirectory
		case info.Mode()&fs.ModeSymlink != 0:
			n.kind = KindLink
			if n.target, err = root.Readlink(name); err != nil {
				return err
			}
		default:
			if info.Mode()&0o100 != 0 {
				n.kind = KindExecutable
			}
			if n.data, err = root.ReadFile(name); err != nil {
				return err
			}
		}
		f[name] = n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func sameForest(t testing.TB, got, want forest) {
	t.Helper()
	for path, w := range want {
		g, ok := got[path]
		switch {
		case !ok:
			t.Errorf("%s is missing", path)
		case g.kind != w.kind || g.target != w.target || !bytes.Equal(g.data, w.data):
			t.Errorf("%s is %s of %d bytes → %q; want %s of %d bytes → %q", path, g.kind, len(g.data), g.target, w.kind, len(w.data), w.target)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s is too much", path)
		}
	}
}

func wantCode(t testing.TB, err error, codes ...asset.Code) {
	t.Helper()
	var e *asset.Error
	if !errors.As(err, &e) || !slices.Contains(codes, e.Code) {
		t.Errorf("got %v; want a code of %v", err, codes)
	}
}
