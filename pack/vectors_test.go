package pack

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew; a change breaks the format")

// vector is what doc/pack-format.md promises of a pack in testdata/vectors.
type vector struct {
	Summary Summary `json:"summary"`
	Entries []Entry `json:"entries"`
	Chunks  []Chunk `json:"chunks"`
	Frames  []Frame `json:"frames"`
}

func vectors() map[string]struct {
	tree forest
	opts BuildOptions
} {
	type input = struct {
		tree forest
		opts BuildOptions
	}
	repeated := bytes.Repeat([]byte("0123456789abcdef larder\n"), 30000)
	return map[string]input{
		"empty": {},
		"kinds": {forest{
			"hello.txt": {kind: KindFile, data: []byte("hello, world\n")}, "bin/run": {kind: KindExecutable, data: []byte("#!/bin/sh\nexit 0\n")},
			"bin/alias": {kind: KindLink, target: "run"}, "no-bytes": {kind: KindFile}, "no-files/here": {kind: KindDirectory},
			"über/ключ": {kind: KindFile, data: []byte("names beyond ASCII")}, longPath(): {kind: KindFile, data: make([]byte, 512)}, "up/top": {kind: KindLink, target: "../hello.txt"},
		}, BuildOptions{Metadata: []byte(`{"assetPackID":"vectors"}`)}},
		"chunks": {forest{"a/zeros": {kind: KindFile, data: make([]byte, 2500000)}, "a/lines": {kind: KindFile, data: repeated}, "b": {kind: KindFile, data: repeated[:16384]}}, BuildOptions{}},
		"cold":   {forest{"a/zeros": {kind: KindFile, data: make([]byte, 2500000)}}, BuildOptions{Cold: true}},
	}
}

func TestVectorsAreBuiltAndReadAsEver(t *testing.T) {
	for name, in := range vectors() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			sum, err := Build(t.Context(), &b, in.tree.tree(), in.opts)
			if err != nil {
				t.Fatal(err)
			}
			base := filepath.Join("testdata", "vectors", name)
			if *update {
				writeGolden(t, base+".json", describe(t, b.Bytes(), sum))
				if err := os.WriteFile(base+".assetpack", b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(base + ".assetpack")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("it is not built byte for byte as it was: archive %v", sum.Archive)
			}
			var golden vector
			readGolden(t, base+".json", &golden)
			if diff := cmp.Diff(golden, describe(t, want, sum)); diff != "" {
				t.Errorf("it is not read as it was (-want +got):\n%s", diff)
			}
			if bad, err := open(t, want).Verify(t.Context()); err != nil || len(bad) > 0 {
				t.Errorf("verify: %v, %v", bad, err)
			}
		})
	}
}

func describe(t *testing.T, b []byte, sum Summary) vector {
	t.Helper()
	a, v := open(t, b), vector{Summary: sum}
	for e, err := range a.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		v.Entries = append(v.Entries, e)
	}
	for c, err := range a.Chunks() {
		if err != nil {
			t.Fatal(err)
		}
		v.Chunks = append(v.Chunks, c)
	}
	for f, err := range a.Frames() {
		if err != nil {
			t.Fatal(err)
		}
		v.Frames = append(v.Frames, f)
	}
	return v
}

// The same on every system and processor: text, noise, all kinds, several frames.
func TestALargerTreeKeepsItsThreeNames(t *testing.T) {
	var b bytes.Buffer
	got, err := Build(t.Context(), &b, sample().tree(), BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "vectors", "sample.json")
	if *update {
		writeGolden(t, file, got)
	}
	var want Summary
	readGolden(t, file, &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCutPointsStayWhereTheyAre(t *testing.T) {
	inputs := map[string][]byte{"noise": noise(1, 2<<20), "text": text(1, 1<<20), "zeros": make([]byte, 600000), "small": noise(2, 40001), "least": noise(3, minChunk-1)}
	got := map[string][]int{}
	for name, data := range inputs {
		got[name] = cuts(t, data)
		if naive := cutsByThePage(data); !slices.Equal(got[name], naive) {
			t.Errorf("%s: cut at %v; doc/pack-format.md says %v", name, got[name], naive)
		}
	}
	file := filepath.Join("testdata", "cuts.json")
	if *update {
		writeGolden(t, file, got)
	}
	var want map[string][]int
	readGolden(t, file, &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a moved cut gives every pack another name (-want +got):\n%s", diff)
	}
	for seed := range uint64(300) { // ends of all kinds, for the rule about the last bytes
		data := slices.Concat(noise(seed, 16300+int(seed)*700), text(seed, int(seed)))
		if got, naive := cuts(t, data), cutsByThePage(data); !slices.Equal(got, naive) {
			t.Errorf("seed %d: cut at %v; doc/pack-format.md says %v", seed, got, naive)
		}
	}
}

func cuts(t *testing.T, data []byte) (ends []int) {
	t.Helper()
	end := 0
	err := cut(bufio.NewReaderSize(bytes.NewReader(data), 4*maxChunk), func(b []byte) error {
		end += len(b)
		ends = append(ends, end)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ends
}

// cutsByThePage is section "Chunks" of doc/pack-format.md, word for word.
func cutsByThePage(data []byte) (ends []int) {
	gear := func(b byte) uint64 {
		sum := md5.Sum(bytes.Repeat([]byte{b}, 64))
		return binary.BigEndian.Uint64(sum[:])
	}
	var table [256]uint64
	for b := range table {
		table[b] = gear(byte(b))
	}
	for at := 0; at < len(data); {
		d := data[at:min(len(data), at+262144)]
		size, h := len(d), uint64(0)
		for i := 16384; i < len(d); i++ {
			h = 2*h + table[d[i]]
			mask := uint64(0x0000d90313530000)
			if i < 65536 || len(d) < 65536 {
				mask = 0x0000d90707537000
			}
			if h&mask == 0 {
				if size = i + 1; i >= len(d)-len(d)%8 {
					size = i
				}
				break
			}
		}
		at += size
		ends = append(ends, at)
	}
	return ends
}

func TestAReaderWrittenFromThePageAgrees(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "vectors", "*.assetpack"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	many := forest{} // several sections
	for i := range 5000 {
		many[fmt.Sprintf("d%d/f%d", i%70, i)] = node{kind: KindFile, data: text(uint64(i), i%300)}
	}
	for i, f := range []forest{sample(), many} {
		b, _ := pack(t, f, BuildOptions{})
		name := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	for _, name := range files {
		out, err := byThePage(t, "pack-reader.py", name)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		a := open(t, b)
		if lines := strings.Count(out, "\n"); lines != a.Totals().Entries+3 || !strings.Contains(out, "content "+a.Content().String()) {
			t.Errorf("%s: it read\n%s", name, out)
		}
		b[len(b)/3] ^= 1
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := byThePage(t, "pack-reader.py", bad); err == nil || !strings.HasPrefix(out, "not sound: ") {
			t.Errorf("%s with a flipped bit: %v\n%s", name, err, out)
		}
	}
}

func writeGolden(t *testing.T, file string, v any) {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readGolden(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}
