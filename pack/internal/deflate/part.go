package deflate

import (
	"encoding/binary"
	"hash"
	"io"
)

// Part is a run of a closed stream's bytes, opened.
type Part struct {
	Raw  []byte // what its whole tokens hold
	Side []byte // how they are told
	Lead Bits   // the end of a token that began before
	Tail Bits   // the beginning of one that ends after
}

// Cutter opens runs of one stream, each behind the one before.
type Cutter struct {
	e     *engine
	r     io.ReaderAt
	size  int64
	told  int64 // bytes of raw dropped
	sides int64 // of side
}

// NewCutter of a stream of size closed bytes.
func NewCutter(r io.ReaderAt, size int64) *Cutter {
	return &Cutter{e: newEngine(r, size), r: r, size: size}
}

// Cut opens the closed bytes from … to, behind all that were cut before. It also tells how many
// bytes of raw and side came before, about.
func (c *Cutter) Cut(from, to int64) (p Part, rawAt, sideAt int64, err error) {
	e := c.e
	for e.in.pos() < 8*from {
		if err := e.step(8 * from); err != nil {
			return p, 0, 0, ErrDamaged
		}
		c.drop()
	}
	c.drop()
	start := e.in.pos()
	if start > 8*to {
		return p, 0, 0, ErrDamaged // one token is longer than the run
	}
	p.Lead = bitsOf(c.r, c.size, 8*from, start)
	rawAt, sideAt = c.told+int64(len(e.raw)), c.sides
	mark := len(e.raw)
	e.run = 0
	e.side = e.repeat(e.side)
	raw, side, run, state, pos := mark, len(e.side), 0, e.state, start
	for pos < 8*to {
		if err := e.step(8 * to); err == io.EOF {
			break
		} else if err != nil {
			return p, 0, 0, err
		}
		if e.in.pos() > 8*to {
			break
		}
		raw, side, run, state, pos = len(e.raw), len(e.side), e.run, e.state, e.in.pos()
	}
	p.Raw = append([]byte(nil), e.raw[mark:raw]...)
	p.Side = append([]byte(nil), e.side[:side]...)
	if state == inCodes {
		p.Side = append(p.Side, byte(run))
	}
	p.Tail = bitsOf(c.r, c.size, pos, 8*to)
	return p, rawAt, sideAt, nil
}

// drop forgets what is told, but for the history.
func (c *Cutter) drop() {
	e := c.e
	c.sides += int64(len(e.side))
	e.side = e.side[:0]
	if k := len(e.raw) - history; k > 16*history {
		c.told += int64(k)
		e.raw = append(e.raw[:0], e.raw[k:]...)
	}
}

// repeat tells the block that a part begins in.
func (e *engine) repeat(side []byte) []byte {
	switch e.state {
	case inCodes:
		return append(append(side, e.record[0]|bitSilent), e.record[1:]...)
	case inStored:
		return binary.LittleEndian.AppendUint16(append(side, e.record[0]|bitSilent, 0), uint16(e.left))
	}
	return side
}

// Measure finds where the stream that begins at byte 0 of r ends, of at most size bytes and
// with at most most bytes of raw and side together: closed bytes, raw and side. All of raw
// is added to sum, if there is one.
func Measure(r io.ReaderAt, size, most int64, sum hash.Hash32) (closed, raw, side int64, err error) {
	e := newEngine(r, size)
	add := func(b []byte) {
		if sum != nil {
			sum.Write(b) // hashes never fail
		}
	}
	for err == nil {
		if err = e.leap(); len(e.raw) > 16*history {
			k := len(e.raw) - history
			add(e.raw[:k])
			raw += int64(k)
			e.raw = append(e.raw[:0], e.raw[k:]...)
		}
		side += int64(len(e.side))
		e.side = e.side[:0]
		if raw+int64(len(e.raw))+side > most {
			return 0, 0, 0, ErrDamaged
		}
	}
	if err != io.EOF {
		return 0, 0, 0, err
	}
	add(e.raw)
	return (e.in.pos() + 7) / 8, raw + int64(len(e.raw)), side, nil
}
