package delta

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Of what leads to a place that moved, the first that is seen tells the others: a field costs
// much less than the two bytes of it that change.
func TestWhatLeadsToAPlaceThatMovedIsToldByOthers(t *testing.T) {
	const functions, size, put, more = 1000, 40, 300, 0x1230
	r := rand.New(rand.NewPCG(1, 1))
	targets := make([]int, functions)
	for i := range targets {
		targets[i] = r.IntN(functions)
	}
	body := noise(5, functions*size)
	at := func(f int, moved bool) int {
		if moved && f >= put {
			return f*size + more
		}
		return f * size
	}
	for name, field := range map[string]func(b []byte, place, own int) []byte{
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
	} {
		for phase := range 4 {
			program := func(moved bool) []byte {
				b := make([]byte, phase)
				for f := range functions {
					if moved && f == put {
						b = append(b, noise(6, more)...)
					}
					from := len(b)
					b = field(append(b, body[f*size:][:12]...), phase+at(targets[f], moved), from+12)
					b = append(b, body[f*size+12:][:size-(len(b)-from)]...)
				}
				return b
			}
			t.Run(fmt.Sprint(name, " ", phase), func(t *testing.T) {
				old, block := program(false), program(true)
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
