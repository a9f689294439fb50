package delta

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// fields of programs, as they are appended: place is what they tell, own the address at which they begin.
var fields = map[string]func(b []byte, place, own int) []byte{
	"a call": func(b []byte, place, own int) []byte {
		return binary.LittleEndian.AppendUint32(append(b, 0xE8), uint32(place-own-5))
	},
	"a jump on a condition": func(b []byte, place, own int) []byte {
		return binary.LittleEndian.AppendUint32(append(b, 0x0F, 0x8F), uint32(place-own-6))
	},
	"data beside code": func(b []byte, place, own int) []byte {
		return binary.LittleEndian.AppendUint32(append(b, 0x48, 0x8D, 0x3D), uint32(place-own-7))
	},
	"an address": func(b []byte, place, own int) []byte {
		return binary.LittleEndian.AppendUint32(b, uint32(0x400000+place))
	},
	"a distance among data": func(b []byte, place, own int) []byte {
		return binary.LittleEndian.AppendUint32(b, uint32(place-own))
	},
}

// functionSize bytes has each function of a library, one field among them.
const functionSize = 40

// library gives a program whose functions tell places in each other, and the same after more bytes
// were put between.
func library(functions, more, phase int, field func(b []byte, place, own int) []byte) (old, block []byte) {
	put, body, r := functions/3, noise(5, functions*functionSize), rand.New(rand.NewPCG(1, 1))
	targets := make([]int, functions)
	for i := range targets {
		targets[i] = r.IntN(functions)
	}
	build := func(more int) []byte {
		b := make([]byte, phase)
		for f := range functions {
			if f == put {
				b = append(b, noise(6, more)...)
			}
			from, place := len(b), phase+targets[f]*functionSize
			if targets[f] >= put {
				place += more
			}
			b = field(append(b, body[f*functionSize:][:12]...), place, from+12)
			b = append(b, body[f*functionSize+12:][:functionSize-(len(b)-from)]...)
		}
		return b
	}
	return build(0), build(more)
}

// Of what leads to a place that moved, the first that is seen tells the others: a field costs
// much less than the two bytes of it that change.
func TestWhatLeadsToAPlaceThatMovedIsToldByOthers(t *testing.T) {
	const functions, more = 1000, 0x1230
	for name, field := range fields {
		for phase := range 4 {
			t.Run(fmt.Sprint(name, " ", phase), func(t *testing.T) {
				old, block := library(functions, more, phase, field)
				pieces := []Piece{{Len: len(block), Hint: 0}}
				stored := coded(t, old, block, pieces)
				out, err := made(old, len(block), pieces, stored)
				if err != nil || !bytes.Equal(out, block) {
					t.Fatalf("it does not come back: %v", err)
				}
				if len(stored) > more+functions {
					t.Errorf("%d bytes, %d of them new, for %d fields", len(stored), more, functions)
				}
			})
		}
	}
}
