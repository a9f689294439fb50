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

// decode turns the old bytes in out into new ones. It is look, learn and models in one
// loop: whole programs pass through here.
func (d *dense) decode(out []byte, before, edge byte, after [2]byte, t *taker) {
	o := [4]byte{1: edge, 2: oldNext(out, after, 0), 3: oldNext(out, after, 1)}
	since, hist := uint32(min(d.since, 31)), uint32(d.hist)&0xFF
	for i := range out {
		o[0], o[1], o[2], o[3] = o[1], o[2], o[3], oldNext(out, after, i+2)
		h := uint32(o[0]) | uint32(o[1])<<8 | uint32(o[2])<<16
		f0 := &d.flags[0][(h*0x9E3779B1)>>16]
		f1 := &d.flags[1][hist<<5|since]
		f2 := &d.flags[2][uint32(o[1])<<8|uint32(before)]
		f3 := &d.flags[3][((h|uint32(o[3])<<24)*0x85EBCA6B+min(since, 3)*0x3243F6A9)>>16]
		v0, v1, v2, v3 := *f0, *f1, *f2, *f3
		s0, s1, s2, s3 := int64(stretchOf[v0>>20]), int64(stretchOf[v1>>20]), int64(stretchOf[v2>>20]), int64(stretchOf[v3>>20])
		w := &d.w[hist&7<<5|since]
		dot := s0*int64(w[0]) + s1*int64(w[1]) + s2*int64(w[2]) + s3*int64(w[3])
		p := uint64(squashOf[min(max(int32(dot>>16)+2048, 0), 4095)])
		v := t.x & (scale - 1)
		if v >= p {
			t.step(v, p, scale-p)
			err := -int64(p) * 6
			w[0] += int32((s0*err + 1<<13) >> 14)
			w[1] += int32((s1*err + 1<<13) >> 14)
			w[2] += int32((s2*err + 1<<13) >> 14)
			w[3] += int32((s3*err + 1<<13) >> 14)
			*f0, *f1, *f2, *f3 = v0.after(0), v1.after(0), v2.after(0), v3.after(0)
			hist = hist << 1 & 0xFF
			since = min(since+1, 31)
		} else {
			t.step(v, 0, p)
			err := (scale - int64(p)) * 6
			w[0] += int32((s0*err + 1<<13) >> 14)
			w[1] += int32((s1*err + 1<<13) >> 14)
			w[2] += int32((s2*err + 1<<13) >> 14)
			w[3] += int32((s3*err + 1<<13) >> 14)
			*f0, *f1, *f2, *f3 = v0.after(1), v1.after(1), v2.after(1), v3.after(1)
			hist = (hist<<1 | 1) & 0xFF
			since = 0
			a, b := d.models(o)
			hi := t.nib2(&a.hi, &b.hi)
			diff := byte(hi<<4 | t.nib2(&a.lo[hi], &b.lo[hi]))
			d.noted(diff)
			out[i] = o[1] + diff
		}
		before = out[i]
	}
	d.since, d.hist = int(since), int(hist)
}
