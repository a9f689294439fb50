package pack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"larder/asset"
)

func TestExtractGivesBackWhatBuildTook(t *testing.T) {
	for _, opts := range []BuildOptions{{}, {Cold: true, Metadata: []byte(`{"assetPackID":"x"}`)}} {
		b, sum := pack(t, sample(), opts)
		a := open(t, b)
		if got := a.Totals(); got.Size != sum.Size || got.Content != sum.Content || got.InstalledSize != sum.InstalledSize ||
			got.Entries != sum.Entries || got.Chunks != sum.Chunks || got.Frames != sum.Frames || got.IndexSize != sum.IndexSize {
			t.Errorf("totals %+v; want %+v", got, sum)
		}
		if !bytes.Equal(a.Metadata(), opts.Metadata) {
			t.Errorf("metadata %q", a.Metadata())
		}
		if bad, err := a.Verify(t.Context()); err != nil || len(bad) > 0 {
			t.Fatalf("verify: %v, %v", bad, err)
		}
		root := tempRoot(t)
		if err := a.Extract(t.Context(), root); err != nil {
			t.Fatal(err)
		}
		sameForest(t, readForest(t, root), sample())
		if bad, err := a.VerifyTree(t.Context(), root); err != nil || len(bad) > 0 {
			t.Errorf("verify tree: %v, %v", bad, err)
		}
	}
}

func TestEmptyTreeIsAPack(t *testing.T) {
	b, _ := pack(t, forest{}, BuildOptions{})
	a := open(t, b)
	root := tempRoot(t)
	if err := a.Extract(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	sameForest(t, readForest(t, root), forest{})
	acceptedByTools(t, b, 0)
}

func TestEqualTreesGiveEqualBytes(t *testing.T) {
	want, sum := pack(t, sample(), BuildOptions{})
	for _, procs := range []int{1, 2, 3, 7} {
		old := runtime.GOMAXPROCS(procs)
		tree := sample().tree()
		rand.Shuffle(len(tree.Sources), func(i, j int) {
			tree.Sources[i], tree.Sources[j] = tree.Sources[j], tree.Sources[i]
		})
		var got bytes.Buffer
		again, err := build(t.Context(), &got, tree, BuildOptions{}, quick)
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) || again != sum {
			t.Errorf("with %d cores the pack differs: %v, not %v", procs, again.Archive, sum.Archive)
		}
	}
}

func TestContentDependsOnTheTreeAlone(t *testing.T) {
	_, a := pack(t, sample(), BuildOptions{})
	_, b := pack(t, sample(), BuildOptions{Cold: true, Metadata: []byte("x")})
	if a.Content != b.Content || a.Archive == b.Archive || a.Index == b.Index {
		t.Errorf("content %v and %v, archive %v and %v", a.Content, b.Content, a.Archive, b.Archive)
	}
	other := sample()
	other["data/one"] = node{kind: KindExecutable, data: []byte{1}}
	if _, c := pack(t, other, BuildOptions{}); c.Content == a.Content {
		t.Error("an exec bit does not change the content")
	}
}

func TestPacksAreOrdinaryArchives(t *testing.T) {
	b, sum := pack(t, sample(), BuildOptions{})
	acceptedByTools(t, b, sum.Entries)
}

func acceptedByTools(t *testing.T, b []byte, entries int) {
	t.Helper()
	for _, tool := range []string{"zstd", "tar", "bsdtar"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "x.assetpack")
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(name string, in io.Reader, args ...string) []byte {
		cmd := exec.Command(name, args...)
		cmd.Stdin = in
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		out, err := cmd.Output()
		if err != nil || name != "zstd" && stderr.Len() > 0 {
			t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
		}
		return out
	}
	run("zstd", nil, "-tq", file)
	stream := run("zstd", nil, "-dcq", file)
	for _, list := range [][]byte{run("tar", bytes.NewReader(stream), "-t"), run("bsdtar", nil, "-tf", file)} {
		if n := bytes.Count(list, []byte("\n")); n != entries {
			t.Errorf("the tool lists %d entries, not %d:\n%s", n, entries, list)
		}
	}
	for _, tool := range []string{"tar", "bsdtar"} {
		out := filepath.Join(dir, tool)
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatal(err)
		}
		run(tool, bytes.NewReader(stream), "-xf", "-", "-C", out)
		root, err := os.OpenRoot(out)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if bad, err := open(t, b).VerifyTree(t.Context(), root); err != nil || len(bad) > 0 {
			t.Errorf("%s extracts another tree: %v, %v", tool, bad, err)
		}
	}
}

func TestDirTreeTakesWhatLiesBelow(t *testing.T) {
	root := tempRoot(t)
	b, want := pack(t, sample(), BuildOptions{})
	if err := open(t, b).Extract(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	tree, err := DirTree(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := build(t.Context(), io.Discard, tree, BuildOptions{}, quick)
	if err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestBuildRefusesFilesThatChange(t *testing.T) {
	for _, size := range []int64{9, 11, 0} {
		tree := forest{"a": {kind: KindFile, data: text(1, 10)}}.tree()
		tree.Sources[0].Size = size
		_, err := Build(t.Context(), io.Discard, tree, BuildOptions{})
		wantCode(t, err, asset.CodeSizeMismatch)
	}
}

func TestBuildEndsWhenCancelledOrTheDiskFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, io.Discard, sample().tree(), BuildOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	full := errors.New("disk on fire")
	if _, err := Build(t.Context(), failing{full}, sample().tree(), BuildOptions{}); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestBuildRefusesTooMuchMetadata(t *testing.T) {
	_, err := Build(t.Context(), io.Discard, Tree{}, BuildOptions{Metadata: make([]byte, maxMetadata+1)})
	wantCode(t, err, asset.CodeTooLarge)
}

// A compressor from outside is held to what a reader will ask for.
func TestAForeignFrameIsProvedBeforeItCounts(t *testing.T) {
	for name, compress := range map[string]func(context.Context, []byte) ([]byte, error){
		"other bytes": func(_ context.Context, raw []byte) ([]byte, error) {
			return newCoder(zstd.SpeedFastest, 1<<20).encode(nil, make([]byte, len(raw))), nil
		},
		"no frame": func(context.Context, []byte) ([]byte, error) { return []byte("no frame"), nil },
		"nothing":  func(context.Context, []byte) ([]byte, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Build(t.Context(), io.Discard, sample().tree(), BuildOptions{Compress: compress})
			wantCode(t, err, asset.CodeHashMismatch)
		})
	}
	broken := errors.New("broken")
	_, err := Build(t.Context(), io.Discard, sample().tree(), BuildOptions{Compress: func(context.Context, []byte) ([]byte, error) { return nil, broken }})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
