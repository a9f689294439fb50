package install

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/shelf"
)

func TestPacksAppearTogetherAndAnUpdateCostsWhatChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shelf")
	s := openStore(t, dir, Options{})
	defer s.Close()
	big := noise(1, 2<<20)
	maps1 := publish(t, "maps", 1, tree{"maps/world": big, "maps/small": "one", "maps/none/": "", "maps/link": "→small"})
	text1 := publish(t, "text", 1, tree{"text/menu": "hello"})
	a := stage(t, s, maps1)
	shows(t, dir)
	b := stage(t, s, text1)
	v, err := s.Commit(t.Context(), []shelf.Pack{a.Pack, b.Pack}, nil)
	if err != nil || v.Number != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	shows(t, dir, maps1, text1)
	if again, err := s.Commit(t.Context(), []shelf.Pack{b.Pack, a.Pack}, nil); err != nil || again.Number != 1 {
		t.Errorf("the same again made view %d, %v", again.Number, err)
	}

	// A big file moves to another pack: nothing of it is fetched, and it is the same file.
	next := publish(t, "moved", 1, tree{"moved/world": big, "moved/new": "two"})
	figures, err := s.Plan(t.Context(), next.Target)
	if err != nil {
		t.Fatal(err)
	}
	got := stage(t, s, next)
	if got.Downloaded != figures.Download || got.Downloaded > 1<<20+4096 || figures.Kept != int64(len(big)) {
		t.Errorf("planned %+v, did %+v", figures, got.Result)
	}
	if _, err := s.Commit(t.Context(), []shelf.Pack{got.Pack}, []asset.PackID{"maps", "nobody"}); err != nil {
		t.Fatal(err)
	}
	shows(t, dir, next, text1)
	if figures, err := s.Plan(t.Context(), next.Target); err != nil || figures.Download+figures.Write+figures.PeakDisk != 0 {
		t.Errorf("what is there costs %+v, %v", figures, err)
	}
	if again := stage(t, s, next); !again.Ready || again.Downloaded+again.Written != 0 {
		t.Errorf("staged again: %+v", again)
	}
}

