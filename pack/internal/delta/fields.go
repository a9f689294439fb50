package delta

import "encoding/binary"

// Programs and their tables are full of places: of what is called, jumped to or read. When code
// moves, a field that tells a distance changes by as much as its target moved and the field
// itself did not, and one that tells an address by as much as its target moved. How far that
// was follows from other fields that were seen before and told the same place, or one near it.

// Views of old bytes: which of them are fields. A dense copy has one.
const (
	viewPlain = iota        // none
	viewX86                 // distances from the end of the field, after E8, E9, 0F 8x, or a ModRM byte of that kind
	viewAbs                 // addresses, in words whose old address is 0 modulo 4; then those with 1, 2 and 3
	viewRel   = viewAbs + 4 // distances from the field itself, likewise
	views     = viewRel + 4
)

const (
	fieldLen   = 4
	fieldKinds = 6
)

// field is a place told among old bytes.
type field struct {
	kind  int
	value uint32
	place int64  // what it tells: for an address itself, else the old address of the target
	shift uint32 // how far the field moved, if it tells a distance
}

// known says whether old bytes at i, of which those from i-2 to i+3 are in o, are a field in a view. addr
// is their address, and by how far they moved.
func (f *field) known(view int, o []byte, i int, addr, size int64, by uint32) bool {
	if view >= viewAbs {
		if (int(addr)^(view-viewAbs))&3 != 0 {
			return false
		}
		if f.value = binary.LittleEndian.Uint32(o[i:]); f.value+0x1000 < 0x2000 {
			return false
		}
		if view < viewRel {
			f.kind, f.place, f.shift = 4, int64(f.value), 0
			return true
		}
		f.kind, f.shift = 5, by
		f.place = addr + int64(int32(f.value))
		return f.place >= 0 && f.place < size
	}
	switch b := o[i-1]; {
	case b&0xFE == 0xE8:
		f.kind = int(b & 1)
	case b&0xF0 == 0x80 && o[i-2] == 0x0F:
		f.kind = 2
	case b&0xC7 == 0x05:
		f.kind = 3
	default:
		return false
	}
	f.value, f.shift = binary.LittleEndian.Uint32(o[i:]), by
	f.place = addr + fieldLen + int64(int32(f.value))
	return f.value+0x80 > 0xFF && f.place >= 0 && f.place < size
}

// moves remembers how far places moved, modulo 2³², by ever larger surroundings: one for
// addresses as fields tell them, and one for those of the old payload.
type moves [2]struct {
	by   [3][1 << 14]move
	last uint32
}

type move struct{ tag, by uint32 }

var moveBits = [3]uint{4, 8, 13}

func slot(k int, place int64) (at, tag uint32) {
	tag = uint32(place>>moveBits[k]) + 1
	return tag * 0x9E3779B1 >> 18, tag
}

func (f *field) table() int {
	if f.kind == 4 {
		return 1
	}
	return 0
}

// guess what becomes of a field, and tell how near to its place that was which told.
func (m *moves) guess(f *field) (value uint32, trust int) {
	t := &m[f.table()]
	for k := range t.by {
		if at, tag := slot(k, f.place); t.by[k][at].tag == tag {
			return f.value + t.by[k][at].by - f.shift, 3 - k
		}
	}
	return f.value + t.last - f.shift, 0
}

// learn what became of a field.
func (m *moves) learn(f *field, value uint32) {
	t := &m[f.table()]
	t.last = value - f.value + f.shift
	for k := range t.by {
		at, tag := slot(k, f.place)
		t.by[k][at] = move{tag, t.last}
	}
}
