package delta

import (
	"bytes"
	"slices"
	"testing"
)

const unitSize = 1 << 10

// story is a payload that units are cut from: what repeats far and near, noise, text.
func story() []byte {
	old, block, _ := sample()
	return slices.Concat(old, block, noise(8, 3000), block[2000:], bytes.Repeat([]byte{0}, 5000), old)
}

// units codes a payload in stripes of the given size.
func units(payload []byte, stripe int) (all [][]byte) {
	u, c := NewUnits(int64(len(payload))), NewUnitCoder()
	for s := 0; s < len(payload); s += stripe {
		n := min(stripe, len(payload)-s)
		u.Add(payload[s : s+n])
		for at := 0; at < n; at += unitSize {
			all = append(all, u.Encode(c, at, min(at+unitSize, n)))
		}
		u.Learn(c)
	}
	return all
}

func decodeUnit(d *Decoder, payload []byte, at, n int, stored []byte) ([]byte, error) {
	b := make([]byte, n)
	w := NewWindow(bytes.NewReader(payload[:at]), int64(at))
	return b, d.DecodeUnit(b, int64(at), w, payload[max(0, at-Before):at], stored)
}

func TestUnitsComeBackFromWhatIsBeforeThem(t *testing.T) {
	payload, d := story(), new(Decoder)
	for _, stripe := range []int{4 << 10, StripeMost} {
		total := 0
		for i, stored := range units(payload, stripe) {
			at := i * unitSize
			n := min(unitSize, len(payload)-at)
			got, err := decodeUnit(d, payload, at, n, stored)
			if err != nil || !bytes.Equal(got, payload[at:at+n]) {
				t.Fatalf("unit %d of stripes of %d: %v", i, stripe, err)
			}
			if len(stored) > n+n>>3 {
				t.Errorf("unit %d takes %d bytes", i, len(stored))
			}
			total += len(stored)
		}
		if total > 12500 { // 6,800 bytes of it are noise met for the first time
			t.Errorf("%d bytes became %d", len(payload), total)
		}
	}
}

func TestAUnitDoesNotDependOnWhatWasDecodedBefore(t *testing.T) {
	old, block, pieces := sample()
	payload, d := story(), new(Decoder)
	all := units(payload, StripeMost)
	at := 9 * unitSize
	want, err := decodeUnit(d, payload, at, unitSize, all[9])
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(block))
	if err := d.Decode(out, pieces, NewWindow(bytes.NewReader(old), int64(len(old))), coded(t, old, block, pieces)); err != nil || !bytes.Equal(out, block) {
		t.Errorf("a block after a unit: %v", err)
	}
	if got, err := decodeUnit(d, payload, at, unitSize, all[9]); err != nil || !bytes.Equal(got, want) {
		t.Errorf("a unit after a block: %v", err)
	}
}

func TestAWindowGrowsWithWhatIsWritten(t *testing.T) {
	b := noise(3, 3*pageSize)
	grown := bytes.Clone(b)
	clear(grown[pageSize+100:])
	w := NewWindow(bytes.NewReader(grown), pageSize+100)
	got := make([]byte, 300)
	w.Read(got, pageSize)
	copy(grown, b)
	w.Grow(2*pageSize + 50)
	if w.Read(got, pageSize); !bytes.Equal(got, b[pageSize:pageSize+300]) {
		t.Error("it shows what was there before")
	}
	if w.Read(got, 2*pageSize); !bytes.Equal(got[:50], b[2*pageSize:2*pageSize+50]) || !bytes.Equal(got[50:], make([]byte, 250)) {
		t.Error("it does not end where it should")
	}
}

// FuzzDecodeUnit holds the decoder against hostile units: it must come to an end, within the unit
// and what is before it.
func FuzzDecodeUnit(f *testing.F) {
	payload := story()
	for i, stored := range units(payload, StripeMost) {
		f.Add(uint16(i), stored)
	}
	d := new(Decoder)
	f.Fuzz(func(_ *testing.T, place uint16, stored []byte) {
		at := int(place) * 37 % len(payload)
		_, _ = decodeUnit(d, payload, at, min(unitSize, len(payload)-at), stored)
	})
}

func BenchmarkDecodeUnits(b *testing.B) {
	payload, d := story(), new(Decoder)
	all := units(payload, StripeMost)
	for b.Loop() {
		for i, stored := range all {
			at := i * unitSize
			if _, err := decodeUnit(d, payload, at, min(unitSize, len(payload)-at), stored); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/unit")
}
