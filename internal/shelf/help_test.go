package shelf

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/asset"
)

// bench is a shelf that the test writes itself, from the format's page.
type bench struct {
	t   testing.TB
	dir string
	n   int64
}

func newBench(t testing.TB) *bench { return &bench{t: t, dir: t.TempDir()} }

// tree makes a pack's tree. A name that ends in a slash is an empty directory, one
// with an arrow a symbolic link; every file holds pack, version and its own path.
func (b *bench) tree(id string, version int64, language string, names ...string) Pack {
	b.t.Helper()
	p := Pack{ID: asset.PackID(id), Version: version, Content: strings.Repeat("ab", 32), Language: language, Root: "packs/" + id + "/" + string(rune('0'+version)) + "/files"}
	root := filepath.Join(b.dir, p.Root)
	b.must(os.MkdirAll(root, 0o755))
	for _, name := range names {
		at := filepath.Join(root, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			b.must(os.MkdirAll(at, 0o755))
			continue
		}
		if link, target, ok := strings.Cut(name, "→"); ok {
			b.must(os.MkdirAll(filepath.Dir(filepath.Join(root, link)), 0o755))
			b.must(os.Symlink(target, filepath.Join(root, link)))
			continue
		}
		b.must(os.MkdirAll(filepath.Dir(at), 0o755))
		b.must(os.WriteFile(at, []byte(says(p, name)), 0o644))
		p.Size += int64(len(says(p, name)))
	}
	return p
}

func says(p Pack, name string) string { return string(p.ID) + string(rune('0'+p.Version)) + ":" + name }

// view writes the next view and gives its number.
func (b *bench) view(packs ...Pack) int64 {
	b.t.Helper()
	b.n++
	slices.SortFunc(packs, func(a, c Pack) int { return cmp.Compare(a.ID, c.ID) })
	data, err := View{Number: b.n, Packs: packs}.Encode()
	b.must(err)
	b.write(b.n, data)
	return b.n
}

func (b *bench) write(n int64, data []byte) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Join(b.dir, "views"), 0o755))
	b.must(os.WriteFile(filepath.Join(b.dir, viewName(n)), data, 0o644))
}

func (b *bench) open(opts Options) *Shelf {
	b.t.Helper()
	s, err := Open(b.dir, opts)
	b.must(err)
	b.t.Cleanup(func() { b.must(s.Close()) })
	return s
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// read is what the shelf gives for a name, or "-" when it says that nobody has it.
func read(t testing.TB, s *Shelf, name string, in In) string {
	t.Helper()
	f, err := s.Open(name, in)
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func wantManaged(t testing.TB, err error, code asset.Code) {
	t.Helper()
	if !errors.Is(err, &asset.Error{Code: code, Domain: asset.DomainManaged}) {
		t.Errorf("got %v; want code %d of %s", err, code, asset.DomainManaged)
	}
}

func wantCode(t testing.TB, err error, code asset.Code) {
	t.Helper()
	if err == nil || asset.CodeOf(err) != code {
		t.Errorf("got %v; want code %d", err, code)
	}
}
