package deflate

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"testing"
)

// stream is a closed stream of any kind: some blocks of each sort, and flushes between.
func stream(t testing.TB, r *rand.Rand, size int) (closed, raw []byte) {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, []int{flate.NoCompression, flate.HuffmanOnly, 1, 6, 9}[r.IntN(5)])
	if err != nil {
		t.Fatal(err)
	}
	for len(raw) < size {
		var p []byte
		switch r.IntN(3) {
		case 0:
			p = make([]byte, r.IntN(3000))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
		case 1:
			p = bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(3000))
		case 2:
			for range r.IntN(500) {
				p = append(p, []string{"asset ", "pack ", "is on ", "the shelf ", "and "}[r.IntN(5)]...)
			}
		}
		raw = append(raw, p...)
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if r.IntN(4) == 0 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), raw
}

func TestPartsOfAnyStreamAreClosedAsTheyWere(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		closed, raw := stream(t, r, 1+r.IntN(60<<10))
		file := bytes.NewReader(append(bytes.Clone(closed), "what follows"...))
		n, rawSize, _, err := Measure(file, int64(file.Len()), 1<<30, nil)
		if err != nil || n != int64(len(closed)) || rawSize != int64(len(raw)) {
			t.Fatalf("seed %d: %d bytes closed, %d raw, %v; want %d, %d", seed, n, rawSize, err, len(closed), len(raw))
		}
		c := NewCutter(bytes.NewReader(closed), n)
		for from := 0; from < len(closed); {
			to := min(len(closed), from+600+r.IntN(20<<10))
			p, _, _, err := c.Cut(int64(from), int64(to))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			got := make([]byte, to-from)
			if err := Close(got, p); err != nil || !bytes.Equal(got, closed[from:to]) {
				t.Fatalf("seed %d: bytes %d to %d of %d are closed otherwise: %v", seed, from, to, len(closed), err)
			}
			if from = to; r.IntN(4) == 0 {
				from = min(len(closed), from+r.IntN(5000))
			}
		}
	}
}

func TestAnOpenedStreamIsReadAtAnyPlace(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 4))
		closed, raw := stream(t, r, 300<<10+r.IntN(1<<20))
		n, rawSize, sideSize, err := Measure(bytes.NewReader(closed), int64(len(closed)), 1<<30, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, _, _, err := NewCutter(bytes.NewReader(closed), n).Cut(0, n)
		if err != nil || int64(len(p.Side)) != sideSize {
			t.Fatalf("%d bytes of side, want %d; %v", len(p.Side), sideSize, err)
		}
		whole := append(bytes.Clone(raw), p.Side...)
		o := NewOpened(bytes.NewReader(closed), n, rawSize, sideSize, enough())
		for range 8 {
			at := r.IntN(len(whole))
			got := make([]byte, min(len(whole)-at, 1+r.IntN(60<<10)))
			if k, err := o.ReadAt(got, int64(at)); k < len(got) || !bytes.Equal(got, whole[at:at+k]) {
				t.Fatalf("seed %d: at %d of %d: %d of %d bytes, %v", seed, at, len(whole), k, len(got), err)
			}
		}
		for _, bad := range []*Opened{NewOpened(bytes.NewReader(closed), n, rawSize+1, sideSize, enough()), NewOpened(bytes.NewReader(closed), n, rawSize, sideSize-1, enough()),
			NewOpened(bytes.NewReader(closed[:n/2]), n, rawSize, sideSize, enough()), NewOpened(bytes.NewReader(closed), n, rawSize, sideSize, &Cache{})} {
			if _, err := bad.ReadAt(make([]byte, 1), 0); err == nil {
				t.Error("another stream than was said is read")
			}
		}
	}
}

func enough() *Cache { return &Cache{Most: 1 << 20, Work: 1 << 40} }

func FuzzStream(f *testing.F) {
	for seed := range uint64(8) {
		closed, _ := stream(f, rand.New(rand.NewPCG(seed, 5)), 2000)
		f.Add(closed, uint16(seed*100))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		n, raw, side, err := Measure(bytes.NewReader(b), int64(len(b)), 1<<22, nil)
		if err != nil {
			return
		}
		for _, cut := range [][2]int64{{0, n}, {0, int64(at) % n}, {int64(at) % n, n}} {
			p, _, _, err := NewCutter(bytes.NewReader(b), n).Cut(cut[0], cut[1])
			if err != nil {
				continue
			}
			got := make([]byte, cut[1]-cut[0])
			if err := Close(got, p); err == nil && !bytes.Equal(got, b[cut[0]:cut[1]]) {
				t.Errorf("bytes %d to %d are closed otherwise", cut[0], cut[1])
			}
		}
		o := NewOpened(bytes.NewReader(b), n, raw, side, enough())
		if _, err := io.ReadFull(io.NewSectionReader(o, 0, raw+side), make([]byte, raw+side)); err != nil {
			t.Errorf("%d and %d bytes: %v", raw, side, err)
		}
	})
}

func FuzzClose(f *testing.F) {
	for seed := range uint64(8) {
		closed, _ := stream(f, rand.New(rand.NewPCG(seed, 6)), 2000)
		p, _, _, err := NewCutter(bytes.NewReader(closed), int64(len(closed))).Cut(0, int64(len(closed)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Raw, p.Side, uint16(len(closed)), uint8(0))
	}
	f.Fuzz(func(t *testing.T, raw, side []byte, n uint16, lead uint8) {
		_ = Close(make([]byte, n), Part{Raw: raw, Side: side, Lead: Bits{N: int(lead), B: make([]byte, 32)}})
	})
}
