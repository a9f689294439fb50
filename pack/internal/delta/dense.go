package delta

import (
	"bytes"
	"encoding/binary"
)

// dense codes new bytes that follow old ones with many small differences, as
// numbers and addresses in programs do. Old bytes fall into fields and stretches between
// them. Of a field is told whether it is the one that follows from how far its target moved, of
// a stretch whether it is the old one; of the bytes of others, each by itself, by what stands
// around it, and by how much it differs.
type dense struct {
	moves  moves
	hits   [fieldKinds << 5]flag // of fields, by kind, trust and what came of the last ones
	lately int                   // what came of the last fields

	runs  mixer // of stretches
	drift int   // the last eight of them

	bytes mixer
	since int  // equal bytes since the last difference
	hist  int  // of the last eight bytes
	last  byte // the last difference

	diffA [256]byteModel     // by the last difference
	diffB [1 << 12]byteModel // by what stands around
}

// runMost bytes at most are in a stretch.
const runMost = 16

// densePad is how many old bytes before a dense copy, and after it, have a say.
const densePad = 8

func (d *dense) reset() {
	d.moves = moves{}
	for i := range d.hits {
		d.hits[i] = flagStart
	}
	d.runs.reset()
	d.bytes.reset()
	for i := range d.diffA {
		d.diffA[i].reset()
	}
	for i := range d.diffB {
		d.diffB[i].reset()
	}
	d.since, d.hist, d.last, d.lately, d.drift = 0, 0, 0, 0, 0
}

// line is one end of the way from encoder to decoder. What is passed in counts at the encoder's;
// what is given back is the same at both.
type line interface {
	bit(chance uint64, bit int) int
	byte(a, b *byteModel, v byte) byte
	done(same, differ, told int) // so many bytes and fields passed
}

// copied is a dense copy. Its old bytes have densePad more on both sides.
type copied struct {
	new, old []byte
	from, to int64 // addresses of both
	view     int
	size     int64 // of the old payload
	before   byte  // the new byte before
}

// code codes a copy.
func (d *dense) code(c *copied, l line) {
	var f field
	for i := 0; i < len(c.new); {
		n, isField := c.next(i, &f)
		if n > 0 {
			d.stretch(c, i, n, l)
			i += n
		}
		if isField {
			d.field(c, i, &f, l)
			i += fieldLen
		}
	}
}

// next is the stretch at i, and the field after it, if it ends in one.
func (c *copied) next(i int, f *field) (n int, ok bool) {
	most := min(runMost, len(c.new)-i)
	if c.view == viewPlain {
		return most, false
	}
	for ; n < most; n++ {
		k := i + n
		if k+fieldLen <= len(c.new) && f.known(c.view, c.old, k+densePad, c.from+int64(k), c.size, uint32(c.to-c.from)) {
			return n, true
		}
	}
	return n, false
}

func (d *dense) field(c *copied, i int, f *field, l line) {
	told, trust := d.moves.guess(f)
	new := c.new[i : i+fieldLen]
	hit := &d.hits[f.kind<<5|trust<<3|d.lately&7]
	is := 0
	if binary.LittleEndian.Uint32(new) == told {
		is = 1
	}
	is = l.bit(hit.chance(), is)
	hit.learn(is)
	d.lately = d.lately<<1 | is
	if is == 1 {
		binary.LittleEndian.PutUint32(new, told)
		c.before = new[fieldLen-1]
		d.passed(fieldLen)
		if told == f.value {
			l.done(fieldLen, 0, 0)
		} else {
			l.done(0, 0, 1)
		}
	} else {
		for k := range fieldLen {
			d.byte(c, i+k, false, l)
		}
	}
	d.moves.learn(f, binary.LittleEndian.Uint32(new))
}

// passed notes n bytes that need no more telling.
func (d *dense) passed(n int) {
	d.since += n
	d.hist <<= n
}

func (d *dense) stretch(c *copied, i, n int, l line) {
	new, old := c.new[i:i+n], c.old[i+densePad:i+densePad+n]
	differs := 0
	if !bytes.Equal(new, old) {
		differs = 1
	}
	h := binary.LittleEndian.Uint64(c.old[i+densePad-1:])
	u := h >> 8
	if n < 7 {
		u &= 1<<(8*n) - 1
	}
	differs = l.bit(d.runs.ask(
		uint32(h)*0x9E3779B1>>16,
		uint32(d.drift&0xFF<<5|n),
		uint32((u+uint64(n))*0x9E3779B185EBCA87>>48),
		uint32(min(d.since, 63)<<8|d.lately&7<<5|n),
		uint32(d.drift&7<<5|n)), differs)
	d.runs.learn(differs)
	d.drift = d.drift<<1 | differs
	if differs == 0 {
		copy(new, old)
		c.before = new[n-1]
		d.passed(n)
		l.done(n, 0, 0)
		return
	}
	none := true
	for k := range n {
		if d.byte(c, i+k, none && k == n-1, l) {
			none = false
		}
	}
}

// byte codes the i-th of new bytes, and tells whether it differs; sure says that it does for certain.
func (d *dense) byte(c *copied, i int, sure bool, l line) bool {
	old := c.old[i+densePad]
	w := binary.LittleEndian.Uint32(c.old[i+densePad-1:]) // the old bytes before, at, and after
	differs := 1
	if !sure {
		if c.new[i] == old {
			differs = 0
		}
		s := uint32(min(d.since, 31))
		differs = l.bit(d.bytes.ask(
			w<<8*0x9E3779B1>>16,
			uint32(d.hist&0xFF)<<5|s,
			uint32(old)<<8|uint32(c.before),
			(w*0x85EBCA6B+min(s, 3)*0x3243F6A9)>>16,
			uint32(d.hist&7)<<5|s), differs)
		d.bytes.learn(differs)
	}
	d.hist = d.hist<<1 | differs
	if differs == 0 {
		d.since++
		c.new[i], c.before = old, old
		l.done(1, 0, 0)
		return false
	}
	d.since = 0
	d.last = l.byte(&d.diffA[d.last], &d.diffB[w<<8*0x9E3779B1>>20], c.new[i]-old)
	c.new[i] = old + d.last
	c.before = c.new[i]
	l.done(0, 1, 0)
	return true
}
