package staging

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/internal/fsx"
)

func area(t *testing.T) *Area {
	t.Helper()
	return &Area{Dir: filepath.Join(t.TempDir(), "uploads"), Disk: fsx.OS()}
}

func TestPartsMayComeInAnyOrderAndTwice(t *testing.T) {
	a := area(t)
	for _, p := range []struct {
		offset int64
		text   string
	}{{3, "def"}, {6, "g"}, {0, "xxx"}, {0, "abc"}} {
		if _, err := a.Write(t.Context(), "f", p.offset, int64(len(p.text)), strings.NewReader(p.text)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := a.Get("f", 100)
	if err != nil || string(text) != "abcdefg" {
		t.Errorf("%q, %v", text, err)
	}
	sums, size, err := a.Sum(t.Context(), "f", true)
	if err != nil || size != 7 || sums.MD5 != "7ac66c0f148de9519b8bd264312c4d64" {
		t.Errorf("%v, %d, %v", sums, size, err)
	}
}

func TestAPartOfAnotherLengthIsRefused(t *testing.T) {
	a := area(t)
	for _, text := range []string{"", "ab", "abcd"} {
		if _, err := a.Write(t.Context(), "f", 0, 3, strings.NewReader(text)); !errors.Is(err, ErrLength) {
			t.Errorf("%q for 3 bytes: %v", text, err)
		}
	}
}

func TestAPartHasOneWriterAndASealedFileNone(t *testing.T) {
	a := area(t)
	end, err := a.Begin("f", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Begin("f", 1); !errors.Is(err, ErrBusy) {
		t.Errorf("a second writer: %v", err)
	}
	if _, err := a.Seal("f"); !errors.Is(err, ErrBusy) {
		t.Errorf("a seal while one writes: %v", err)
	}
	other, err := a.Begin("f", 2)
	if err != nil {
		t.Errorf("another part at the same time: %v", err)
	}
	other()
	end()
	unseal, err := a.Seal("f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Begin("f", 3); !errors.Is(err, ErrSealed) {
		t.Errorf("a writer of a sealed file: %v", err)
	}
	unseal()
	if _, err := a.Begin("f", 3); err != nil {
		t.Error(err)
	}
}

func TestNoNameLeadsOutOfTheArea(t *testing.T) {
	a := area(t)
	if _, err := a.Write(t.Context(), "../../escaped", 0, 1, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if ids, err := a.List(); err != nil || len(ids) != 1 || ids[0] != "escaped" {
		t.Errorf("%v, %v", ids, err)
	}
	if _, err := os.Stat(filepath.Join(a.Dir, "../../escaped")); err == nil {
		t.Error("it escaped")
	}
}

func TestTheCompositeIsTheMD5OfThePartsMD5s(t *testing.T) {
	// of "ab" and "c", by openssl
	got, err := Composite([]string{"187ef4436122d1cc2f40dc2b92f0eba0", "4a8a08f09d37b73795649038408b5f33"})
	if err != nil || got != "d833159094d1d7ad96ffcc78414e3682" {
		t.Errorf("%s, %v", got, err)
	}
}
