package pack

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// The vector of a delta: what any reader of this version must make of a delta that an
// earlier writer made. Writers may change; these bytes may not lose their meaning.
func TestTheDeltaVectorMakesItsTarget(t *testing.T) {
	table := text(3, 30<<10)
	grown := bytes.Clone(table)
	for i := 0; i < len(grown); i += 40 {
		grown[i] += 3
	}
	old := forest{"a/noise": {kind: KindFile, data: noise(9, 20<<10)}, "a/table": {kind: KindExecutable, data: table}, "story": {kind: KindFile, data: text(5, 20<<10)}}
	next := maps.Clone(old)
	next["a/table"] = node{kind: KindExecutable, data: grown}
	next["b/noise"] = node{kind: KindFile, data: append(noise(9, 10<<10), noise(8, 5<<10)...)}
	next["b/twin"] = next["b/noise"]
	next["zeros"] = node{kind: KindFile, data: make([]byte, 20<<10)}
	file := func(name string) string { return filepath.Join("testdata", "delta", name) }
	if *update {
		was, _ := pack(t, old, BuildOptions{})
		is, _ := pack(t, next, BuildOptions{})
		d, _ := writeDelta(t, open(t, was), is)
		for name, b := range map[string][]byte{"base.assetpack": was, "target.assetpack": is, "base-target.delta": d} {
			if err := os.WriteFile(file(name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	was, b, d := read("base.assetpack"), read("target.assetpack"), read("base-target.delta")
	s := &shop{t: t, root: tempRoot(t), olds: []Installed{{Archive: open(t, was), Dir: "packs/0"}}}
	if err := s.olds[0].Archive.Extract(t.Context(), subRoot(t, s.root, "packs/0")); err != nil {
		t.Fatal(err)
	}
	f, res := s.applyDelta(b, d, next, PlanOptions{})
	if len(res.Rotten) > 0 || f.Download != f.Delta {
		t.Errorf("%+v, %+v", f, res)
	}
}
