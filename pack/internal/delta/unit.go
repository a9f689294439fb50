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
	m.litC[0].reset()
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

// begin makes the models those of a unit that follows the given bytes.
func (m *mind) begin(before []byte) {
	u := usual()
	m.ll, m.kind, m.ml, m.far, m.near = u.ll, u.kind, u.ml, u.far, u.near
	m.litRaw, m.litA, m.litB, m.litC[0] = u.litRaw, u.litA, u.litB, u.litC[0]
	m.unit, m.usedC, m.usedDense = true, false, false
	last := byte(0)
	for _, b := range before {
		hi, lo := int(b>>4), int(b&15)
		a, q := &m.litA[last], &m.litC[0]
		a.hi.learn(hi)
		a.lo[hi].learn(lo)
		q.hi.learn(hi)
		q.lo[hi].learn(lo)
		last = b
	}
}

// DecodeUnit fills dst, whose address in the payload of old is given, from a unit. old has the size
// of what is before that address; before are the last of these bytes, up to [Before].
func (d *Decoder) DecodeUnit(dst []byte, addr int64, old *Window, before, stored []byte) error {
	d.m.begin(before)
	d.piece[0] = Piece{Addr: addr, Len: len(dst), Hint: -1}
	return d.decode(dst, d.piece[:], old, stored)
}
