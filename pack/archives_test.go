package pack

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// archives are three files that hold compressed streams: a zip with entries, a gzip, and a PNG as
// far as its chunks go. Each level compresses otherwise.
func archives(t testing.TB, entries map[string][]byte, level int) forest {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var z, g, p bytes.Buffer
	zw := zip.NewWriter(&z)
	names := slices.Sorted(maps.Keys(entries))
	for _, name := range names {
		w, err := zw.Create(name)
		must(err)
		_, err = w.Write(entries[name])
		must(err)
	}
	must(zw.Close())
	gw, err := gzip.NewWriterLevel(&g, level)
	must(err)
	pw, err := zlib.NewWriterLevel(&p, level)
	must(err)
	for _, w := range []io.WriteCloser{gw, pw} {
		for _, name := range names {
			_, err := w.Write(entries[name])
			must(err)
		}
		must(w.Close())
	}
	png := []byte("\x89PNG\r\n\x1a\n")
	for c := range slices.Chunk(p.Bytes(), 8192) {
		png = binary.BigEndian.AppendUint32(png, uint32(len(c)))
		from := len(png)
		png = append(append(png, "IDAT"...), c...)
		png = binary.BigEndian.AppendUint32(png, crc32.ChecksumIEEE(png[from:]))
	}
	return forest{"a.zip": {kind: KindFile, data: z.Bytes()}, "b.gz": {kind: KindFile, data: g.Bytes()}, "c.png": {kind: KindFile, data: png}}
}

// entry is compressible and like no other.
func entry(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 21))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "%s %d\n", []string{"shelf", "pack", "asset", "view", "lease"}[r.IntN(5)], r.Uint32())
	}
	return b.Bytes()[:size]
}

func FuzzReadStreams(f *testing.F) {
	s := &streams{plain: 1 << 20}
	f.Add(s.appendTo(nil))
	s.base = []stream{{}, {}}
	s.base[0].At, s.base[0].Closed, s.base[0].Raw, s.base[0].Side = 30, 200, 1000, 90
	s.base[1].At, s.base[1].Closed, s.base[1].First, s.base[1].Every, s.base[1].Raw, s.base[1].Side = 300, 20000, 8000, 8192, 90000, 9000
	s.target = []stream{{Stream: s.base[1].Stream, like: 1}, {Stream: s.base[0].Stream, like: -1}}
	s.target[1].At = 30000
	f.Add(s.appendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readStreams(b, 1<<20, 1<<20)
		if err != nil {
			return
		}
		again, err := readStreams(s.appendTo(nil), 1<<20, 1<<20)
		if err != nil || !slices.Equal(again.base, s.base) || len(again.target) != len(s.target) {
			t.Fatalf("%+v became %+v, %v", s, again, err)
		}
		for _, x := range s.base {
			for _, n := range []int64{0, x.Closed / 2, x.Closed - 1} {
				if x.Until(x.Place(n)) != n {
					t.Fatalf("%+v: byte %d lies at %d, and %d before it", x, n, x.Place(n), x.Until(x.Place(n)))
				}
			}
		}
	})
}
