package transfer

import (
	"os"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
)

// What a device makes of each fault that a server may be told to have: how an attempt ends,
// and that no byte that it has is asked for again.
func TestEachFaultOfAServerEndsAsItShould(t *testing.T) {
	other := small
	other.Seed++
	for _, c := range []struct {
		script string
		fails  []Kind       // of the attempts before the last
		codes  []asset.Code // of these
		whole  fault.Bytes  // what is there at the end
		starts []int64      // where each request began
	}{
		{"drop@100KiB", []Kind{KindConnectivity}, []asset.Code{asset.CodeNetwork}, small, []int64{0, 100 << 10}},
		{"truncate", []Kind{KindConnectivity}, []asset.Code{asset.CodeNetwork}, small, []int64{0, 150 << 10}},
		{"drop@50KiB,drop@100KiB,drop@250KiB", []Kind{KindConnectivity, KindConnectivity, KindConnectivity},
			[]asset.Code{asset.CodeNetwork, asset.CodeNetwork, asset.CodeNetwork}, small, []int64{0, 50 << 10, 100 << 10, 250 << 10}},
		{"stall@100KiB", []Kind{KindConnectivity}, []asset.Code{asset.CodeNetwork}, small, []int64{0, 100 << 10}},
		{"status=503:2", []Kind{KindServer, KindServer}, []asset.Code{asset.CodeServer, asset.CodeServer}, small, []int64{0, 0, 0}},
		{"drop@100KiB,status=503", []Kind{KindServer, KindConnectivity}, []asset.Code{asset.CodeServer, asset.CodeNetwork}, small, []int64{0, 0, 100 << 10}},
		{"status=404", []Kind{KindPermanent}, []asset.Code{asset.CodeServer}, small, []int64{0, 0}},
		{"slow=50MiB", nil, nil, small, []int64{0}},
		{"etag-change", nil, nil, small, []int64{0}},
		{"drop@100KiB,etag-change", []Kind{KindConnectivity}, []asset.Code{asset.CodeNetwork}, other, []int64{0, 100 << 10}},
	} {
		t.Run(c.script, func(t *testing.T) {
			r := newRig(t)
			if strings.HasPrefix(c.script, "stall") {
				r.fetcher.Stall = time.Second
			}
			r.Put("/a", fault.File{Content: small, Script: c.script})
			j := r.job("/a", Held{})
			j.Size = small.Size
			for n, kind := range c.fails {
				held, fail := r.fetch(j)
				wantFailure(t, fail, kind)
				if fail.Err.Code != c.codes[n] {
					t.Errorf("attempt %d: code %d; want %d", n, fail.Err.Code, c.codes[n])
				}
				j.Held = held
			}
			held, fail := r.fetch(j)
			r.wantWhole(c.whole, held, fail)
			for n, q := range r.Requests() {
				if n >= len(c.starts) || q.Start != c.starts[n] {
					t.Errorf("request %d began at byte %d; want %d", n, q.Start, c.starts)
				}
			}
		})
	}
}

// A wrong byte is nothing that HTTP can tell: the file comes whole, and whoever has its
// hash refuses it (1002).
func TestADamagedByteComesThroughForTheHashToFind(t *testing.T) {
	r := newRig(t)
	r.Put("/a", fault.File{Content: small, Script: "corrupt@70000"})
	if held, fail := r.fetch(r.job("/a", Held{})); fail != nil || held.Bytes != small.Size {
		t.Fatalf("%+v, %v", held, fail)
	}
	got, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, small.Size)
	_, _ = small.ReadAt(want, 0)
	want[70000] ^= 0xff
	if string(got) != string(want) {
		t.Error("another byte than the 70000th is wrong")
	}
}

// A server that has exchanged the file for one of another size is found out before a byte
// is written.
func TestAFileOfAnotherSizeIsASizeMismatch(t *testing.T) {
	r := newRig(t)
	r.Put("/a", fault.File{Content: fault.Content(3, small.Size+1)})
	j := r.job("/a", Held{})
	j.Size = small.Size
	_, fail := r.fetch(j)
	wantFailure(t, fail, KindPermanent)
	if fail.Err.Code != asset.CodeSizeMismatch {
		t.Errorf("code %d", fail.Err.Code)
	}
}
