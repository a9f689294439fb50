package delta

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// nearIndex finds short equal stretches in the parts of the old payload that
// matter for a block, and in the block itself before the place in question.
type nearIndex struct {
	buf     []byte // the parts, then the block
	start   int    // of the block
	parts   []part
	filled  int    // places entered
	deep    []span // of buf, whose places are not entered: in the midst of long matches
	met     int    // of these
	bits    int    // of a hash
	whole   []byte // of a unit: all bytes before it that are at hand, instead of parts
	wholeAt int64
	head4   []int32
	prev4   []int32
	head8   []int32
	prev8   []int32
}

// part is a run of old bytes in a nearIndex.
type part struct {
	at  int // in buf
	src int64
	n   int
}

const (
	nearBits   = 22 // of a hash, at most
	nearDepth4 = 6
	nearDepth8 = 10
	nearMost   = 16 << 20
	deepMatch  = 16 << 10
	deepEdge   = 4 << 10 // of a match's ends
)

// cover chooses the parts: what is matched, with some room around.
func cover(found []match, size int64) []part {
	var spans [][2]int64
	for _, m := range found {
		room := int64(min(4<<10, 8*m.n)) // what matches little is there for itself
		s := [2]int64{max(0, m.src-room), min(size, m.src+int64(m.n)+room)}
		if s[0] < s[1] { // a hint may lead beyond the end, where a file grew
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b [2]int64) int {
		switch {
		case a[0] < b[0]:
			return -1
		case a[0] > b[0]:
			return 1
		}
		return 0
	})
	var parts []part
	total := 0
	for _, s := range spans {
		if len(parts) > 0 {
			if l := &parts[len(parts)-1]; s[0] <= l.src+int64(l.n) {
				if more := s[1] - l.src - int64(l.n); more > 0 {
					l.n += int(more)
					total += int(more)
				}
				continue
			}
		}
		if total > nearMost {
			break
		}
		parts = append(parts, part{at: 0, src: s[0], n: int(s[1] - s[0])})
		total += int(s[1] - s[0])
	}
	at := 0
	for i := range parts {
		parts[i].at = at
		at += parts[i].n
	}
	return parts
}

func newNearIndex(block []byte, far []match, parts []part, old *Window) *nearIndex {
	x := &nearIndex{parts: parts}
	for _, p := range parts {
		x.start += p.n
	}
	x.buf = make([]byte, x.start+len(block))
	for _, p := range parts {
		old.read(x.buf[p.at:p.at+p.n], p.src)
	}
	copy(x.buf[x.start:], block)
	x.dive(far)
	x.bits = min(max(bits.Len(uint(len(x.buf)))-2, 10), nearBits)
	x.head4, x.head8 = make([]int32, 1<<x.bits), make([]int32, 1<<x.bits)
	x.prev4, x.prev8 = make([]int32, len(x.buf)), make([]int32, len(x.buf))
	x.fill(x.start)
	return x
}

// again forgets the places of the block.
func (x *nearIndex) again() {
	clear(x.head4)
	clear(x.head8)
	x.filled, x.met = 0, 0
	x.fill(x.start)
}

// dive finds what is deep in long matches: there is nothing to be told by short ones.
func (x *nearIndex) dive(far []match) {
	add := func(at, n int) { x.deep = append(x.deep, span{at + deepEdge, at + n - deepEdge}) }
	for _, m := range far {
		if m.n < deepMatch {
			continue
		}
		add(x.start+m.pos, m.n)
		if k := sort.Search(len(x.parts), func(k int) bool { return x.parts[k].src > m.src }) - 1; k >= 0 {
			if q := &x.parts[k]; m.src+int64(m.n) <= q.src+int64(q.n) {
				add(q.at+int(m.src-q.src), m.n)
			}
		}
	}
	slices.SortFunc(x.deep, func(a, b span) int { return a.pos - b.pos })
}

func (x *nearIndex) hash4(b []byte) uint32 {
	return binary.LittleEndian.Uint32(b) * 0x9E3779B1 >> (32 - x.bits)
}

func (x *nearIndex) hash8(b []byte) uint32 {
	return uint32(binary.LittleEndian.Uint64(b) * 0x9E3779B185EBCA87 >> (64 - x.bits))
}

// fill enters all places before end.
func (x *nearIndex) fill(end int) {
	for ; x.filled < end && x.filled+8 <= len(x.buf); x.filled++ {
		for ; x.met < len(x.deep) && x.deep[x.met].pos <= x.filled; x.met++ {
			if x.deep[x.met].end >= end {
				x.filled = end
				return
			}
			x.filled = max(x.filled, x.deep[x.met].end)
		}
		i := x.filled
		if i >= end || i+8 > len(x.buf) {
			return
		}
		b := x.buf[i:]
		if flat(b) && i > 0 && x.buf[i-1] == b[0] {
			continue
		}
		h := x.hash4(b)
		x.prev4[i], x.head4[h] = x.head4[h], int32(i)+1
		h = x.hash8(b)
		x.prev8[i], x.head8[h] = x.head8[h], int32(i)+1
	}
}

// old gives the bytes from an old address on that are in a part, if any are. hint is
// where that part was found last.
func (x *nearIndex) old(src int64, hint *int) []byte {
	if x.whole != nil {
		if at := src - x.wholeAt; at >= 0 && at < int64(len(x.whole)) {
			return x.whole[at:]
		}
		return nil
	}
	if k := *hint; k < len(x.parts) {
		if q := &x.parts[k]; src >= q.src && src < q.src+int64(q.n) {
			return x.buf[q.at+int(src-q.src) : q.at+q.n]
		}
	}
	k := sort.Search(len(x.parts), func(k int) bool { return x.parts[k].src > src }) - 1
	if k < 0 || src >= x.parts[k].src+int64(x.parts[k].n) {
		return nil
	}
	*hint = k
	q := &x.parts[k]
	return x.buf[q.at+int(src-q.src) : q.at+q.n]
}

// offer is a copy that could be made at a place.
type offer struct {
	from rep
	n    int
}

// offers gives ever longer copies for the place pos of the block, whose address is addr.
func (x *nearIndex) offers(pos int, addr int64, out []offer) []offer {
	x.fill(x.start + pos)
	i := x.start + pos
	if i+8 > len(x.buf) {
		return out
	}
	best := 3
	try := func(at int32) {
		p := int(at - 1)
		if i+best >= len(x.buf) || x.buf[p+best] != x.buf[i+best] {
			return
		}
		n := equal(x.buf[i:], x.buf[p:])
		if n <= best {
			return
		}
		if p >= x.start {
			out = append(out, offer{localRep(int64(i - p)), n})
		} else {
			k := sort.Search(len(x.parts), func(k int) bool { return x.parts[k].at > p }) - 1
			q := &x.parts[k]
			if n = min(n, q.at+q.n-p); n <= best {
				return
			}
			out = append(out, offer{oldRep(q.src + int64(p-q.at) - addr), n})
		}
		best = n
	}
	at, at8 := int32(0), int32(0)
	if i < x.filled { // of a unit
		at, at8 = x.prev4[i], x.prev8[i]
	} else {
		at, at8 = x.head4[x.hash4(x.buf[i:])], x.head8[x.hash8(x.buf[i:])]
	}
	for d := 0; at != 0 && d < nearDepth4; d++ {
		try(at)
		at = x.prev4[at-1]
	}
	best = max(best, 7)
	at = at8
	for d := 0; at != 0 && d < nearDepth8; d++ {
		try(at)
		at = x.prev8[at-1]
	}
	return out
}
