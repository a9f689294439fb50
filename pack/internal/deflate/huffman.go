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

// decoder finds symbols by their codes. An entry of its tables is symbol << 4 | length, 0 where no
// code fits.
type decoder struct {
	short [1 << tableBits]uint16 // by the next bits; 0 also for a longer code
	long  []uint16               // the same of longer ones
	codes []code
}

func (d *decoder) init(lengths []uint8) (err error) {
	if d.codes, err = codes(lengths, d.codes); err != nil {
		return err
	}
	clear(d.short[:])
	clear(d.long)
	for s, c := range d.codes {
		table := d.short[:]
		if c.n > tableBits {
			if d.long == nil {
				d.long = make([]uint16, 1<<longestCode)
			}
			table = d.long
		}
		if c.n == 0 {
			continue
		}
		for i := int(c.bits); i < len(table); i += 1 << c.n {
			table[i] = uint16(s)<<4 | uint16(c.n)
		}
	}
	return nil
}

// take gives the next symbol, and -1 where no code fits.
func (d *decoder) take(in *source) int {
	in.fill()
	e := d.short[in.acc&(1<<tableBits-1)]
	if e == 0 && d.long != nil {
		e = d.long[in.acc&(1<<longestCode-1)]
	}
	if e == 0 {
		return -1
	}
	in.drop(uint(e & 15))
	return int(e >> 4)
}
