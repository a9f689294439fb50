package delta

import "errors"

var errDamaged = errors.New("the block is damaged")

// Decoder makes blocks. One goroutine has it.
type Decoder struct {
	m     mind
	pred  [predMost + 8]byte
	old   [denseMost + 2*densePad]byte
	piece [1]Piece
}

// predMost literals after a copy are told with the byte in view that the copy
// would go on with.
const predMost = 24

// denseMost bytes at most are in one dense copy.
const denseMost = 1 << 13

// Decode fills dst, whose places the pieces tell, from a stored block and the old payload.
func (d *Decoder) Decode(dst []byte, pieces []Piece, old *Window, stored []byte) error {
	d.m.reset()
	return d.decode(dst, pieces, old, stored)
}

// decode goes on from what the models know.
func (d *Decoder) decode(dst []byte, pieces []Piece, old *Window, stored []byte) error {
	m := &d.m
	t := newTaker(stored)
	tr := newTrack(pieces)
	last, view := 0, 0
	for pos := 0; pos < len(dst); {
		tr.arrive(pos)
		ll := m.ll[last].take(&t)
		if ll > len(dst)-pos || t.short {
			return errDamaged
		}
		if ll > 0 {
			d.literals(dst, pos, ll, &tr, old, &t)
			if pos += ll; pos == len(dst) {
				break
			}
			tr.arrive(pos)
		}
		kind := t.nib(&m.kind[last*3+min(ll, 2)])
		if kind >= kinds {
			return errDamaged
		}
		var r rep
		switch {
		case kind == kindLocal:
			r = localRep(int64(m.near.take(&t) & (1<<40 - 1)))
		case kind == kindOld:
			r = oldRep(tr.oldD + unzigzag(m.far.take(&t)&(1<<53-1)))
		case kind >= kindDense:
			r = tr.reps[kind-kindDense]
		default:
			r = tr.reps[kind]
		}
		tr.use(r)
		last = kind
		n := 1 + m.ml[kind].take(&t)
		if n > len(dst)-pos || t.short {
			return errDamaged
		}
		switch {
		case kind >= kindDense:
			if view = t.nib(&m.view[view]); r.local() || n > denseMost || m.unit || view >= views {
				return errDamaged
			}
			d.dense(dst, pos, n, copied{from: tr.at(pos) + r.d(), to: tr.at(pos), view: view}, old, &t)
		case r.local():
			if r.d() < 1 || r.d() > int64(pos) {
				return errDamaged
			}
			from := pos - int(r.d())
			if int(r.d()) >= n {
				copy(dst[pos:pos+n], dst[from:])
			} else {
				for i := range n {
					dst[pos+i] = dst[from+i]
				}
			}
		default:
			src := tr.at(pos) + r.d()
			if src < 0 || src > old.size-int64(n) {
				return errDamaged
			}
			old.read(dst[pos:pos+n], src)
		}
		pos += n
	}
	if old.err != nil {
		return old.err
	}
	if !t.whole() {
		return errDamaged
	}
	return nil
}

// predicted fills the view of what would follow at pos.
func predicted(b []byte, dst []byte, pos int, tr *track, old *Window) {
	r := tr.reps[0]
	if !r.local() {
		old.read(b, tr.at(pos)+r.d())
		return
	}
	clear(b)
	if from := int64(pos) - r.d(); from >= 0 && r.d() > 0 {
		copy(b, dst[from:pos])
	}
}

const rawGroup = 64

func (d *Decoder) literals(dst []byte, pos, n int, tr *track, old *Window, t *taker) {
	m := &d.m
	view := d.pred[:min(n, predMost)]
	predicted(view, dst, pos, tr, old)
	c1, c2 := byte(0), byte(0)
	if pos > 0 {
		c1 = dst[pos-1]
	}
	if pos > 1 {
		c2 = dst[pos-2]
	}
	raws := 0
	for i := 0; i < n; i++ {
		if i%rawGroup == 0 && n >= rawGroup {
			raw := t.bit(&m.litRaw[raws&15])
			if raws = raws<<1 | raw; raw == 1 {
				k := min(rawGroup, n-i)
				t.bytes(dst[pos+i : pos+i+k])
				if i += k - 1; i > 0 {
					c2 = dst[pos+i-1]
				}
				c1 = dst[pos+i]
				continue
			}
		}
		a := m.after(c1)
		var b byte
		if i < len(view) {
			p := view[i]
			place := litPlace(i)
			hi := t.nib2(&a.hi, m.instead(place, p))
			lo := t.nib2(&a.lo[hi], m.insteadLow(place, p, hi))
			b = byte(hi<<4 | lo)
		} else {
			q := m.rareAt(c1, c2)
			hi := t.nib2(&a.hi, &q.hi)
			lo := t.nib2(&a.lo[hi], &q.lo[hi])
			b = byte(hi<<4 | lo)
		}
		dst[pos+i] = b
		c2, c1 = c1, b
	}
}

func litPlace(i int) int {
	switch {
	case i < 2:
		return i
	case i < 6:
		return 2
	}
	return 3
}

func predLow(p byte, hi int) int {
	if int(p>>4) == hi {
		return int(p)
	}
	return 256 | hi<<4 | int(p&15)
}

func litHash(c1, c2 byte) uint32 {
	return (uint32(c1) | uint32(c2)<<8) * 0x9E3779B1 >> 20
}

// dense makes a dense copy; c tells where, and in which view.
func (d *Decoder) dense(dst []byte, pos, n int, c copied, old *Window, t *taker) {
	c.new, c.old, c.size = dst[pos:pos+n], d.old[:n+2*densePad], old.size
	old.read(c.old, c.from-densePad)
	if pos > 0 {
		c.before = dst[pos-1]
	}
	d.m.thick().code(&c, hearing{t})
}

// hearing is a line's end at the decoder.
type hearing struct{ *taker }

func (t hearing) bit(chance uint64, _ int) int {
	v := t.x & (scale - 1)
	if v < chance {
		t.step(v, 0, chance)
		return 1
	}
	t.step(v, chance, scale-chance)
	return 0
}

func (t hearing) byte(a, b *byteModel, _ byte) byte {
	hi := t.nib2(&a.hi, &b.hi)
	return byte(hi<<4 | t.nib2(&a.lo[hi], &b.lo[hi]))
}

func (hearing) done(int, int, int) {}
