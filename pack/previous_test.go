package pack

import (
	"bytes"
	"errors"
	"maps"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// counted counts how often frames are read.
type counted struct {
	*bytes.Reader
	frames atomic.Int64
	until  int64 // where the frames end
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	if off < c.until {
		c.frames.Add(1)
	}
	return c.Reader.ReadAt(b, off)
}

func TestABuildUponThePreviousPackGivesTheBytesOfAFullBuild(t *testing.T) {
	old := sample()
	// A second section that goes on with a file, a frame that ends with headers, and much that compresses.
	for i := range 9 {
		old["many/"+string(rune('a'+i))] = node{kind: KindFile, data: text(uint64(100+i), 500<<10)}
	}
	b, sum := pack(t, old, BuildOptions{})
	for name, edit := range map[string]func(forest){
		"nothing": func(forest) {},
		"a byte": func(f forest) {
			d := bytes.Clone(f["many/b"].data)
			d[1000]++
			f["many/b"] = node{kind: KindFile, data: d}
		},
		"a mode":     func(f forest) { f["many/c"] = node{kind: KindExecutable, data: f["many/c"].data} },
		"a new file": func(f forest) { f["aaa"] = node{kind: KindFile, data: text(99, 5000)} },
		"one away":   func(f forest) { delete(f, "many/d") },
	} {
		now := maps.Clone(old)
		edit(now)
		want, _ := pack(t, now, BuildOptions{})
		r := &counted{Reader: bytes.NewReader(b), until: sum.Size - sum.IndexSize}
		a, err := Open(r, sum.Size)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := pack(t, now, BuildOptions{Previous: a})
		if !bytes.Equal(got, want) {
			t.Errorf("%s changed: other bytes than those of a full build", name)
		}
		if name == "nothing" && r.frames.Load() != int64(sum.Frames) {
			t.Errorf("of %d frames, %d were taken", sum.Frames, r.frames.Load())
		}
		if r.frames.Load() == 0 {
			t.Errorf("%s changed: no frame was taken", name)
		}
	}
}

func TestAPreviousPackOfAnotherEncoderOrARottenOneIsOfNoUse(t *testing.T) {
	f := forest{"noise": {kind: KindFile, data: noise(1, 2<<20)}, "text": {kind: KindFile, data: text(2, 4<<20)}}
	want, sum := pack(t, f, BuildOptions{})
	var strong bytes.Buffer
	if _, err := build(t.Context(), &strong, f.tree(), BuildOptions{}, effort{level: zstd.SpeedBetterCompression, section: 12}); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(strong.Bytes(), want) {
		t.Fatal("two levels give the same bytes")
	}
	rotten := bytes.Clone(want)
	for i := 1000; i < int(sum.Size-sum.IndexSize); i += 1000 {
		rotten[i] ^= 1
	}
	lost := bytes.Clone(want)
	for i := sum.Size - sum.IndexSize + 50; i < sum.Size-200; i += 10 {
		lost[i] ^= 1
	}
	index := want[sum.Size-sum.IndexSize:]
	for name, b := range map[string][]byte{"another level": strong.Bytes(), "rotten": rotten, "without its index": lost, "an index": index} {
		a, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			continue // not even a pack
		}
		if got, _ := pack(t, f, BuildOptions{Previous: a}); !bytes.Equal(got, want) {
			t.Errorf("upon one that is %s: other bytes", name)
		}
	}
}

func TestFramesHaveTheKeysThatTheirIndexTells(t *testing.T) {
	b, _ := pack(t, sample(), BuildOptions{})
	a := open(t, b)
	seen := 0
	err := a.everyFrame(t.Context(), opBuild, func(j frameJob) error {
		if err := errors.Join(j.read(a, opBuild), j.decode(opBuild)); err != nil {
			return err
		}
		r := rawFrame{raw: j.raw}
		err := j.in.walk(j.span(), func(int32, int64) error { return nil }, func(c int32, from int64) error {
			r.pieces = append(r.pieces, rawPiece{chunk: j.in.chunks[c], from: int(from)})
			return nil
		})
		if err != nil {
			return err
		}
		if r.key() != j.key() {
			t.Errorf("frame at %d has another key", j.at)
		}
		r.raw[len(r.raw)/2] ^= 1
		if len(r.pieces) == 0 && r.key() == j.key() {
			t.Errorf("frame at %d: a changed header keeps the key", j.at)
		}
		seen++
		return nil
	}, func(_ int, err error) error { return err }, func(*loaded) {})
	if err != nil || seen == 0 {
		t.Fatal(seen, err)
	}
}

func TestEffortGoesWhereBytesShrink(t *testing.T) {
	p := newPress(zstd.SpeedBestCompression, 1<<20)
	defer p.release()
	mixed := append(noise(1, 900<<10), text(1, 124<<10)...)
	for name, c := range map[string]struct {
		raw  []byte
		want bool
	}{
		"noise": {noise(1, 1<<20), true}, "mostly noise": {mixed, true}, "text": {text(1, 1<<20), false}, "zeros": {make([]byte, 1<<20), false},
		"little noise": {noise(1, 1000), false}, "nothing": {nil, false},
	} {
		if got := p.hardlyShrinks(c.raw); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		stored := p.encode(nil, c.raw)
		if raw, err := decode(nil, stored, len(c.raw)); err != nil || !bytes.Equal(raw, c.raw) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
