package delta

// mixer tells the chance of a one from four opinions, and learns whom to believe.
type mixer struct {
	flags [4][1 << 16]flag
	w     [256][4]int32 // weights of the opinions, by what happened lately
	now   asked
}

// asked is what was asked last.
type asked struct {
	f  [4]*flag
	st [4]int32
	w  *[4]int32
	p  int32 // chance of a one
}

func (x *mixer) reset() {
	for i := range x.flags {
		for k := range x.flags[i] {
			x.flags[i][k] = flagStart
		}
	}
	for i := range x.w {
		x.w[i] = [4]int32{1 << 14, 1 << 14, 1 << 14, 1 << 14}
	}
}

// ask tells the chance of a one by the opinions of four contexts of sixteen bits; by has eight.
func (x *mixer) ask(a, b, c, d uint32, by uint32) uint64 {
	n := &x.now
	w := &x.w[by&0xFF]
	n.w = w
	f0, f1, f2, f3 := &x.flags[0][a&0xFFFF], &x.flags[1][b&0xFFFF], &x.flags[2][c&0xFFFF], &x.flags[3][d&0xFFFF]
	n.f = [4]*flag{f0, f1, f2, f3}
	s0, s1, s2, s3 := int32(stretchOf[*f0>>20]), int32(stretchOf[*f1>>20]), int32(stretchOf[*f2>>20]), int32(stretchOf[*f3>>20])
	n.st = [4]int32{s0, s1, s2, s3}
	dot := int64(s0)*int64(w[0]) + int64(s1)*int64(w[1]) + int64(s2)*int64(w[2]) + int64(s3)*int64(w[3])
	p := squashOf[min(max(dot>>16+2048, 0), 4095)]
	n.p = int32(p)
	return uint64(p)
}

// learn takes note of what the bit was that was asked for last.
func (x *mixer) learn(bit int) {
	n := &x.now
	err := int64(bit)<<scaleBits - int64(n.p)
	for i, f := range n.f {
		n.w[i] += int32((int64(n.st[i])*err*6 + 1<<13) >> 14)
		f.learn(bit)
	}
}

// logistic has 32768 / (1 + e^-x) for x from -8 to 8 in steps of a half, rounded. It stands
// here in figures, because every system must come to the same.
var logistic = [33]int32{
	11, 18, 30, 49, 81, 133, 219, 360, 589, 961, 1554,
	2486, 3906, 5978, 8813, 12371, 16384, 20397, 23955, 26790, 28862, 30282,
	31214, 31807, 32179, 32408, 32549, 32635, 32687, 32719, 32738, 32750, 32757,
}

// squash turns 256 times the logarithm of odds into a chance; what lies between two
// points of the table is on the line between them.
func squash(d int32) int32 {
	d = min(max(d, -2047), 2047) + 2048
	return (logistic[d>>7]*(128-(d&127)) + logistic[d>>7+1]*(d&127)) >> 7
}

var (
	stretchOf [4096]int16 // the other way round, for chances of twelve bits
	squashOf  [4096]uint16
)

func init() {
	d := int32(-2047)
	for q := range stretchOf {
		for d < 2047 && squash(d) < int32(8*q+4) {
			d++
		}
		stretchOf[q] = int16(d)
	}
	for i := range squashOf {
		squashOf[i] = uint16(squash(int32(i) - 2048))
	}
}
