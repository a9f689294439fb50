package patching

import (
	"os"
	"path/filepath"
	"testing"

	"larder/pack"
)

func TestADeltaIsWorthItsRowInTheManifest(t *testing.T) {
	for _, c := range []struct {
		with, without int64
		spares        bool
	}{{0, 299, false}, {0, 300, true}, {1000, 1299, false}, {1000, 1300, true}, {5000, 4000, false}, {0, 0, false}} {
		if Spares(c.with, c.without) != c.spares {
			t.Errorf("%d with, %d without: %v", c.with, c.without, !c.spares)
		}
	}
}

func TestWhatADeltaSparesIsKnown(t *testing.T) {
	long := noise(1, 20_000)
	old := built(t, files{"story": long})
	for what, c := range map[string]struct {
		next   string
		spares bool
	}{
		"a word in a long text": {long[:9000] + "a word" + long[9000:], true},
		"another short text":    {"another", false},
	} {
		now := built(t, files{"story": c.next})
		f, err := os.Create(filepath.Join(t.TempDir(), "delta"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sum, err := pack.WriteDelta(t.Context(), f, old, now, pack.DeltaOptions{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := pack.OpenDelta(f, sum.Size)
		if err != nil {
			t.Fatal(err)
		}
		without, figures, err := Without(t.Context(), old, now)
		if err != nil || without != figures.Download+now.Totals().IndexSize {
			t.Fatal(without, figures, err)
		}
		with, err := With(t.Context(), old, now, d, sum.Size)
		if err != nil || with != sum.Size {
			t.Errorf("%s: %d bytes with a delta of %d, %v", what, with, sum.Size, err)
		}
		if Spares(with, without) != c.spares {
			t.Errorf("%s: %d bytes with the delta, %d without", what, with, without)
		}
	}
}
