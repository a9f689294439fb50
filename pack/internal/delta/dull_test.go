package delta

import (
	"bytes"
	"slices"
	"testing"
)

func TestOnlyNoiseThatIsNewIsDull(t *testing.T) {
	block := slices.Concat(noise(1, dullStretch), bytes.Repeat([]byte("salt and bread; "), dullStretch/16), noise(2, 2*dullStretch), noise(3, 100))
	got := dullness(block, []match{{pos: 3*dullStretch - 1, n: 20}})
	if want := []bool{true, false, false, false, false}; !slices.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
}

// What stands twice in new noise is still found.
func TestNoiseThatComesTwiceIsCopied(t *testing.T) {
	part := noise(4, 40_000)
	block := slices.Concat(part, noise(5, 33_333), part)
	pieces := []Piece{{Len: len(block), Hint: -1}}
	stored := coded(t, nil, block, pieces)
	if len(stored) > 40_000+33_333+1000 {
		t.Errorf("%d bytes of %d", len(stored), len(block))
	}
	if got, err := made(nil, len(block), pieces, stored); err != nil || !bytes.Equal(got, block) {
		t.Errorf("it does not come back: %v", err)
	}
}

func BenchmarkEncodeNoise(b *testing.B) {
	old, block := noise(6, 4<<20), noise(7, 2<<20)
	for b.Loop() {
		coded(b, old, block, []Piece{{Len: len(block), Hint: 0}})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(block)), "ns/byte")
}

// Whatever falls together by chance in noise must not be taken for something.
func TestNoiseCostsWhatItHas(t *testing.T) {
	old, block := noise(6, 1<<20), noise(7, 1<<20)
	for _, hint := range []int64{0, -1} {
		if n := len(coded(t, old, block, []Piece{{Len: len(block), Hint: hint}})); n > len(block)+64 {
			t.Errorf("%d bytes for %d, hint %d", n, len(block), hint)
		}
	}
}
