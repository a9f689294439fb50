package delta

import "math/bits"

// seq is one step of a block: literals, then a copy (none at the end of the block).
type seq struct {
	ll    int
	n     int
	from  rep
	thick bool // dense
	view  int
}

// writer turns steps into a stored block. It does what the decoder does.
type writer struct {
	m    *mind
	e    emitter
	pred [predMost]byte
	old  [denseMost + 2*densePad]byte
	t    *tally
}

func (w *writer) encode(block []byte, pieces []Piece, old *Window, seqs []seq) []byte {
	m := w.m
	w.e.list = w.e.list[:0]
	tr := newTrack(pieces)
	last, pos, view := 0, 0, 0
	for i := 0; i < len(seqs); i++ {
		s := seqs[i]
		if s.thick && !tr.keeps(s.from, pos, pos+s.ll) { // a hint has come between
			if s = (seq{ll: s.ll + s.n}); i+1 < len(seqs) {
				seqs[i+1].ll += s.ll
				continue
			}
		}
		tr.arrive(pos)
		m.ll[last].put(&w.e, s.ll)
		w.t.ll[size(s.ll)]++
		if s.ll > 0 {
			w.literals(block, pos, s.ll, &tr, old)
			if pos += s.ll; pos == len(block) {
				break
			}
			tr.arrive(pos)
		}
		kind := kindOld
		if s.from.local() {
			kind = kindLocal
		}
		for k, r := range tr.reps {
			if r == s.from {
				kind = k
				break
			}
		}
		if s.thick {
			kind += kindDense
		}
		w.e.nib(&m.kind[last*3+min(s.ll, 2)], kind)
		switch kind {
		case kindLocal:
			m.near.put(&w.e, uint64(s.from.d()))
			w.t.near[bits.Len64(uint64(s.from.d()))]++
		case kindOld:
			m.far.put(&w.e, zigzag(s.from.d()-tr.oldD))
			w.t.far[bits.Len64(zigzag(s.from.d()-tr.oldD))]++
		}
		tr.use(s.from)
		last = kind
		m.ml[kind].put(&w.e, s.n-1)
		w.t.kind[min(kind, kindDense)]++
		w.t.ml[min(kind, kindDense)][size(s.n-1)]++
		if s.thick {
			w.e.nib(&m.view[view], s.view)
			view = s.view
			w.dense(block, pos, s.n, copied{from: tr.at(pos) + s.from.d(), to: tr.at(pos), view: view}, old)
		}
		pos += s.n
	}
	return w.e.finish()
}

func (w *writer) literals(block []byte, pos, n int, tr *track, old *Window) {
	m := w.m
	view := w.pred[:min(n, predMost)]
	predicted(view, block, pos, tr, old)
	c1, c2 := byte(0), byte(0)
	if pos > 0 {
		c1 = block[pos-1]
	}
	if pos > 1 {
		c2 = block[pos-2]
	}
	raws := 0
	for i := 0; i < n; i++ {
		if i%rawGroup == 0 && n >= rawGroup {
			k := min(rawGroup, n-i)
			raw := 0
			if w.price(block[pos+i:pos+i+k], c1, c2) > 8*float64(k) {
				raw = 1
			}
			w.e.bit(&m.litRaw[raws&15], raw)
			if raws = raws<<1 | raw; raw == 1 {
				for _, b := range block[pos+i : pos+i+k] {
					w.e.raw(uint64(b), 8)
				}
				if i += k - 1; i > 0 {
					c2 = block[pos+i-1]
				}
				c1 = block[pos+i]
				continue
			}
		}
		a, b := m.after(c1), block[pos+i]
		hi, lo := int(b>>4), int(b&15)
		if i < len(view) {
			p := view[i]
			place := litPlace(i)
			w.e.nib2(&a.hi, m.instead(place, p), hi)
			w.e.nib2(&a.lo[hi], m.insteadLow(place, p, hi), lo)
			if i == 0 {
				for _, v := range w.e.list[len(w.e.list)-2:] {
					w.t.miss += cost(uint64(v >> 16))
				}
				w.t.misses++
			}
		} else {
			q := m.rareAt(c1, c2)
			w.e.nib2(&a.hi, &q.hi, hi)
			w.e.nib2(&a.lo[hi], &q.lo[hi], lo)
		}
		w.t.lit[c1][b]++
		c2, c1 = c1, b
	}
}

// price is what literals would take, in bits, as far as is known before them.
func (w *writer) price(b []byte, c1, c2 byte) float64 {
	sum := 0.0
	for _, c := range b {
		a, q := w.m.after(c1), w.m.rareAt(c1, c2)
		hi := int(c >> 4)
		s := mean(&a.hi, &q.hi)
		_, f := s.interval(hi)
		sum += cost(f)
		s = mean(&a.lo[hi], &q.lo[hi])
		_, f = s.interval(int(c & 15))
		sum += cost(f)
		c2, c1 = c1, c
	}
	return sum
}

// dense codes a dense copy; c tells where, and in which view.
func (w *writer) dense(block []byte, pos, n int, c copied, old *Window) {
	c.new, c.old, c.size = block[pos:pos+n], w.old[:n+2*densePad], old.size
	old.read(c.old, c.from-densePad)
	if pos > 0 {
		c.before = block[pos-1]
	}
	w.m.thick().code(&c, &saying{e: &w.e, t: w.t})
}

// saying is a line's end at the encoder. It keeps the tally.
type saying struct {
	e     *emitter
	t     *tally
	spent float64
}

func (s *saying) bit(chance uint64, bit int) int {
	if bit == 1 {
		s.e.put(0, chance)
		s.spent += cost(chance)
	} else {
		s.e.put(chance, scale-chance)
		s.spent += cost(scale - chance)
	}
	return bit
}

func (s *saying) byte(a, b *byteModel, v byte) byte {
	from := len(s.e.list)
	hi, lo := int(v>>4), int(v&15)
	s.e.nib2(&a.hi, &b.hi, hi)
	s.e.nib2(&a.lo[hi], &b.lo[hi], lo)
	for _, v := range s.e.list[from:] {
		s.spent += cost(uint64(v >> 16))
	}
	return v
}

func (s *saying) done(same, differ, told int) {
	switch {
	case told > 0:
		s.t.told += s.spent
		s.t.tolds += float64(told)
	case differ > 0:
		s.t.differ += s.spent
		s.t.differs += float64(differ)
	default:
		s.t.equal += s.spent
		s.t.equals += float64(same)
	}
	s.spent = 0
}
