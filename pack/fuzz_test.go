package pack

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"larder/asset"
)

func FuzzOpen(f *testing.F) {
	tiny := forest{"a": {kind: KindFile, data: []byte("hello")}, "d/e": {kind: KindDirectory}, "l": {kind: KindLink, target: "a"}}
	whole, sum := pack(f, tiny, BuildOptions{Metadata: []byte("{}")})
	f.Add(whole)
	f.Add(whole[sum.Size-sum.IndexSize:])
	f.Add(forge(f, []Source{fileSource("a", 5)}, []byte("hello"), nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if _, err := a.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p, err := NewPlan(t.Context(), a, []Installed{{Archive: a, Dir: "x"}}, PlanOptions{}); err == nil && p.Figures().Write != 0 {
			t.Errorf("a pack beside itself costs %+v", p.Figures())
		}
	})
}

// FuzzSection gives the parser what only a hostile publisher can: bytes whose
// hashes are right.
func FuzzSection(f *testing.F) {
	tree := forest{"a": {kind: KindFile, data: text(1, 100)}, "b/c": {kind: KindDirectory}, "l": {kind: KindLink, target: "a"}}
	b, _ := pack(f, tree, BuildOptions{})
	a := open(f, b)
	s, err := a.load("fuzz", 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.appendMeta(nil), uint16(3), uint16(1), uint16(1), int64(100), int64(s.frames[0].raw), int64(s.frames[0].stored))
	f.Fuzz(func(t *testing.T, meta []byte, rows, chunks, frames uint16, payload, raw, stored int64) {
		in := sectionInfo{rows: int(rows) % maxRows, chunks: int(chunks) % maxSectChunks, frames: int(frames)%maxSectFrames + 1, payload: payload, raw: raw, stored: stored}
		s, err := parseSection(in, meta, make([]byte, 32*(in.chunks+in.frames)))
		if err != nil {
			return
		}
		if got := s.appendMeta(nil); !bytes.Equal(got, meta) {
			t.Errorf("two forms of one section: %x and %x", meta, got)
		}
		if spans, err := s.layout(true); err == nil {
			for i, p := range spans {
				end := int64(0)
				_ = s.walk(p, func(row int32, at int64) error {
					end = at + tarHeaderSize(s.rows[row])
					return nil
				}, func(c int32, at int64) error {
					end = at + s.chunks[c].padded(s.rows[s.chunks[c].row])
					return nil
				})
				if end > int64(s.frames[i].raw) {
					t.Errorf("frame %d reaches byte %d of %d", i, end, s.frames[i].raw)
				}
			}
		}
	})
}

// FuzzExtract gives one frame of a pack other bytes, with the hash of those.
func FuzzExtract(f *testing.F) {
	f.Add([]byte("hello"), "a", "b")
	f.Add([]byte{}, "../x", "../../y")
	f.Fuzz(func(t *testing.T, payload []byte, path, target string) {
		if len(payload) > 64<<10 || len(path) > 4096 || len(target) > 4096 {
			return
		}
		b := forge(t, []Source{fileSource(path, int64(len(payload))), {Entry: Entry{Path: path + "~", Kind: KindLink, Target: target}}}, payload, nil, nil)
		a, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		outside := tempRoot(t)
		dst := subRoot(t, outside, "in/dst")
		if err := a.Extract(t.Context(), dst); err == nil {
			if bad, err := a.VerifyTree(t.Context(), dst); err != nil || len(bad) > 0 {
				t.Errorf("extract and verify differ: %v, %v", bad, err)
			}
		}
		entries, err := os.ReadDir(outside.Name())
		if err != nil || len(entries) != 1 || entries[0].Name() != "in" {
			t.Errorf("outside lie %v, %v", entries, err)
		}
	})
}

// FuzzFine gives a fine file other bytes from a place on: the update is what it should be, or the file
// is refused.
func FuzzFine(f *testing.F) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	was, b, fine := read("delta/base.assetpack"), read("delta/target.assetpack"), read("fine/target.fine")
	f.Add(uint16(0), fine[:100])
	f.Add(uint16(60), []byte{0xFF, 0xFF, 0xFF})
	f.Add(uint16(3000), []byte{1})
	f.Fuzz(func(t *testing.T, at uint16, other []byte) {
		bad := bytes.Clone(fine)
		copy(bad[int(at)%len(bad):], other)
		root := tempRoot(t)
		olds := []Installed{{Archive: open(t, was), Dir: "old"}}
		if err := olds[0].Archive.Extract(t.Context(), subRoot(t, root, "old")); err != nil {
			t.Fatal(err)
		}
		p, err := NewPlan(t.Context(), open(t, b), olds, PlanOptions{Fine: NewFine(AtHand(bytes.NewReader(bad)), int64(len(bad))), Root: root})
		if err != nil {
			wantCode(t, err, asset.CodeHashMismatch, asset.CodeSizeMismatch, asset.CodeDoesNotFit)
			return
		}
		if _, err := p.Apply(t.Context(), root, "new", FetchFrom(bytes.NewReader(b))); err != nil {
			t.Fatal(err)
		}
		if bad, err := open(t, b).VerifyTree(t.Context(), subRoot(t, root, "new")); err != nil || len(bad) > 0 {
			t.Errorf("%v, %v", bad, err)
		}
	})
}
