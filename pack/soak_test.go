//go:build soak

package pack

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestSoakAppliedUpdatesEqualExtractedPacks(t *testing.T) { randomUpdates(t, 2000) }

// peak is the most memory that the process has had, in bytes; 0 where it cannot be told.
func peak(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	return 0
}

// within fails when more memory was taken since the peak was last reset.
func within(t *testing.T, what string, bytes int64) {
	t.Helper()
	p := peak(t)
	t.Logf("%s: peak of %d MiB", what, p>>20)
	if p > bytes {
		t.Errorf("%s took %d MiB, more than %d", what, p>>20, bytes>>20)
	}
	runtime.GC()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // resets the peak; without it the bound only gets stricter
}

const soakMemory = 512 << 20

// million is a tree of a million small files; in the second version a thousandth of them differ.
func million(version int) Tree {
	const files = 1_000_000
	t := Tree{Open: func(name string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(name)), nil
	}}
	for i := range files {
		path := fmt.Sprintf("d%03d/e%02d/file-%07d", i%500, i/500%20, i)
		from := path
		if i%1000 == 0 {
			from = fmt.Sprintf("v%d/%s", version, path[3:])
		}
		t.Sources = append(t.Sources, Source{Entry: Entry{Path: path, Kind: KindFile, Size: int64(len(from))}, From: from})
	}
	return t
}

func buildFile(t *testing.T, name string, tree Tree) (*Archive, Summary) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	sum, err := Build(context.Background(), f, tree, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(f, sum.Size)
	if err != nil {
		t.Fatal(err)
	}
	return a, sum
}

func TestSoakAMillionFilesBuildInspectPlanAndApplyInBoundedMemory(t *testing.T) {
	dir := t.TempDir()
	within(t, "nothing", 1<<40)
	one, _ := buildFile(t, filepath.Join(dir, "1.assetpack"), million(1))
	two, sum := buildFile(t, filepath.Join(dir, "2.assetpack"), million(2))
	within(t, "building", soakMemory)
	n := 0
	for _, err := range two.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != sum.Entries || n != 1_000_000 {
		t.Errorf("%d entries, and the summary has %d", n, sum.Entries)
	}
	within(t, "inspecting", soakMemory)
	root := tempRoot(t)
	if err := one.Extract(t.Context(), subRoot(t, root, "one")); err != nil {
		t.Fatal(err)
	}
	within(t, "extracting", soakMemory)
	p, err := NewPlan(t.Context(), two, []Installed{{Archive: one, Dir: "one"}}, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "planning", soakMemory)
	t.Logf("%+v", p.Figures())
	res, err := p.Apply(t.Context(), root, "two", FetchFrom(two.r))
	if err != nil || len(res.Rotten) > 0 {
		t.Fatal(res, err)
	}
	within(t, "applying", soakMemory)
	wrong, err := two.VerifyTree(t.Context(), subRoot(t, root, "two"))
	if err != nil || len(wrong) > 0 {
		t.Errorf("%d mismatches, %v", len(wrong), err)
	}
	within(t, "verifying", soakMemory)
}

// holes is a file of zeros with a few bytes here and there, which differ by version.
type holes struct{ at, size, version int64 }

func (h *holes) Read(b []byte) (int, error) {
	n := int(min(int64(len(b)), h.size-h.at))
	if n == 0 {
		return 0, io.EOF
	}
	clear(b[:n])
	const every = 1 << 30
	for mark := (h.at + every - 1) / every * every; mark < h.at+int64(n); mark += every {
		b[mark-h.at] = byte(mark/every) + 1
		if mark == 7*every {
			b[mark-h.at] = byte(h.version)
		}
	}
	h.at += int64(n)
	return n, nil
}

// The tree is not applied: a pack knows no holes, and so a hundred GiB of zeros would be written.
func TestSoakASparseFileOfAHundredGiBBuildsAndPlansInBoundedMemory(t *testing.T) {
	const size = 100 << 30
	dir := t.TempDir()
	sparse := func(version int64) Tree {
		return Tree{Sources: []Source{{Entry: Entry{Path: "disk.img", Kind: KindFile, Size: size}}},
			Open: func(string) (io.ReadCloser, error) { return io.NopCloser(&holes{size: size, version: version}), nil }}
	}
	one, _ := buildFile(t, filepath.Join(dir, "1.assetpack"), sparse(100))
	two, sum := buildFile(t, filepath.Join(dir, "2.assetpack"), sparse(200))
	within(t, "building", soakMemory)
	if sum.InstalledSize != size || sum.IndexSize > size/1000 {
		t.Errorf("%+v", sum)
	}
	p, err := NewPlan(t.Context(), two, []Installed{{Archive: one, Dir: "one"}}, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "planning", soakMemory)
	if f := p.Figures(); f.Download == 0 || f.Ranges != 1 {
		t.Errorf("%+v", f)
	}
}
