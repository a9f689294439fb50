package delta

// Probabilities have fifteen bits.
const (
	scaleBits = 15
	scale     = 1 << scaleBits
	nibbleTop = scale - 16 // what the stored sums of a nib run to; each symbol has one more, so none is impossible
)

// nib is an adaptive distribution over sixteen symbols. Sixteen lanes of sixteen bits: the
// first counts what was seen, the others are sums of the frequencies before
// their symbol. All lanes of a word are worked on at once.
type nib [4]uint64

const (
	ones  = 0x0001000100010001
	highs = 0x8000800080008000
	lane0 = 0xFFFF
)

var (
	nibStart  nib        // all symbols alike
	nibOffset nib        // what is added to each lane, so that no symbol has frequency zero
	nibTarget [8][16]nib // by shift and symbol: where the lanes move to, shifted
	nibMask   [8]uint64  // by shift: what a shift leaves of each lane
	nibRate   [nibMost + 1]uint8
)

// nibMost is where the count of a nib ends.
const nibMost = 63

func init() {
	for i := range 16 {
		set := func(n *nib, v uint64) { n[i/4] |= v << (i % 4 * 16) }
		set(&nibStart, uint64(i)*nibbleTop/16)
		set(&nibOffset, uint64(i))
		for r := range nibTarget {
			nibMask[r] = (lane0 >> r) * ones
			for s := range 16 {
				if i > s {
					set(&nibTarget[r][s], nibbleTop>>r)
				}
			}
		}
	}
	for i := range nibRate {
		switch {
		case i < 1:
			nibRate[i] = 1
		case i < 3:
			nibRate[i] = 2
		case i < 8:
			nibRate[i] = 3
		case i < 24:
			nibRate[i] = 4
		default:
			nibRate[i] = 5
		}
	}
}

func (n *nib) learn(sym int) {
	count := n[0] & 0x3F
	r := nibRate[count] & 7
	t, m := &nibTarget[r][sym&15], nibMask[r]
	n[0] = n[0] - ((n[0] >> r) & m &^ lane0) + t[0]
	n[1] = n[1] - ((n[1] >> r) & m) + t[1]
	n[2] = n[2] - ((n[2] >> r) & m) + t[2]
	n[3] = n[3] - ((n[3] >> r) & m) + t[3]
	if count < nibMost {
		n[0]++
	}
}

// sums gives the lanes as used for coding: the first is zero, and each
// is larger than the one before.
func (n *nib) sums() nib {
	return nib{n[0]&^lane0 + nibOffset[0], n[1] + nibOffset[1], n[2] + nibOffset[2], n[3] + nibOffset[3]}
}

// The words of nibOffset.
const (
	nibOffset0 = 0x0003000200010000
	nibOffset1 = 0x0007000600050004
	nibOffset2 = 0x000B000A00090008
	nibOffset3 = 0x000F000E000D000C
)

const halves = 0x7FFF7FFF7FFF7FFF

// mean is the distribution half way between two.
func mean(a, b *nib) nib {
	return nib{
		a[0]&^lane0>>1&halves + b[0]&^lane0>>1&halves + nibOffset0,
		a[1]>>1&halves + b[1]>>1&halves + nibOffset1,
		a[2]>>1&halves + b[2]>>1&halves + nibOffset2,
		a[3]>>1&halves + b[3]>>1&halves + nibOffset3,
	}
}

// interval gives the start and length of a symbol's interval.
func (n *nib) interval(sym int) (start, freq uint64) {
	start = n[sym>>2&3] >> (sym & 3 * 16) & lane0
	if sym == 15 {
		return start, scale - start
	}
	sym++
	return start, n[sym>>2&3]>>(sym&3*16)&lane0 - start
}

// flag is an adaptive probability of a one: 22 bits of it, and ten that count.
type flag uint32

const (
	flagStart = flag(1 << 31)
	flagMost  = 255
)

var flagStep [flagMost + 1]int32

func init() {
	for i := range flagStep {
		flagStep[i] = int32(655360 / (10*i + 16))
	}
}

// chance of a one, 1 to scale-1.
func (f flag) chance() uint64 {
	return uint64(f>>17) | 1 // an odd number is off both ends
}

func (f *flag) learn(bit int) { *f = f.after(bit) }

// after is what a flag becomes when it has seen a bit.
func (f flag) after(bit int) flag {
	n := f & 0x3FF
	p := int64(f >> 10)
	target := int64(bit) * (1<<22 - 1)
	p += (target - p) * int64(flagStep[n&flagMost]) >> 16
	if n < flagMost {
		n++
	}
	return flag(p)<<10 | n
}
