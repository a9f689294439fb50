package delta

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// A unit is a small block that is coded with nothing but the bytes before it in its own
// payload. It is too short to learn much, so its models begin with what is usual, and those of
// literals with the bytes that stand before it.

// Before is how many bytes before a unit its models learn from, where there are as many.
const Before = 2 << 10

// usualText has a line for each model of steps: how often its sixteen symbols are met, or a
// dash where nothing is known. It was counted over units of programs, sources, pictures and game
// data.
//
//go:embed usual.txt
var usualText string

// usual are the models that units begin with.
var usual = sync.OnceValue(func() *mind {
	m := new(mind)
	m.reset()
	m.unit = true
	lines := strings.Split(usualText, "\n")
	for i, n := range m.steps() {
		var often [16]uint64
		if lines[i] == "-" {
			continue
		}
		for k, field := range strings.Fields(lines[i]) {
			if _, err := fmt.Sscan(field, &often[k]); err != nil {
				panic("delta: the table of usual models is damaged: " + err.Error())
			}
		}
		n.expect(&often)
	}
	return m
})

// usualCount is the count of a model that begins with what is usual: how slowly it turns from that.
const usualCount = 8

// expect makes a nib one that knows how often each symbol comes.
func (n *nib) expect(often *[16]uint64) {
	all, sum := uint64(0), uint64(0)
	for _, k := range often {
		all += k
	}
	*n = nib{usualCount}
	for i, k := range often {
		if i > 0 {
			n[i/4] |= sum * nibbleTop / all << (i % 4 * 16)
		}
		sum += k
	}
}

// steps are the models of steps that a unit has, in the order of the table.
func (m *mind) steps() (all []*nib) {
	lengths := func(l []lengths) {
		for i := range l {
			all = append(all, &l[i].slot)
			for k := range l[i].high {
				all = append(all, &l[i].high[k])
			}
		}
	}
	lengths(m.ll[:kindDense])
	for i := range m.kind[:3*kindDense] {
		all = append(all, &m.kind[i])
	}
	lengths(m.ml[:kindDense])
	for _, n := range []*numbers{&m.far, &m.near} {
		all = append(all, &n.nb)
		for i := range n.nb2 {
			all = append(all, &n.nb2[i])
		}
		for i := range n.high {
			all = append(all, &n.high[i])
		}
		all = append(all, &n.low)
	}
	return all
}

// fresh says which models of literals a unit has met: the others are made when they are, for most
// units need few of them.
type fresh struct {
	before  []byte // what they learn from
	sorted  bool
	rare    bool
	after   [256 / 64]uint64
	instead [4][(predHighs + predLows) / 64]uint64
	head    [256]uint16    // after each byte, the first place in before, and 1
	next    [Before]uint16 // after each place, the next one after the same byte, and 1
}

// begin makes the models those of a unit that follows the given bytes.
func (m *mind) begin(before []byte) {
	u, f := usual(), &m.fresh
	m.ll, m.kind, m.ml, m.far, m.near, m.litRaw = u.ll, u.kind, u.ml, u.far, u.near, u.litRaw
	m.unit, m.usedC, m.usedDense = true, false, false
	f.before, f.sorted, f.rare, f.after, f.instead = before, false, false, [4]uint64{}, [4][(predHighs + predLows) / 64]uint64{}
}

func (m *mind) freshAfter(c byte) {
	f := &m.fresh
	if f.after[c/64]>>(c%64)&1 == 1 {
		return
	}
	f.after[c/64] |= 1 << (c % 64)
	a := &m.litA[c]
	a.reset()
	if !f.sorted {
		f.sort()
	}
	for i := f.head[c]; i > 0; i = f.next[i-1] {
		a.learn(f.before[i-1])
	}
}

// sort lists the places in before by the byte that stands there before.
func (f *fresh) sort() {
	f.sorted, f.head = true, [256]uint16{}
	for i := len(f.before) - 1; i >= 0; i-- {
		last := byte(0)
		if i > 0 {
			last = f.before[i-1]
		}
		f.next[i], f.head[last] = f.head[last], uint16(i+1)
	}
}

func (m *mind) freshRare() {
	if m.fresh.rare {
		return
	}
	m.fresh.rare = true
	m.litC[0].reset()
	for _, b := range m.fresh.before {
		m.litC[0].learn(b)
	}
}

func (m *mind) freshInstead(place, i int) {
	known := &m.fresh.instead[place][i/64]
	if *known>>(i%64)&1 == 1 {
		return
	}
	*known |= 1 << (i % 64)
	if i < predHighs {
		m.litB[place].hi[i] = nibStart
	} else {
		m.litB[place].lo[i-predHighs] = nibStart
	}
}

func (b *byteModel) learn(v byte) {
	b.hi.learn(int(v >> 4))
	b.lo[v>>4].learn(int(v & 15))
}

// DecodeUnit fills dst, whose address in the payload of old is given, from a unit. old has the size
// of what is before that address; before are the last of these bytes, up to [Before].
func (d *Decoder) DecodeUnit(dst []byte, addr int64, old *Window, before, stored []byte) error {
	d.m.begin(before)
	d.piece[0] = Piece{Addr: addr, Len: len(dst), Hint: -1}
	return d.decode(dst, d.piece[:], old, stored)
}
