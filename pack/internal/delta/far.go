package delta

import (
	"encoding/binary"
	"math/bits"
)

// farIndex finds long equal stretches anywhere in a shard of the old payload.
type farIndex struct {
	old  []byte
	base int64 // address of old
	step int
	next int // place to be entered next
	bits int
	head []uint32 // by hash: 1 + the number of the last place with it
	prev []uint32 // by number of place: the place before with that hash
}

const (
	farLen   = 12
	farDepth = 12
	farStep  = 4 // every so many old places are entered
)

func farHash(b []byte, bits int) uint32 {
	x := binary.LittleEndian.Uint64(b)*0x9E3779B185EBCA87 ^ uint64(binary.LittleEndian.Uint32(b[8:]))*0xC2B2AE3D27D4EB4F
	return uint32(x * 0x165667B19E3779F9 >> (64 - bits))
}

func newFarIndex(old []byte, base int64) *farIndex {
	f := &farIndex{old: old, base: base, step: farStep}
	for len(old)/f.step > 64<<20 {
		f.step *= 2
	}
	f.room(len(old))
	f.enter()
	return f
}

// room makes the index large enough for n old bytes.
func (f *farIndex) room(n int) {
	n = n/f.step + 1
	f.bits = min(max(bits.Len(uint(n)), 10), 25)
	f.head = make([]uint32, 1<<f.bits)
	f.prev = make([]uint32, n)
}

// enter enters the places of old that are not entered yet.
func (f *farIndex) enter() {
	last := uint32(0)
	i := f.next
	for ; i+farLen <= len(f.old); i += f.step {
		h := farHash(f.old[i:], f.bits)
		if h == last && i > 0 && flat(f.old[i:]) {
			continue
		}
		last = h
		f.prev[i/f.step] = f.head[h]
		f.head[h] = uint32(i/f.step) + 1
	}
	f.next = i
}

// flat reports a stretch of one byte over and over.
func flat(b []byte) bool {
	x := binary.LittleEndian.Uint64(b)
	return x == uint64(b[0])*0x0101010101010101
}

// match is an equal stretch: block position, old address, length.
type match struct {
	pos, n int
	src    int64
}

// scan finds long matches of a block, those at each place where none covers it yet well.
func (f *farIndex) scan(block []byte, least int, found []match) []match {
	end := 0 // of the match that reaches furthest
	for i := 0; i+farLen <= len(block); i++ {
		if i+least < end && end-i > 400 {
			i = end - 400
		}
		n, src, back := f.longest(block, i)
		if n+back >= least && i+n > end+4 {
			found = append(found, match{pos: i - back, n: n + back, src: f.base + int64(src-back)})
			end = i + n
		}
	}
	return found
}

func (f *farIndex) longest(block []byte, i int) (n, src, back int) {
	at := f.head[farHash(block[i:], f.bits)]
	for d := 0; at != 0 && d < farDepth; d++ {
		p := int(at-1) * f.step
		if k := equal(block[i:], f.old[p:]); k >= farLen && k > n {
			n, src = k, p
		}
		at = f.prev[at-1]
	}
	if n > 0 {
		for back < i && back < src && block[i-back-1] == f.old[src-back-1] && back < 64 {
			back++
		}
	}
	return n, src, back
}

// equal counts the bytes that a and b begin alike.
func equal(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
