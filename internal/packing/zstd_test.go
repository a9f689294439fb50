package packing

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"larder/asset"
	"larder/pack"
)

func TestTheZstdProgramMakesFramesOfTheSameContent(t *testing.T) {
	if _, err := exec.LookPath("zstd"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	compress, err := Zstd(19)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("a line that is said again and again, ", 1<<15)
	ours, theirs := build(t, line, nil), build(t, line, compress)
	a, err := pack.Open(bytes.NewReader(theirs), int64(len(theirs)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := pack.Open(bytes.NewReader(ours), int64(len(ours)))
	if err != nil {
		t.Fatal(err)
	}
	if a.Content() != b.Content() || bytes.Equal(ours, theirs) {
		t.Error("the frames of another encoder are to hold the same content, and to be other frames")
	}
	if bad, err := a.Verify(t.Context()); err != nil || len(bad) > 0 {
		t.Errorf("%v, %v", bad, err)
	}
}

func build(t *testing.T, text string, compress func(context.Context, []byte) ([]byte, error)) []byte {
	t.Helper()
	tree := pack.Tree{Sources: []pack.Source{{Entry: pack.Entry{Path: "story", Kind: pack.KindFile, Size: int64(len(text))}, From: "story"}},
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	var b bytes.Buffer
	if _, err := pack.Build(t.Context(), &b, tree, pack.BuildOptions{Compress: compress}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZstdHasLevels(t *testing.T) {
	for _, level := range []int{0, -1, 23} {
		if _, err := Zstd(level); asset.CodeOf(err) != asset.CodeBadRequest {
			t.Errorf("level %d: %v", level, err)
		}
	}
}
