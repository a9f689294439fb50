package pack

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"larder/pack/internal/deflate"
)

// The vector of a delta: what any reader of this version must make of a delta that an
// earlier writer made. Writers may change; these bytes may not lose their meaning.
func TestTheDeltaVectorMakesItsTarget(t *testing.T) {
	table := text(3, 30<<10)
	grown := bytes.Clone(table)
	for i := 0; i < len(grown); i += 40 {
		grown[i] += 3
	}
	was, is := program()
	old := forest{"a/program": {kind: KindExecutable, data: was}, "a/noise": {kind: KindFile, data: noise(9, 20<<10)}, "a/table": {kind: KindExecutable, data: table}, "story": {kind: KindFile, data: text(5, 20<<10)}}
	next := maps.Clone(old)
	next["a/program"] = node{kind: KindExecutable, data: is}
	next["a/table"] = node{kind: KindExecutable, data: grown}
	next["b/noise"] = node{kind: KindFile, data: append(noise(9, 10<<10), noise(8, 5<<10)...)}
	next["b/twin"] = next["b/noise"]
	next["zeros"] = node{kind: KindFile, data: make([]byte, 20<<10)}
	file := func(name string) string { return filepath.Join("testdata", "delta", name) }
	if *update {
		before, _ := pack(t, old, BuildOptions{})
		after, _ := pack(t, next, BuildOptions{})
		d, _ := writeDelta(t, open(t, before), after)
		for name, b := range map[string][]byte{"base.assetpack": before, "target.assetpack": after, "base-target.delta": d} {
			if err := os.WriteFile(file(name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	applyVector(t, "base.assetpack", "target.assetpack", "base-target.delta", next)
}

// The same of a delta that opens streams: in a zip, a gzip and a PNG file, of every kind of block, some
// of them known up to a place within.
func TestTheVectorOfOpenedStreamsMakesItsTarget(t *testing.T) {
	file := func(name string) string { return filepath.Join("testdata", "delta", name) }
	if *update {
		was := map[string][]byte{"middle": entry(1, 20<<10), "noise": noise(3, 3000), "small": bytes.Repeat([]byte("ab"), 200), "zeros": make([]byte, 9000)}
		is := maps.Clone(was)
		is["middle"] = slices.Concat(was["middle"][:15<<10], []byte("inserted"), was["middle"][15<<10:])
		is["small"] = bytes.Repeat([]byte("ab"), 203)
		is["noise"] = slices.Concat(was["noise"][:1000], was["noise"][1003:])
		old, next := archives(t, was, 6), archives(t, is, 6)
		for name, level := range map[string]int{"fast.gz": 1, "stored.gz": 0, "symbols.gz": -2} {
			old[name], next[name] = archives(t, was, level)["b.gz"], archives(t, is, level)["b.gz"]
		}
		late := entry(2, 400<<10)
		old["late.gz"] = archives(t, map[string][]byte{"": late}, 6)["b.gz"]
		next["late.gz"] = archives(t, map[string][]byte{"": slices.Concat(late[:380<<10], []byte("inserted"), late[380<<10:])}, 6)["b.gz"]
		before, _ := pack(t, old, BuildOptions{})
		after, _ := pack(t, next, BuildOptions{})
		d, _ := writeDelta(t, open(t, before), after)
		for name, b := range map[string][]byte{"streams-base.assetpack": before, "streams-target.assetpack": after, "streams.delta": d} {
			if err := os.WriteFile(file(name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d := readVector(t, "streams.delta"); d[7] != withStreams {
		t.Fatal("it opens none")
	}
	applyVector(t, "streams-base.assetpack", "streams-target.assetpack", "streams.delta", filesIn(t, "streams-target.assetpack"))
}

// The same of every kind of part: with a tail, from within a stored block on, and one that stays
// closed. The streams are those of zlib, cut by hand: a zip file of two compressed entries and one that is not;
// a gzip file that changed in the first and the last of its three chunks; and a PNG file that changed in
// the second of its two. The packs are what the vector is made from.
func TestTheVectorOfPartsMakesItsTarget(t *testing.T) {
	if *update {
		packs := map[string][]byte{}
		for _, name := range []string{"parts-base.assetpack", "parts-target.assetpack"} {
			packs[name], _ = pack(t, filesIn(t, name), BuildOptions{})
		}
		packs["parts.delta"], _ = writeDelta(t, open(t, packs["parts-base.assetpack"]), packs["parts-target.assetpack"])
		for name, b := range packs {
			if err := os.WriteFile(filepath.Join("testdata", "delta", name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := kindsOfParts(t, "parts-base.assetpack", "parts-target.assetpack", "parts.delta")
	if want := map[string]int{"whole": 2, "with a tail": 1, "from within a stored block on": 1, "closed": 1}; !maps.Equal(got, want) {
		t.Errorf("its parts are %v, want %v", got, want)
	}
	applyVector(t, "parts-base.assetpack", "parts-target.assetpack", "parts.delta", filesIn(t, "parts-target.assetpack"))
}

// kindsOfParts counts the parts that a delta tells, by what is particular in them.
func kindsOfParts(t *testing.T, base, target, name string) map[string]int {
	t.Helper()
	was, is := open(t, readVector(t, base)), open(t, readVector(t, target))
	d := openDelta(t, readVector(t, name))
	s, err := d.streams(was.total().payload, is.total().payload)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(t.Context(), is, []Installed{{Archive: was}}, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kind := func(p part) string {
		closed := deflate.Closed{R: newUnpacked(opDiff, is), Stream: s.target[p.stream].Stream}
		cut, _, _, err := deflate.NewCutter(closed, closed.Closed).Cut(p.from, p.to)
		switch {
		case err != nil:
			t.Error(err)
		case p.raw == 0:
			return "closed"
		case p.tail.N > 0 && p.to < closed.Closed:
			return "with a tail"
		case p.from > 0 && p.lead.N == 0 && cut.Side[0] == 8:
			return "from within a stored block on"
		case p.from == 0 && p.to == closed.Closed:
			return "whole"
		}
		return "other"
	}
	kinds, at := map[string]int{}, d.data
	if err := p.deltaBlocks(t.Context(), d.limit, func(b deltaBlock) error {
		stored, err := d.read(b.number, at)
		if err != nil {
			return err
		}
		at += int64(len(stored))
		o := s.opening(b.pieces)
		_, err = o.read(stored)
		for _, p := range o.parts {
			kinds[kind(p)]++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return kinds
}

// filesIn are those of a pack.
func filesIn(t *testing.T, name string) forest {
	t.Helper()
	root := tempRoot(t)
	if err := open(t, readVector(t, name)).Extract(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	return readForest(t, root)
}

func readVector(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "delta", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// applyVector updates from one pack to another and wants that the delta gives all of it.
func applyVector(t *testing.T, base, target, delta string, want forest) {
	t.Helper()
	f, res := installed(t, base).applyDelta(readVector(t, target), readVector(t, delta), want, PlanOptions{})
	if len(res.Rotten) > 0 || f.Download != f.Delta {
		t.Errorf("%+v, %+v", f, res)
	}
}

// installed is a shop that has a vector's base.
func installed(t *testing.T, base string) *shop {
	t.Helper()
	s := &shop{t: t, root: tempRoot(t), olds: []Installed{{Archive: open(t, readVector(t, base)), Dir: "packs/0"}}}
	if err := s.olds[0].Archive.Extract(t.Context(), subRoot(t, s.root, "packs/0")); err != nil {
		t.Fatal(err)
	}
	return s
}

// program gives what stands for machine code and its tables, and the same after something was put
// between: calls and jumps that tell distances, addresses, and distances among tables.
func program() (was, is []byte) {
	r := rand.New(rand.NewPCG(7, 7))
	const functions, size, put, more = 300, 64, 100, 0x120
	at := func(f int, moved bool) int {
		if moved && f >= put {
			return f*size + more
		}
		return f * size
	}
	targets, body := make([]int, 4*functions), noise(11, functions*size)
	for i := range targets {
		targets[i] = r.IntN(functions)
	}
	make := func(moved bool) []byte {
		var b []byte
		for f := range functions {
			if moved && f == put {
				b = append(b, noise(12, more)...)
			}
			code := bytes.Clone(body[f*size:][:size])
			for i, op := range []string{"\xE8", "\x0F\x84", "\x48\x8B\x05", "\xE9"} {
				k := 14 * i
				copy(code[k:], op)
				k += len(op)
				binary.LittleEndian.PutUint32(code[k:], uint32(at(targets[4*f+i], moved)-at(f, moved)-k-4))
			}
			b = append(b, code...)
		}
		for _, f := range targets {
			b = binary.LittleEndian.AppendUint64(b, uint64(0x10000+at(f, moved)))
		}
		for f := range functions {
			b = binary.LittleEndian.AppendUint32(b, uint32(at(targets[f], moved)-len(b)))
			b = binary.LittleEndian.AppendUint32(b, uint32(targets[f]))
		}
		return b
	}
	return make(false), make(true)
}
