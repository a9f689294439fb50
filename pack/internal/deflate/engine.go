package deflate

import (
	"encoding/binary"
	"io"
)

// Where an engine is in its stream.
const (
	atHeader = iota
	inCodes
	inStored
)

// engine takes a stream apart, a step at a time: a header, a literal, a copy, or the end
// of a block.
type engine struct {
	in     source
	place         // what a mark keeps
	raw    []byte // what the stream holds; at least the last 32 KiB stay
	side   []byte // how it is told
	run    int    // literals that side does not tell yet
	record []byte // the header of the present block
	lits   decoder
	dists  decoder
	cl     decoder
}

type place struct {
	state int
	final bool  // the present block is the last one
	left  int   // bytes of a stored block
	head  int64 // bit where the present block's header begins
}

func newEngine(r io.ReaderAt, size int64) *engine {
	e := &engine{in: source{r: r, size: size}}
	e.in.seek(0)
	return e
}

// step goes on by a little, at the end not at all, with io.EOF. Of a stored block it takes no
// more than ends at a bit, but one byte at least.
func (e *engine) step(upTo int64) error {
	switch e.state {
	case inCodes:
		e.coded()
	case inStored:
		k := max(1, min(e.left, int((upTo-e.in.pos())/8), 4<<10))
		for range k {
			e.raw = append(e.raw, byte(e.in.take(8)))
		}
		if e.left -= k; e.left == 0 {
			e.state = atHeader
		}
	case atHeader:
		if e.final {
			return io.EOF
		}
		if err := e.header(); err != nil {
			return err
		}
		e.side = append(e.side, e.record...)
	default:
		return ErrDamaged
	}
	if e.in.short || e.state > inStored {
		return ErrDamaged
	}
	return nil
}

// leap steps until no literals are left to be told.
func (e *engine) leap() error {
	if e.state != inCodes {
		return e.step(8 * e.in.size)
	}
	for more := true; more; more = e.run > 0 && e.state == inCodes && !e.in.short {
		e.literals()
		e.coded()
	}
	if e.in.short || e.state > inStored {
		return ErrDamaged
	}
	return nil
}

func (e *engine) damaged() { e.state = inStored + 1 }

// literals takes what of a run is quickly seen.
func (e *engine) literals() {
	in := &e.in
	for e.run < 254 {
		if in.n < longestCode {
			if in.fill(); in.n < longestCode {
				return
			}
		}
		s := e.lits.short[in.acc&(1<<tableBits-1)]
		if s == 0 || s >= endBlock<<4 {
			return
		}
		in.acc >>= s & 15
		in.n -= uint(s & 15)
		e.raw = append(e.raw, byte(s>>4))
		e.run++
	}
}

// coded takes a literal, a copy, or the end of a block.
func (e *engine) coded() {
	s := e.lits.take(&e.in)
	switch {
	case s < 0:
		e.damaged()
	case s < endBlock:
		e.raw = append(e.raw, byte(s))
		if e.run++; e.run == 255 {
			e.tellRun()
		}
	case s == endBlock:
		e.tellRun()
		e.side = append(e.side, 0)
		e.state = atHeader
	case s > endBlock+len(lengthBase):
		e.damaged()
	default:
		s -= endBlock + 1
		n := int(lengthBase[s]) + e.in.take(uint(lengthBits[s]))
		k := e.dists.take(&e.in)
		if k < 0 || k >= distances {
			e.damaged()
			return
		}
		d := int(distBase[k]) + e.in.take(uint(distBits[k]))
		if d > len(e.raw) {
			e.damaged()
			return
		}
		e.tellRun()
		switch {
		case n <= 256:
			e.side = append(e.side, byte(n-2))
		case n == 257:
			e.side = append(e.side, 255, long257)
		case s == len(lengthBase)-1:
			e.side = append(e.side, 255, long258)
		default:
			e.side = append(e.side, 255, long258b)
		}
		e.side = binary.LittleEndian.AppendUint16(e.side, uint16(d-1))
		if d >= n {
			e.raw = append(e.raw, e.raw[len(e.raw)-d:][:n]...)
			return
		}
		for range n {
			e.raw = append(e.raw, e.raw[len(e.raw)-d])
		}
	}
}

func (e *engine) tellRun() {
	e.side = append(e.side, byte(e.run))
	e.run = 0
}

// header reads the header of a block into record, and its codes.
func (e *engine) header() error {
	e.head = e.in.pos()
	e.final = e.in.take(1) == 1
	kind := e.in.take(2)
	e.record = append(e.record[:0], byte(kind<<kindShift))
	if e.final {
		e.record[0] |= bitFinal
	}
	switch kind {
	case kindStored:
		pad := e.in.take(uint(-e.in.pos() & 7))
		e.left = e.in.take(16)
		if e.in.take(16) != e.left^0xFFFF {
			return ErrDamaged
		}
		e.record = binary.LittleEndian.AppendUint16(append(e.record, byte(pad)), uint16(e.left))
		if e.state = inStored; e.left == 0 {
			e.state = atHeader
		}
		return nil
	case kindFixed:
		e.state = inCodes
		return e.build(fixedLits, fixedDists)
	case kindDynamic:
		e.state = inCodes
		return e.dynamic()
	}
	return ErrDamaged
}

func (e *engine) build(lits, dists []uint8) error {
	if err := e.lits.init(lits); err != nil {
		return err
	}
	return e.dists.init(dists)
}

func (e *engine) dynamic() error {
	lits, dists, n := e.in.take(5), e.in.take(5), e.in.take(4)
	e.record = append(e.record, byte(lits), byte(dists), byte(n))
	lits, dists, n = lits+257, dists+1, n+4
	var cl [19]uint8
	for _, s := range codeOrder[:n] {
		cl[s] = uint8(e.in.take(3))
		e.record = append(e.record, cl[s])
	}
	if err := e.cl.init(cl[:]); err != nil {
		return err
	}
	var all lengths
	for len(all) < lits+dists {
		s := e.cl.take(&e.in)
		var b int
		switch {
		case s < 0 || e.in.short:
			return ErrDamaged
		case s < 16:
			b = s
		case s == 16:
			b = repeatLast + e.in.take(2)
		case s == 17:
			b = repeatZero + e.in.take(3)
		default:
			b = repeatZeros + e.in.take(7)
		}
		e.record = append(e.record, byte(b))
		if !all.add(byte(b)) {
			return ErrDamaged
		}
	}
	if len(all) > lits+dists || lits > literals {
		return ErrDamaged
	}
	return e.build(all[:lits], all[lits:])
}

// lengths are those of a dynamic block's codes.
type lengths []uint8

// add adds what a byte of a record says.
func (l *lengths) add(b byte) bool {
	n, v := 0, uint8(0)
	switch {
	case b < 16:
		n, v = 1, b
	case b >= repeatZeros:
		n = 11 + int(b-repeatZeros)
	case b >= repeatZero && b < repeatZero+8:
		n = 3 + int(b-repeatZero)
	case b >= repeatLast && b < repeatLast+4 && len(*l) > 0:
		n, v = 3+int(b-repeatLast), (*l)[len(*l)-1]
	default:
		return false
	}
	for range n {
		*l = append(*l, v)
	}
	return true
}
