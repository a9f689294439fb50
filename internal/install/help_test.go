package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"larder/asset"
	"larder/internal/shelf"
	"larder/pack"
)

// tree is files by path. A path that ends in a slash is an empty directory, a value that
// begins with → a symbolic link.
type tree map[string]string

// issue is a published version of a pack, with a line to fetch it by.
type issue struct {
	Target
	tree tree
	data []byte

	mu      sync.Mutex
	fetched []byte // how often each byte was
	line    int64  // bytes after which it breaks; 0: never
	total   int64
	after   func(total int64) // looks at what was fetched
}

var errLine = errors.New("the line broke")

func publish(t testing.TB, id asset.PackID, version int64, f tree) *issue {
	t.Helper()
	src := pack.Tree{Open: func(name string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(f[name])), nil }}
	for path, data := range f {
		e := pack.Entry{Path: path, Kind: pack.KindFile, Size: int64(len(data))}
		if dir, ok := strings.CutSuffix(path, "/"); ok {
			e = pack.Entry{Path: dir, Kind: pack.KindDirectory}
		} else if target, ok := strings.CutPrefix(data, "→"); ok {
			e = pack.Entry{Path: path, Kind: pack.KindLink, Target: target}
		}
		src.Sources = append(src.Sources, pack.Source{Entry: e, From: path})
	}
	var b bytes.Buffer
	sum, err := pack.Build(context.Background(), &b, src, pack.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return issued(id, version, f, b.Bytes(), sum)
}

func issued(id asset.PackID, version int64, f tree, data []byte, sum pack.Summary) *issue {
	index := data[sum.Size-sum.IndexSize:]
	return &issue{tree: f, data: data, fetched: make([]byte, len(data)),
		Target: Target{ID: id, Version: version, Content: sum.Content, Index: bytes.NewReader(index), Size: sum.IndexSize}}
}

// Fetch makes an issue a pack.Fetcher.
func (i *issue) Fetch(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	return &body{i: i, at: offset, end: offset + length}, nil
}

type body struct {
	i       *issue
	at, end int64
}

func (b *body) Close() error { return nil }

func (b *body) Read(p []byte) (int, error) {
	b.i.mu.Lock()
	defer b.i.mu.Unlock()
	if b.i.line > 0 && b.i.total >= b.i.line {
		return 0, errLine
	}
	n := copy(p, b.i.data[b.at:b.end])
	if n == 0 {
		return 0, io.EOF
	}
	for k := range n {
		b.i.fetched[b.at+int64(k)]++
	}
	b.at += int64(n)
	b.i.total += int64(n)
	if b.i.after != nil {
		b.i.after(b.i.total)
	}
	return n, nil
}

// calm forgets what was fetched and mends the line.
func (i *issue) calm() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.fetched)
	i.total, i.line = 0, 0
}

func openStore(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// install stages and commits.
func install(t testing.TB, s *Store, issues ...*issue) {
	t.Helper()
	var add []shelf.Pack
	for _, i := range issues {
		add = append(add, stage(t, s, i).Pack)
	}
	if _, err := s.Commit(t.Context(), add, nil); err != nil {
		t.Fatal(err)
	}
}

func stage(t testing.TB, s *Store, i *issue) Staged {
	t.Helper()
	got, err := s.Stage(t.Context(), i.Target, i)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// onDisk reads a tree with nothing of ours.
func onDisk(t testing.TB, dir string) tree {
	t.Helper()
	f := tree{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			var below []fs.DirEntry
			if below, err = os.ReadDir(path); len(below) == 0 {
				f[filepath.ToSlash(rel)+"/"] = ""
			}
		case d.Type()&fs.ModeSymlink != 0:
			var to string
			to, err = os.Readlink(path)
			f[filepath.ToSlash(rel)] = "→" + to
		default:
			var b []byte
			b, err = os.ReadFile(path)
			f[filepath.ToSlash(rel)] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func sameTree(t testing.TB, what string, got, want tree) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for path := range want {
		if got[path] != want[path] {
			t.Errorf("%s: %s has %d bytes and is wrong; want %d bytes", what, path, len(got[path]), len(want[path]))
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s: %s is too much", what, path)
		}
	}
}

// shows checks that a new process sees exactly these packs, whole.
func shows(t testing.TB, dir string, issues ...*issue) {
	t.Helper()
	v, err := shelf.Current(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, p := range v.Packs {
		got = append(got, fmt.Sprintf("%s %d %s", p.ID, p.Version, p.Content))
	}
	for _, i := range issues {
		want = append(want, fmt.Sprintf("%s %d %s", i.ID, i.Version, i.Content))
		if p, ok := v.Pack(i.ID); ok {
			sameTree(t, string(i.ID), onDisk(t, filepath.Join(dir, p.Root)), i.tree)
		}
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("it shows %v, want %v", got, want)
	}
}

// below lists what lies two directories below a directory of the shelf.
func below(t testing.TB, dir string) (all []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		all = append(all, filepath.ToSlash(n[len(dir)+1:]))
	}
	return all
}

// noise gives bytes that do not compress and depend on the seed alone.
func noise(seed uint64, size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return string(b)
}

func wantCode(t testing.TB, err error, code asset.Code) {
	t.Helper()
	if err == nil || asset.CodeOf(err) != code {
		t.Errorf("got %v; want code %d", err, code)
	}
}