func TestUntouchedFilesAreNotReadAgainAndTouchedOnesAre(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	defer s.Close()
	one := publish(t, "a", 1, tree{"keep": noise(1, 300<<10), "rot": noise(2, 300<<10), "x": "1"})
	install(t, s, one)
	p, _ := s.View().Pack("a")
	h, err := s.open(filepath.ToSlash(filepath.Dir(p.Root)))
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	rot := filepath.Join(dir, p.Root, "rot")
	f, err := os.OpenFile(rot, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("xxxx"), 1000); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for name, want := range map[string]bool{"keep": true, "rot": false} {
		info, err := os.Lstat(filepath.Join(dir, p.Root, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := h.seen.intact(name, info); got != want {
			t.Errorf("%s intact: %v", name, got)
		}
		if h.seen.intact("other", info) {
			t.Error("another path is intact")
		}
	}
	// The update does not carry the rot along.
	two := publish(t, "a", 2, tree{"keep": one.tree["keep"], "rot": one.tree["rot"], "x": "2"})
	got := stage(t, s, two)
	if len(got.Rotten) == 0 {
		t.Errorf("nobody noticed: %+v", got.Result)
	}
	if _, err := s.Commit(t.Context(), []shelf.Pack{got.Pack}, nil); err != nil {
		t.Fatal(err)
	}
	shows(t, dir, two)
}

func TestADamagedPackIsNamedAndMended(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	defer s.Close()
	one := publish(t, "a", 1, tree{"big": noise(1, 4<<20), "gone": "x"})
	install(t, s, one)
	if wrong, err := s.Verify(t.Context(), "a"); err != nil || len(wrong) > 0 {
		t.Fatalf("%v, %v", wrong, err)
	}
	p, _ := s.View().Pack("a")
	file := filepath.Join(dir, p.Root, "big")
	b := []byte(one.tree["big"])
	b[3<<20] ^= 1
	for _, err := range []error{os.WriteFile(file, b, 0o644), os.Remove(filepath.Join(dir, p.Root, "gone"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	wrong, err := s.Verify(t.Context(), "a")
	if err != nil || len(wrong) != 2 {
		t.Errorf("%v, %v", wrong, err)
	}
	if again := stage(t, s, one); !again.Ready {
		t.Error("it was mended without being asked")
	}
	one.calm()
	again := one.Target
	again.Again = true
	got, err := s.Stage(t.Context(), again, one)
	if err != nil || got.Root == p.Root {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.Downloaded > 3<<20 {
		t.Errorf("it fetched %d bytes to mend one frame", got.Downloaded)
	}
	// A new try finds what is mended already.
	if got, err := s.Stage(t.Context(), again, one); err != nil || !got.Ready {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Commit(t.Context(), []shelf.Pack{got.Pack}, nil); err != nil {
		t.Fatal(err)
	}
	shows(t, dir, one)
	if out, err := s.Prune(t.Context(), nil); err != nil || out.Views != 1 || out.Trees != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	shows(t, dir, one)
	_, err = s.Verify(t.Context(), "nobody")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nobody: %v", err)
	}
}

func TestTooSmallADiskIsSaidBeforeAnythingIsFetched(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	defer s.Close()
	i := publish(t, "a", 1, tree{"big": noise(1, 3<<20)})
	s.free = func(string) (int64, error) { return 1 << 20, nil }
	_, err := s.Stage(t.Context(), i.Target, i)
	wantCode(t, err, asset.CodeNoSpace)
	var e *asset.Error
	if !errors.As(err, &e) || i.total > 0 || !strings.Contains(e.Message, dir) || !strings.Contains(e.Help, "free 2") {
		t.Errorf("%v (help: %v), %d bytes fetched", err, e.Help, i.total)
	}
	// What an earlier try left counts.
	s.free = func(string) (int64, error) { return 1 << 40, nil }
	i.line = 2 << 20
	if _, err := s.Stage(t.Context(), i.Target, i); !errors.Is(err, errLine) {
		t.Fatal(err)
	}
	s.free = func(string) (int64, error) { return 5 << 19, nil }
	i.calm()
	got := stage(t, s, i)
	if got.Resumed == 0 || got.Downloaded >= int64(len(i.data)) {
		t.Errorf("%+v", got.Result)
	}
}

func TestLeftoversOfTriesGoUnlessTheyAreWanted(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	a, b := publish(t, "a", 1, tree{"a/x": noise(1, 3<<20)}), publish(t, "b", 1, tree{"b/x": "b"})
	a.line = 2 << 20
	if _, err := s.Stage(t.Context(), a.Target, a); !errors.Is(err, errLine) {
		t.Fatal(err)
	}
	stage(t, s, b)
	prune := func(wanted []Target, trees int, left ...string) {
		t.Helper()
		out, err := s.Prune(t.Context(), wanted)
		got := append(below(t, filepath.Join(dir, stagingDir)), below(t, filepath.Join(dir, packsDir))...)
		if err != nil || out.Trees != trees || len(got) != len(left) {
			t.Errorf("%+v, %v; left %v, want %v", out, err, got, left)
		}
	}
	prune([]Target{a.Target}, 0, "a/index", "a/files", "b/1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{}) // after a restart it does not know what it staged
	defer s.Close()
	prune([]Target{a.Target, b.Target}, 0, "a/index", "a/files", "b/1")
	prune([]Target{a.Target}, 1, "a/index", "a/files")
	a.calm()
	if got := stage(t, s, a); got.Resumed == 0 {
		t.Errorf("%+v", got.Result)
	}
	prune(nil, 0, "a/1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{})
	defer s.Close()
	prune(nil, 1)
	if left := below(t, filepath.Join(dir, trashDir)); len(left) > 0 {
		t.Errorf("the trash holds %v", left)
	}
}

func TestANewVersionGoesOnWhereTheOldOnesTryStopped(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	defer s.Close()
	big := noise(1, 4<<20)
	one, two := publish(t, "a", 1, tree{"big": big, "v": "1"}), publish(t, "a", 2, tree{"big": big, "v": "2"})
	one.line = 3 << 20
	if _, err := s.Stage(t.Context(), one.Target, one); !errors.Is(err, errLine) {
		t.Fatal(err)
	}
	if got := stage(t, s, two); got.Resumed < 1<<20 {
		t.Errorf("%+v", got.Result)
	}
}

func TestTwoPacksWithOnePathAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		first  tree
		second tree
		lang   string // of the second; the first has none
		ok     bool
	}{
		{"the same file", tree{"x/y": "1"}, tree{"x/y": "2"}, "", false},
		{"the same file with the same bytes", tree{"x": "1"}, tree{"x": "1"}, "", false},
		{"the same file by language", tree{"x/y": "1"}, tree{"x/y": "2"}, "de", true},
		{"a shared directory", tree{"x/y": "1"}, tree{"x/z": "2"}, "", true},
		{"a shared empty directory", tree{"x/": ""}, tree{"x/z": "2"}, "", true},
		{"a file where the other has a directory", tree{"x/y": "1"}, tree{"x": "2"}, "", false},
		{"the same, by language", tree{"x": "1"}, tree{"x/y": "2"}, "de", false},
		{"a link where the other has a file", tree{"x": "1", "y": "1"}, tree{"x": "→z", "z": ""}, "", false},
		{"names that differ in case", tree{"Read": "1"}, tree{"rEAD": "2"}, "", false},
		{"directories that differ in case", tree{"Dir/a": "1"}, tree{"dir/b": "2"}, "", false},
		{"names that differ in case, by language", tree{"Read": "1"}, tree{"read": "2"}, "de", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, together := range []bool{false, true} {
				dir := t.TempDir()
				s := openStore(t, dir, Options{})
				defer s.Close()
				a, b := publish(t, "a", 1, c.first), publish(t, "b", 1, c.second)
				b.Language = c.lang
				one, two := stage(t, s, a).Pack, stage(t, s, b).Pack
				add := []shelf.Pack{one, two}
				if !together {
					install(t, s, a)
					add = []shelf.Pack{two}
				}
				_, err := s.Commit(t.Context(), add, nil)
				if c.ok {
					if err != nil {
						t.Error(err)
					}
					shows(t, dir, a, b)
					continue
				}
				wantCode(t, err, asset.CodePathCollision)
				if together {
					shows(t, dir)
				} else {
					shows(t, dir, a)
					if _, err := s.Commit(t.Context(), add, []asset.PackID{"a"}); err != nil {
						t.Errorf("with the other removed: %v", err)
					}
				}
			}
		})
	}
}

func TestWrongTargetsAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	defer s.Close()
	good := publish(t, "a", 1, tree{"x": "1"})
	for _, c := range []struct {
		change func(*Target)
		code   asset.Code
	}{
		{func(x *Target) { x.ID = "../a" }, asset.CodeBadRequest},
		{func(x *Target) { x.ID = "" }, asset.CodeBadRequest},
		{func(x *Target) { x.Version = -1 }, asset.CodeBadRequest},
		{func(x *Target) { x.Language = "d e" }, asset.CodeBadRequest},
		{func(x *Target) { x.Content[3]++ }, asset.CodeHashMismatch},
		{func(x *Target) { x.Index = strings.NewReader("x"); x.Size = 1 }, asset.CodeSizeMismatch},
	} {
		bad := good.Target
		c.change(&bad)
		_, err := s.Stage(t.Context(), bad, good)
		wantCode(t, err, c.code)
	}
	_, err := s.Commit(t.Context(), []shelf.Pack{{ID: "a", Content: good.Content.String(), Root: "packs/a/none/files"}}, nil)
	if err == nil {
		t.Error("a pack that is not there was committed")
	}
	got := stage(t, s, good).Pack
	got.Content = fmt.Sprintf("%x", sha256.Sum256(nil))
	_, err = s.Commit(t.Context(), []shelf.Pack{got}, nil)
	wantCode(t, err, asset.CodeBadRequest)

	// An index that lies about what its chunks add up to.
	b, err := io.ReadAll(io.NewSectionReader(good.Index, 0, good.Size))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(b); at += 5 {
		b[at] ^= 0x10
		bad := good.Target
		bad.ID, bad.Index = "b", bytes.NewReader(b)
		if _, err := s.Stage(t.Context(), bad, good); err == nil {
			t.Errorf("with a bit flipped in byte %d it was staged", at)
		}
		b[at] ^= 0x10
	}
}

func TestOneWriterAtATime(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	_, err := Open(dir, Options{})
	wantCode(t, err, asset.CodeState)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, dir, Options{})
	defer again.Close()
	i := publish(t, "a", 1, tree{"x": noise(1, 1<<20)})
	i.after = func(int64) {
		_, err := again.Stage(t.Context(), i.Target, i)
		wantCode(t, err, asset.CodeState)
	}
	stage(t, again, i)
}

func TestAShelfOfANewerWriterIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	install(t, s, publish(t, "a", 1, tree{"x": "1"}))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	body := "something new"
	newer := fmt.Sprintf("larder view 2\n%x\n%s", sha256.Sum256([]byte(body)), body)
	if err := os.WriteFile(filepath.Join(dir, viewsDir, "2"), []byte(newer), 0o644); err != nil {
		t.Fatal(err)
	}
	before := onDisk(t, dir)
	_, err := Open(dir, Options{})
	wantCode(t, err, asset.CodeDoesNotFit)
	after := onDisk(t, dir)
	delete(before, lockFile)
	delete(after, lockFile)
	sameTree(t, "the shelf", after, before)
}

func TestATornViewGoesAndItsNumberComesAgain(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	one := publish(t, "a", 1, tree{"x": "1"})
	install(t, s, one)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(dir, viewsDir, "2")
	if err := os.WriteFile(torn, []byte("larder view 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{})
	defer s.Close()
	if _, err := os.Stat(torn); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	shows(t, dir, one)
	two := publish(t, "a", 2, tree{"x": "2"})
	install(t, s, two)
	shows(t, dir, two)
	if n := s.View().Number; n != 2 {
		t.Errorf("it has number %d", n)
	}
}
