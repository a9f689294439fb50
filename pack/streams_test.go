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

// archivesEdited are archives, and the same after small changes to what is in them.
func archivesEdited(t testing.TB, size int) (old, next forest) {
	was := map[string][]byte{}
	for i := range 6 {
		was[fmt.Sprint("entry", i)] = entry(uint64(i), size/6)
	}
	is := maps.Clone(was)
	for i := range 6 {
		b := was[fmt.Sprint("entry", i)]
		if i%2 == 0 {
			is[fmt.Sprint("entry", i)] = slices.Concat(b[:100], []byte("something else"), b[120:])
		}
	}
	return archives(t, was, 6), archives(t, is, 6)
}

func TestWhatChangedInsideCompressedStreamsCostsWhatItIs(t *testing.T) {
	old, next := archivesEdited(t, 200<<10)
	s := newShop(t, old)
	f, res, sum := s.updateByDelta(next, PlanOptions{})
	if len(res.Rotten) > 0 || f.Download != f.Delta || sum.Missing < 150<<10 || sum.Size > sum.Missing/25 {
		t.Errorf("%+v, %+v, %+v", f, res, sum)
	}
}

func TestStreamsThatAreLikeNoOtherAreNoHarm(t *testing.T) {
	old := archives(t, map[string][]byte{"a": entry(1, 30<<10)}, 6)
	for name, next := range map[string]forest{
		"at another level": archives(t, map[string][]byte{"a": entry(1, 30<<10)}, 1),
		"other content":    archives(t, map[string][]byte{"b": entry(2, 30<<10)}, 9),
		"new files":        {"x/a.zip": archives(t, map[string][]byte{"a": entry(1, 31<<10)}, 6)["a.zip"], "b.gz": old["b.gz"]},
		"cut off":          {"a.zip": {kind: KindFile, data: old["a.zip"].data[:3000]}, "c.png": {kind: KindFile, data: old["c.png"].data[50:]}},
	} {
		s := newShop(t, old)
		f, res, sum := s.updateByDelta(next, PlanOptions{})
		if len(res.Rotten) > 0 || sum.Size > sum.Head+sum.Missing*11/10+300 {
			t.Errorf("%s: %+v, %+v, %+v", name, f, res, sum)
		}
	}
}

func TestAStreamLargerThanABlockIsOpenedInParts(t *testing.T) {
	old, next := archivesEdited(t, 3<<20)
	old, next = forest{"c.png": old["c.png"]}, forest{"c.png": next["c.png"]}
	s := newShop(t, old)
	f, res, sum := s.updateByDelta(next, PlanOptions{})
	if len(res.Rotten) > 0 || sum.Blocks < 3 || sum.Size > sum.Missing/25 {
		t.Errorf("%+v, %+v, %+v", f, res, sum)
	}
}

func TestRottenStreamsAreNamedAndTheirFramesFetched(t *testing.T) {
	old, next := archivesEdited(t, 200<<10)
	s := newShop(t, old)
	rot := bytes.Clone(old["b.gz"].data)
	rot[len(rot)/2] ^= 1
	if err := s.root.WriteFile("packs/0/b.gz", rot, 0o644); err != nil {
		t.Fatal(err)
	}
	_, res, _ := s.updateByDelta(next, PlanOptions{})
	if !slices.ContainsFunc(res.Rotten, func(m Mismatch) bool { return m.Path == "packs/0/b.gz" }) {
		t.Errorf("%+v", res)
	}
}

func TestADamagedDeltaOfStreamsIsToldAndFramesServe(t *testing.T) {
	old, next := archivesEdited(t, 60<<10)
	s := newShop(t, old)
	b, _ := pack(t, next, BuildOptions{})
	d, sum := writeDelta(t, s.olds[0].Archive, b)
	if d[7] != withStreams {
		t.Fatal("the test proves nothing")
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 60 {
		bad := bytes.Clone(d)
		bad[r.Int64N(sum.Size)] ^= 1 << r.IntN(8)
		broken, err := OpenDelta(bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			continue
		}
		before := s.installed()
		p, err := NewPlan(t.Context(), open(t, b), s.olds, PlanOptions{Deltas: []*Delta{broken}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Apply(t.Context(), s.root, "staging", s.from(b)); err != nil {
			t.Fatal(err)
		}
		s.check(b, next, before)
		if err := s.root.RemoveAll("staging"); err != nil {
			t.Fatal(err)
		}
	}
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
