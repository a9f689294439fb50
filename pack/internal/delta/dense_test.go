package delta

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// program gives bytes as machine code is, and the same after its addresses moved.
func program(n int) (old, moved []byte) {
	r := rand.New(rand.NewPCG(3, 4))
	words := make([][]byte, 400)
	for i := range words {
		words[i] = noise(byte(i), 2+i%7)
		binary.LittleEndian.PutUint16(words[i], uint16(i*i))
	}
	for len(old) < n {
		w := words[min(r.IntN(400), r.IntN(400), r.IntN(400))]
		old, moved = append(old, w...), append(moved, w...)
		if r.IntN(6) == 0 {
			v := r.Uint32N(1 << 22)
			old = binary.LittleEndian.AppendUint32(old, v)
			if v > 1<<20 {
				v += 0x40
			}
			moved = binary.LittleEndian.AppendUint32(moved, v)
		}
	}
	return old, moved
}

func BenchmarkDenseCopies(b *testing.B) {
	old, block := program(1 << 20)
	pieces := []Piece{{Addr: 0, Len: len(block), Hint: 0}}
	stored := coded(b, old, block, pieces)
	b.Logf("%d bytes", len(stored))
	d, out := new(Decoder), make([]byte, len(block))
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		if err := d.Decode(out, pieces, NewWindow(bytes.NewReader(old), int64(len(old))), stored); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(block)), "ns/byte")
	if !bytes.Equal(out, block) {
		b.Error("other bytes")
	}
}
