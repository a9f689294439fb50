package delta

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// noise gives bytes that depend on nothing but the seed.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// sample is an old payload and a block with everything in it: what moved, numbers that
// grew, text, noise, repetition.
func sample() (old, block []byte, pieces []Piece) {
	old = slices.Concat(noise(1, 3000), bytes.Repeat([]byte("the larder stocks the shelf "), 60), make([]byte, 500))
	for i := range 600 {
		old = append(old, byte(i), byte(i>>3), 0x10, byte(i*7))
	}
	numbers := bytes.Clone(old[len(old)-2400:])
	for i := 3; i < len(numbers); i += 4 {
		numbers[i] += 5
	}
	first := slices.Concat(old[1000:2500], []byte("inserted"), old[2500:3600], numbers)
	second := slices.Concat(noise(2, 400), bytes.Repeat([]byte{7}, 300), bytes.Repeat([]byte("salt and bread; "), 20), old[100:900])
	block = slices.Concat(first, second)
	return old, block, []Piece{{Addr: 1000, Len: len(first), Hint: 1000}, {Addr: 90000, Len: len(second), Hint: -1}}
}

func coded(t testing.TB, old, block []byte, pieces []Piece) []byte {
	t.Helper()
	var m Matches
	if len(old) > 0 {
		NewIndex(old, 0, nil).Scan(block, &m)
	}
	stored, err := new(Encoder).Encode(block, pieces, NewWindow(bytes.NewReader(old), int64(len(old))), &m)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func made(old []byte, n int, pieces []Piece, stored []byte) ([]byte, error) {
	out := make([]byte, n)
	return out, new(Decoder).Decode(out, pieces, NewWindow(bytes.NewReader(old), int64(len(old))), stored)
}

func TestABlockComesBack(t *testing.T) {
	old, block, pieces := sample()
	for name, c := range map[string]struct {
		old, block []byte
		pieces     []Piece
	}{
		"everything":      {old, block, pieces},
		"no old payload":  {nil, block, pieces},
		"one byte":        {old, []byte{1}, []Piece{{Len: 1, Hint: -1}}},
		"old bytes only":  {old, old, []Piece{{Len: len(old)}}},
		"beyond its base": {old, block, []Piece{{Addr: 90000, Len: len(block), Hint: int64(len(old)) + 70000}}},
		"zeros":           {nil, make([]byte, 100000), []Piece{{Len: 100000, Hint: -1}}},
		"noise":           {nil, noise(5, 70000), []Piece{{Len: 70000, Hint: -1}}},
	} {
		stored := coded(t, c.old, c.block, c.pieces)
		got, err := made(c.old, len(c.block), c.pieces, stored)
		if err != nil || !bytes.Equal(got, c.block) {
			t.Errorf("%s: %v", name, err)
		}
		if len(stored) > len(c.block)+len(c.block)>>8+64 {
			t.Errorf("%s: %d bytes became %d", name, len(c.block), len(stored))
		}
	}
}

func TestWhatIsKnownCostsLittle(t *testing.T) {
	old, block, pieces := sample()
	if n := len(coded(t, old, block, pieces)); n > 2800 { // 400 bytes of it are new noise
		t.Errorf("%d bytes became %d", len(block), n)
	}
	if n := len(coded(t, old, old, []Piece{{Len: len(old)}})); n > 24 {
		t.Errorf("an unchanged payload takes %d bytes", n)
	}
}

func TestCutBlocksAreRefused(t *testing.T) {
	old, block, pieces := sample()
	stored := coded(t, old, block, pieces)
	d, out := new(Decoder), make([]byte, len(block))
	w := NewWindow(bytes.NewReader(old), int64(len(old)))
	for n := 0; n < len(stored); n += 1 + n/16 {
		if d.Decode(out, pieces, w, stored[:n]) == nil {
			t.Errorf("%d of %d bytes were enough", n, len(stored))
		}
	}
	if d.Decode(out, pieces, w, append(bytes.Clone(stored), 0)) == nil {
		t.Error("a byte too many went unseen")
	}
}

// FuzzDecode holds the decoder against hostile blocks: it must come to an end, within
// the block and the old payload.
func FuzzDecode(f *testing.F) {
	old, block, pieces := sample()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		was, is := library(60, 100, 1, fields[name])
		pieces = append(pieces, Piece{Addr: int64(len(block)), Len: len(is), Hint: int64(len(old))})
		old, block = append(old, was...), append(block, is...)
	}
	f.Add(coded(f, old, block, pieces))
	f.Add(coded(f, nil, block, pieces))
	f.Add([]byte("\x00\x00\x00\x80\x00\x00\x00\x00"))
	d := new(Decoder)
	w := NewWindow(bytes.NewReader(old), int64(len(old)))
	out := make([]byte, len(block))
	f.Fuzz(func(t *testing.T, stored []byte) {
		w.Reset()
		_ = d.Decode(out, pieces, w, stored)
	})
}
