package deflate

import "math/bits"

const (
	longestCode = 15
	tableBits   = 10 // codes up to here are found at once
)

// code is a symbol's code, lowest bit first.
type code struct {
	bits uint16
	n    uint8
}

// codes gives every symbol its canonical code. It fails where lengths ask for more codes
// than there are.
func codes(lengths []uint8, out []code) ([]code, error) {
	var count, next [longestCode + 2]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	for n := 1; n <= longestCode; n++ {
		next[n+1] = (next[n] + count[n]) << 1
		if next[n]+count[n] > 1<<n {
			return nil, ErrDamaged
		}
	}
	out = out[:0]
	for _, n := range lengths {
		c := code{n: n}
		if n > 0 {
			c.bits = bits.Reverse16(uint16(next[n])) >> (16 - n)
			next[n]++
		}
		out = append(out, c)
	}
	return out, nil
}

// decoder finds symbols by their codes.
type decoder struct {
	short [1 << tableBits]uint16 // symbol << 4 | length; 0: a longer code, or none
	long  map[uint16]uint16      // by code | 1 << length, which no two codes share
	codes []code
}

func (d *decoder) init(lengths []uint8) (err error) {
	if d.codes, err = codes(lengths, d.codes); err != nil {
		return err
	}
	clear(d.short[:])
	clear(d.long)
	for s, c := range d.codes {
		switch {
		case c.n == 0:
		case c.n <= tableBits:
			for i := int(c.bits); i < len(d.short); i += 1 << c.n {
				d.short[i] = uint16(s)<<4 | uint16(c.n)
			}
		default:
			if d.long == nil {
				d.long = map[uint16]uint16{}
			}
			d.long[c.bits|1<<c.n] = uint16(s)
		}
	}
	return nil
}

// take gives the next symbol, and -1 where no code fits.
func (d *decoder) take(in *source) int {
	in.fill()
	if e := d.short[in.acc&(1<<tableBits-1)]; e != 0 {
		in.drop(uint(e & 15))
		return int(e >> 4)
	}
	for n := uint(tableBits + 1); n <= longestCode; n++ {
		if s, ok := d.long[uint16(in.acc&(1<<n-1))|1<<n]; ok {
			in.drop(n)
			return int(s)
		}
	}
	return -1
}
