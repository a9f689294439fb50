package deflate

import (
	"encoding/binary"
	"math/bits"
)

// Close puts a part together. It fails unless that fills dst.
func Close(dst []byte, p Part) error {
	c := closer{out: dst, raw: p.Raw, side: p.Side}
	c.putBits(p.Lead)
	for len(c.side) > 0 && !c.bad {
		c.block()
	}
	c.putBits(p.Tail)
	c.flush()
	if c.n > 0 || len(c.out) > 0 || len(c.raw) > 0 {
		c.bad = true
	}
	if c.bad {
		return ErrDamaged
	}
	return nil
}

type closer struct {
	out       []byte // still to be written
	raw, side []byte // still to be told
	acc       uint64
	n         uint
	bad       bool
	lits      []code
	dists     []code
}

// put writes up to 32 bits.
func (c *closer) put(v int, n uint) {
	c.acc |= uint64(v) << c.n
	if c.n += n; c.n >= 32 {
		c.spill()
	}
}

// spill makes room in acc.
func (c *closer) spill() {
	if len(c.out) < 4 {
		c.flush()
		return
	}
	binary.LittleEndian.PutUint32(c.out, uint32(c.acc))
	c.out = c.out[4:]
	c.acc >>= 32
	c.n -= 32
}

// flush writes all whole bytes.
func (c *closer) flush() {
	for ; c.n >= 8; c.n -= 8 {
		if len(c.out) == 0 {
			c.bad, c.n = true, 0
			return
		}
		c.out[0] = byte(c.acc)
		c.out = c.out[1:]
		c.acc >>= 8
	}
}

func (c *closer) putBits(b Bits) {
	for n := b.N; n > 0; n -= 8 {
		if len(b.B) == 0 {
			c.bad = true
			return
		}
		k := uint(min(n, 8))
		c.put(int(b.B[0])&(1<<k-1), k)
		b.B = b.B[1:]
	}
}

func (c *closer) putCode(k []code, s int) {
	if s >= len(k) || k[s].n == 0 {
		c.bad = true
		return
	}
	c.put(int(k[s].bits), uint(k[s].n))
}

// tell takes n bytes of the side.
func (c *closer) tell(n int) []byte {
	if len(c.side) < n {
		c.bad, c.side = true, nil
		return make([]byte, n)
	}
	b := c.side[:n]
	c.side = c.side[n:]
	return b
}

// take takes n bytes of raw.
func (c *closer) take(n int) []byte {
	if len(c.raw) < n {
		c.bad = true
		n = 0
	}
	b := c.raw[:n]
	c.raw = c.raw[n:]
	return b
}

// block puts a block together, or what the part has of it.
func (c *closer) block() {
	h := c.tell(1)[0]
	silent := h&bitSilent != 0
	if !silent {
		c.put(int(h&7), 3)
	}
	switch h >> kindShift & 3 {
	case kindStored:
		rest := c.tell(3)
		n := int(binary.LittleEndian.Uint16(rest[1:]))
		if !silent {
			c.put(int(rest[0]), -c.n&7)
			c.put(n, 16)
			c.put(n^0xFFFF, 16)
		}
		if c.flush(); c.n > 0 { // a silent one begins at a byte too
			c.bad = true
			return
		}
		if len(c.side) == 0 {
			n = min(n, len(c.raw))
		}
		b := c.take(n)
		k := copy(c.out, b)
		c.out, c.bad = c.out[k:], c.bad || k < len(b)
	case kindFixed:
		c.build(fixedLits, fixedDists)
		c.coded()
	case kindDynamic:
		c.dynamic(silent)
		c.coded()
	default:
		c.bad = true
	}
}

func (c *closer) build(lits, dists []uint8) {
	var err1, err2 error
	c.lits, err1 = codes(lits, c.lits)
	c.dists, err2 = codes(dists, c.dists)
	c.bad = c.bad || err1 != nil || err2 != nil
}

func (c *closer) dynamic(silent bool) {
	head := c.tell(3)
	lits, dists, n := int(head[0])+257, int(head[1])+1, int(head[2])+4
	if lits > literals || dists > 32 || n > len(codeOrder) {
		c.bad = true
		return
	}
	put := c.put
	if silent {
		put = func(int, uint) {}
	}
	put(int(head[0]), 5)
	put(int(head[1]), 5)
	put(int(head[2]), 4)
	var cl [19]uint8
	for i, v := range c.tell(n) {
		cl[codeOrder[i]] = v & 7
		put(int(v&7), 3)
	}
	symbols, err := codes(cl[:], nil)
	if err != nil {
		c.bad = true
		return
	}
	var all lengths
	for len(all) < lits+dists && !c.bad {
		b := c.tell(1)[0]
		if c.bad = c.bad || !all.add(b); c.bad {
			return
		}
		s, extra, k := int(b), 0, uint(0)
		switch {
		case b >= repeatZeros:
			s, extra, k = 18, int(b-repeatZeros), 7
		case b >= repeatZero:
			s, extra, k = 17, int(b-repeatZero), 3
		case b >= repeatLast:
			s, extra, k = 16, int(b-repeatLast), 2
		}
		if !silent {
			c.putCode(symbols, s)
			put(extra, k)
		}
	}
	if c.bad || len(all) > lits+dists {
		c.bad = true
		return
	}
	c.build(all[:lits], all[lits:])
}

// coded puts literals and copies together, up to the end of the block or of the part.
func (c *closer) coded() {
	for !c.bad {
		for {
			run := c.tell(1)[0]
			c.literals(c.take(int(run)))
			if run < 255 || c.bad {
				break
			}
		}
		if len(c.side) == 0 {
			return
		}
		b := int(c.tell(1)[0])
		if b == 0 {
			c.putCode(c.lits, endBlock)
			return
		}
		c.copied(b)
	}
}

func (c *closer) literals(run []byte) {
	if len(c.lits) < endBlock {
		c.bad = true
		return
	}
	lits := c.lits[:endBlock]
	for _, b := range run {
		k := lits[b]
		if k.n == 0 {
			c.bad = true
			return
		}
		c.put(int(k.bits), uint(k.n))
	}
}

func (c *closer) copied(b int) {
	n, s := b+2, -1
	if b == 255 {
		switch c.tell(1)[0] {
		case long257:
			n = 257
		case long258:
			n = longest
		case long258b:
			n, s = longest, len(lengthBase)-2
		default:
			c.bad = true
		}
	}
	if s < 0 {
		s = int(lengthOf[n])
	}
	d := int(binary.LittleEndian.Uint16(c.tell(2))) + 1
	if c.bad || d > history {
		c.bad = true
		return
	}
	k := d - 1
	if k > 3 {
		n := bits.Len(uint(k)) - 2
		k = 2*n + k>>n
	}
	c.putCode(c.lits, endBlock+1+s)
	c.put(n-int(lengthBase[s]), uint(lengthBits[s]))
	c.putCode(c.dists, k)
	c.put(d-int(distBase[k]), uint(distBits[k]))
	c.take(n)
}

// lengthOf is the symbol of a length.
var lengthOf [longest + 1]uint8

func init() {
	for s, n := range lengthBase {
		for ; int(n) < len(lengthOf); n++ {
			lengthOf[n] = uint8(s)
		}
	}
}
