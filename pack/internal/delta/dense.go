package delta

// dense codes new bytes that follow old ones with many small differences, as
// numbers and addresses in programs do: for each byte whether it is the old one,
// told by what stands around it, and if not, by how much it differs.
type dense struct {
	flags [4][1 << 16]flag
	w     [256][4]int32 // weights of the flags' opinions, by what happened lately
	since int           // equal bytes since the last difference
	hist  int           // the last eight flags
	last  byte          // the last difference
	prev  byte          // the one before

	diffA [256]byteModel     // by the last difference
	diffB [1 << 12]byteModel // by what stands around
}

func (d *dense) reset() {
	for i := range d.flags {
		for k := range d.flags[i] {
			d.flags[i][k] = flagStart
		}
	}
	for i := range d.w {
		d.w[i] = [4]int32{1 << 14, 1 << 14, 1 << 14, 1 << 14}
	}
	for i := range d.diffA {
		d.diffA[i].reset()
	}
	for i := range d.diffB {
		d.diffB[i].reset()
	}
	d.since, d.hist, d.last, d.prev = 0, 0, 0, 0
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

// look is what the flags say of one byte.
type look struct {
	f  [4]*flag
	st [4]int32
	w  *[4]int32
	p  uint64 // chance of a difference
}

// look gathers the opinions. o are old bytes: the one before, the one in question, and the next two.
func (d *dense) look(o [4]byte, before byte) (l look) {
	h := uint32(o[0]) | uint32(o[1])<<8 | uint32(o[2])<<16
	s := uint32(min(d.since, 31))
	l.f[0] = &d.flags[0][(h*0x9E3779B1)>>16]
	l.f[1] = &d.flags[1][uint32(d.hist&0xFF)<<5|s]
	l.f[2] = &d.flags[2][uint32(o[1])<<8|uint32(before)]
	l.f[3] = &d.flags[3][((h|uint32(o[3])<<24)*0x85EBCA6B+uint32(min(s, 3))*0x3243F6A9)>>16]
	l.w = &d.w[d.hist&7<<5|int(s)]
	dot := int64(0)
	for i := range l.f {
		l.st[i] = int32(stretchOf[*l.f[i]>>20])
		dot += int64(l.st[i]) * int64(l.w[i])
	}
	x := dot >> 16
	l.p = uint64(squashOf[min(max(x+2048, 0), 4095)])
	return l
}

func (d *dense) learn(l *look, bit int) {
	err := int64(bit)<<scaleBits - int64(l.p)
	for i := range l.f {
		l.w[i] += int32((int64(l.st[i])*err*6 + 1<<13) >> 14)
		l.f[i].learn(bit)
	}
	d.hist = d.hist<<1 | bit
	if d.since++; bit == 1 {
		d.since = 0
	}
}

func (d *dense) models(o [4]byte) (a, b *byteModel) {
	h := (uint32(o[0]) | uint32(o[1])<<8 | uint32(o[2])<<16) * 0x9E3779B1 >> 20
	return &d.diffA[d.last], &d.diffB[h]
}

func (d *dense) noted(diff byte) { d.prev, d.last = d.last, diff }
