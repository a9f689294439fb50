package delta

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// farIndex finds long equal stretches anywhere in a shard of the old payload.
type farIndex struct {
	old   []byte
	base  int64 // address of old
	step  int
	next  int // place to be entered next
	bits  int
	head  []uint32 // by hash: 1 + the number of the last place with it
	prev  []uint32 // by number of place: the place before with that hash
	place []uint32 // by number; nil: all places have one
}

const (
	farLen   = 12
	farDepth = 12
	farStep  = 4 // every so many old places are entered
)

// farMix mixes the first farLen bytes of b; its upper bits tell them apart.
func farMix(b []byte) uint64 {
	x := binary.LittleEndian.Uint64(b)*0x9E3779B185EBCA87 ^ uint64(binary.LittleEndian.Uint32(b[8:]))*0xC2B2AE3D27D4EB4F
	return x * 0x165667B19E3779F9
}

// newFarIndex takes the wanted places of old, all of them where that is nil.
func newFarIndex(old []byte, base int64, wanted *Wanted) *farIndex {
	f := &farIndex{old: old, base: base, step: farStep}
	for len(old)/f.step > 64<<20 {
		f.step *= 2
	}
	if wanted == nil {
		f.room(len(old))
		f.enter()
		return f
	}
	marks, n := wanted.places(old, f.step)
	f.tables(n)
	f.place = make([]uint32, 0, n)
	for k, word := range marks {
		for ; word != 0; word &= word - 1 {
			f.place = append(f.place, uint32(k*64+bits.TrailingZeros64(word)))
		}
	}
	last := uint64(0)
	for k, place := range f.place {
		last = f.put(int(place)*f.step, k, last)
	}
	return f
}

// tables makes those of an index of n places.
func (f *farIndex) tables(n int) {
	f.bits = min(max(bits.Len(uint(n)), 10), 25)
	f.head = make([]uint32, 1<<f.bits)
	f.prev = make([]uint32, n)
}

// room makes the index large enough for n old bytes.
func (f *farIndex) room(n int) { f.tables(n/f.step + 1) }

// enter enters the places of old that are not entered yet.
func (f *farIndex) enter() {
	last := uint64(0)
	for ; f.next+farLen <= len(f.old); f.next += f.step {
		last = f.put(f.next, f.next/f.step, last)
	}
}

// put enters the place at i as that of number k, unless it goes on as the last one, and is flat.
func (f *farIndex) put(i, k int, last uint64) uint64 {
	x := farMix(f.old[i:])
	if x != last || !flat(f.old[i:]) {
		h := x >> (64 - f.bits)
		f.prev[k] = f.head[h]
		f.head[h] = uint32(k) + 1
	}
	return x
}

// at is the place of number k in old.
func (f *farIndex) at(k uint32) int {
	if f.place != nil {
		k = f.place[k]
	}
	return int(k) * f.step
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

// span is a run of a block's bytes.
type span struct{ pos, end int }

// Of a match that is long enough its last bytes alone are looked at again: what lies
// before them is well told.
const (
	longMatch = 512
	longTail  = 400
)

// long gives what long matches cover but for their tails, in order.
func long(found []match) (all []span) {
	for _, m := range found {
		if m.n >= longMatch {
			all = append(all, span{m.pos, m.pos + m.n - longTail})
		}
	}
	slices.SortFunc(all, func(a, b span) int { return a.pos - b.pos })
	return all
}

// past is the first place from i on that no span holds, and the spans that are left.
func past(i int, spans []span) (int, []span) {
	for len(spans) > 0 && spans[0].pos <= i {
		i = max(i, spans[0].end)
		spans = spans[1:]
	}
	return i, spans
}

// scan finds long matches of a block, those at each place where none covers it yet well.
func (f *farIndex) scan(block []byte, least int, found []match) []match {
	end, way := 0, 0 // of the match that reaches furthest
	known := long(found)
	for i := 0; i+farLen <= len(block); i++ {
		if i+least < end && end-i > longTail {
			i = end - longTail
		}
		if i, known = past(i, known); i+farLen > len(block) {
			break
		}
		n, src, back := f.longest(block, i, i+way)
		if n+back >= least && i+n > end+4 {
			found = append(found, match{pos: i - back, n: n + back, src: f.base + int64(src-back)})
			end, way = i+n, src-i
		}
	}
	return found
}

// longest finds the longest match of what begins at i, and of such ones that which is nearest to a place.
func (f *farIndex) longest(block []byte, i, to int) (n, src, back int) {
	at := f.head[farMix(block[i:])>>(64-f.bits)]
	for d := 0; at != 0 && d < farDepth; d++ {
		p := f.at(at - 1)
		if k := equal(block[i:], f.old[p:]); k >= farLen && (k > n || k == n && distance(p, to) < distance(src, to)) {
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

func distance(a, b int) int { return max(a-b, b-a) }

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
