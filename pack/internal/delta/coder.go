package delta

import (
	"encoding/binary"
	"math/bits"
)

// Symbols are coded by rANS: a state of 64 bits that words of 32 bits flow into
// and out of. The encoder runs backwards, so it keeps the intervals until the end.
const lowest = 1 << 31

// emitter collects intervals.
type emitter struct {
	list []uint32 // start, and frequency above it
}

func (e *emitter) put(start, freq uint64) { e.list = append(e.list, uint32(freq<<16|start)) }

func (e *emitter) nib(n *nib, sym int) {
	s := n.sums()
	e.put(s.interval(sym))
	n.learn(sym)
}

func (e *emitter) nib2(a, b *nib, sym int) {
	s := mean(a, b)
	e.put(s.interval(sym))
	a.learn(sym)
	b.learn(sym)
}

func (e *emitter) bit(f *flag, bit int) {
	if p := f.chance(); bit == 1 {
		e.put(0, p)
	} else {
		e.put(p, scale-p)
	}
	f.learn(bit)
}

// raw puts up to 15 bits that no model knows.
func (e *emitter) raw(v uint64, n int) {
	for n > scaleBits {
		e.put(v&(scale-1), 1)
		v >>= scaleBits
		n -= scaleBits
	}
	if n > 0 {
		e.put(v<<(scaleBits-n), 1<<(scaleBits-n))
	}
}

// finish gives the coded bytes.
func (e *emitter) finish() []byte {
	x := uint64(lowest)
	words := make([]uint32, 0, len(e.list)/4+2)
	for i := len(e.list) - 1; i >= 0; i-- {
		start, freq := uint64(e.list[i]&lane0), uint64(e.list[i]>>16)
		if x >= freq<<(63-scaleBits) {
			words = append(words, uint32(x))
			x >>= 32
		}
		hi, lo := bits.Div64(0, x, freq)
		x = hi<<scaleBits + lo + start
	}
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 4*len(words)+8), x)
	for i := len(words) - 1; i >= 0; i-- {
		b = binary.LittleEndian.AppendUint32(b, words[i])
	}
	return b
}

// taker reads symbols back. Past the end it reads zeros, and short says so.
type taker struct {
	x     uint64
	b     []byte
	short bool
}

func newTaker(b []byte) taker {
	if len(b) < 8 {
		return taker{x: lowest, short: true}
	}
	return taker{x: binary.LittleEndian.Uint64(b), b: b[8:]}
}

// whole reports whether all was read and nothing is left.
func (t *taker) whole() bool { return !t.short && t.x == lowest && len(t.b) == 0 }

func (t *taker) step(v, start, freq uint64) {
	t.x = freq*(t.x>>scaleBits) + v - start
	if t.x < lowest {
		t.refill()
	}
}

func (t *taker) refill() {
	if len(t.b) < 4 {
		t.short, t.x = true, t.x<<32|lowest
		return
	}
	t.x = t.x<<32 | uint64(binary.LittleEndian.Uint32(t.b))
	t.b = t.b[4:]
}

func (t *taker) nib(n *nib) int {
	v := t.x & (scale - 1)
	w := v*ones | highs
	m := ((w-(n[0]&^lane0)-nibOffset0)&highs)>>15 | ((w-n[1]-nibOffset1)&highs)>>14 |
		((w-n[2]-nibOffset2)&highs)>>13 | ((w-n[3]-nibOffset3)&highs)>>12
	sym := uint(bits.OnesCount64(m)-1) & 15
	start, end := uint64(0), uint64(scale)
	if sym > 0 {
		start = n[sym>>2]>>(sym&3*16)&lane0 + uint64(sym)
	}
	if k := sym + 1; k < 16 {
		end = n[k>>2]>>(k&3*16)&lane0 + uint64(k)
	}
	t.x = (end-start)*(t.x>>scaleBits) + v - start
	if t.x < lowest {
		t.refill()
	}
	n.learn(int(sym))
	return int(sym)
}

func (t *taker) nib2(a, b *nib) int {
	n := mean(a, b)
	v := t.x & (scale - 1)
	w := v*ones | highs
	m := ((w-n[0])&highs)>>15 | ((w-n[1])&highs)>>14 | ((w-n[2])&highs)>>13 | ((w-n[3])&highs)>>12
	sym := uint(bits.OnesCount64(m)-1) & 15
	start, end := n[sym>>2]>>(sym&3*16)&lane0, uint64(scale)
	if k := sym + 1; k < 16 {
		end = n[k>>2] >> (k & 3 * 16) & lane0
	}
	t.x = (end-start)*(t.x>>scaleBits) + v - start
	if t.x < lowest {
		t.refill()
	}
	a.learn(int(sym))
	b.learn(int(sym))
	return int(sym)
}

func (t *taker) bit(f *flag) int {
	p, v := f.chance(), t.x&(scale-1)
	if v < p {
		t.step(v, 0, p)
		f.learn(1)
		return 1
	}
	t.step(v, p, scale-p)
	f.learn(0)
	return 0
}

func (t *taker) raw(n int) uint64 {
	v, at := uint64(0), 0
	for n-at > scaleBits {
		w := t.x & (scale - 1)
		t.step(w, w, 1)
		v |= w << at
		at += scaleBits
	}
	if n > at {
		shift := scaleBits - (n - at)
		w := t.x & (scale - 1)
		s := w >> shift
		t.step(w, s<<shift, 1<<shift)
		v |= s << at
	}
	return v
}

// bytes takes what raw takes by eight bits each.
func (t *taker) bytes(b []byte) {
	for i := range b {
		b[i] = byte(t.x >> (scaleBits - 8))
		t.x = t.x>>scaleBits<<(scaleBits-8) | t.x&(1<<(scaleBits-8)-1)
		if t.x < lowest {
			t.refill()
		}
	}
}
