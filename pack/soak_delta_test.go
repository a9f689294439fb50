//go:build soak

package pack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// edited64 is a tree of files of 64 MiB, half of their bytes as noise and half as text; the second
// version has one place in each MiB inserted or written over.
func edited64(mib, version int) Tree {
	t := Tree{Open: func(name string) (io.ReadCloser, error) {
		from, to := 0, 0
		if _, err := fmt.Sscanf(name, "%d-%d", &from, &to); err != nil {
			return nil, err
		}
		return io.NopCloser(&mebibytes{at: from, end: to, version: version}), nil
	}}
	for from := 0; from < mib; from += 64 {
		to := min(from+64, mib)
		size := int64(0)
		for k := from; k < to; k++ {
			size += int64(len(mebibyte(k, version)))
		}
		t.Sources = append(t.Sources, Source{Entry: Entry{Path: fmt.Sprintf("data-%04d", from), Kind: KindFile, Size: size}, From: fmt.Sprintf("%d-%d", from, to)})
	}
	return t
}

// mebibytes reads from one to another.
type mebibytes struct {
	at, end, version int
	b                []byte
}

func (m *mebibytes) Read(b []byte) (int, error) {
	if len(m.b) == 0 {
		if m.at == m.end {
			return 0, io.EOF
		}
		m.b = mebibyte(m.at, m.version)
		m.at++
	}
	n := copy(b, m.b)
	m.b = m.b[n:]
	return n, nil
}

func mebibyte(k, version int) []byte {
	r := rand.New(rand.NewPCG(uint64(k), 64))
	var b []byte
	if k%2 == 0 {
		b = noise(uint64(k)+1, 1<<20)
	} else {
		for len(b) < 1<<20 {
			b = strconv.AppendInt(append(b, "shelf pack asset view lease "[r.IntN(20):]...), int64(r.IntN(5000)), 10)
		}
	}
	if version == 2 {
		at, n := r.IntN(len(b)-200), 1+r.IntN(199)
		rest := b[at:]
		if r.IntN(2) == 0 {
			rest = b[at+n:]
		}
		b = bytes.Join([][]byte{b[:at], noise(uint64(k)+10_000, n), rest}, nil)
	}
	return b
}

// cpu is the processor time that the process has had, in seconds; 0 where it cannot be told.
func cpu(t *testing.T) float64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	ticks := 0
	for _, s := range f[11:13] {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return float64(ticks) / 100
}

func TestSoakMakingADeltaGrowsWithThePacksAndNoFaster(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(900 << 20)) // as the commands do
	per := map[int]float64{}
	for _, mib := range []int{10, 100, 1000, 4096} {
		dir := t.TempDir()
		old, _ := buildFile(t, filepath.Join(dir, "1.assetpack"), edited64(mib, 1))
		next, _ := buildFile(t, filepath.Join(dir, "2.assetpack"), edited64(mib, 2))
		f, err := os.Create(filepath.Join(dir, "delta"))
		if err != nil {
			t.Fatal(err)
		}
		within(t, "building", 1<<40)
		before := cpu(t)
		sum, err := WriteDelta(t.Context(), f, old, next, DeltaOptions{})
		if err != nil {
			t.Fatal(err)
		}
		per[mib] = (cpu(t) - before) / float64(mib)
		t.Logf("%d MiB: %d bytes for %d that are missing, %.1f s of CPU, %.0f ms for a MiB", mib, sum.Size, sum.Missing, per[mib]*float64(mib), per[mib]*1000)
		within(t, fmt.Sprintf("%d MiB", mib), 1<<30)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if per[4096] > 2*per[100] {
		t.Errorf("%.0f ms for a MiB of 4096, and %.0f for one of 100", per[4096]*1000, per[100]*1000)
	}
}
