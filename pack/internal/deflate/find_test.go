package deflate

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// png is a PNG file as far as its chunks go: data cut into chunks of every bytes.
func png(data []byte, every int) []byte {
	out := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, b []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(b)))
		out = append(append(out, kind...), b...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(append([]byte(kind), b...)))
	}
	chunk("IHDR", make([]byte, 13))
	for b := range slices.Chunk(data, every) {
		chunk("IDAT", b)
	}
	chunk("IEND", nil)
	return out
}

func TestStreamsAreFoundInTheFilesThatHaveThem(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	_, raw := stream(t, r, 300<<10)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(w io.WriteCloser) {
		_, err := w.Write(raw)
		must(err)
		must(w.Close())
	}
	var z, g, archive bytes.Buffer
	write(zlib.NewWriter(&z))
	gw := gzip.NewWriter(&g)
	gw.Name, gw.Comment, gw.Extra = "name", "of the shelf", []byte("extra")
	write(gw)
	zw := zip.NewWriter(&archive)
	for _, name := range []string{"a", "b/c"} {
		w, err := zw.Create(name)
		must(err)
		_, err = w.Write(raw)
		must(err)
	}
	must(zw.Close())
	for name, file := range map[string][]byte{"zlib": z.Bytes(), "gzip": g.Bytes(), "zip": archive.Bytes(), "one chunk": png(z.Bytes(), 1<<20), "chunks": png(z.Bytes(), 8192), "chunks that end with it": png(z.Bytes(), z.Len()/2),
		"the end in a chunk of its own": png(z.Bytes(), z.Len()-2), "far in a file": append(make([]byte, windowSize-100), png(z.Bytes(), 8192)...)} {
		var found []Stream
		must(Find(bytes.NewReader(file), int64(len(file)), func(s Stream) bool { found = append(found, s); return true }))
		want := 1
		if name == "zip" {
			want = 2
		}
		if len(found) != want {
			t.Errorf("%s: found %+v", name, found)
			continue
		}
		for i, s := range found {
			c := Closed{R: bytes.NewReader(file), Stream: s}
			got := make([]byte, s.Raw)
			if _, err := NewOpened(c, s.Closed, s.Raw, s.Side, enough()).ReadAt(got, 0); err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%s: %+v holds something else: %v", name, s, err)
			}
			if name == "zip" && s.Name != []string{"a", "b/c"}[i] {
				t.Errorf("entry %d is called %q", i, s.Name)
			}
			for range 100 {
				n := r.Int64N(s.Closed)
				if p := s.Place(n); s.Until(p) != n || s.Until(p+1) != n+1 {
					t.Errorf("%s: byte %d lies at %d, and %d before it", name, n, p, s.Until(p))
				}
			}
		}
	}
}

func TestNoiseIsNoStream(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for range 20_000 { // and what begins as zlib's does
		copy(noise[r.IntN(len(noise)-2):], []byte{0x78, []byte{0x01, 0x5E, 0x9C, 0xDA}[r.IntN(4)]})
	}
	if err := Find(bytes.NewReader(noise), int64(len(noise)), func(s Stream) bool {
		t.Errorf("found %+v", s)
		return true
	}); err != nil {
		t.Error(err)
	}
}

// What likely says of a first block may be wrong, but never that it is none.
func TestEveryStreamIsLikely(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 10))
	for range 300 {
		closed, _ := stream(t, r, r.IntN(3000))
		if b := append(closed, make([]byte, 10)...); !likely(b) {
			t.Fatalf("% x is not likely", b[:10])
		}
	}
}
