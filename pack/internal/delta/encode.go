package delta

import (
	"cmp"
	"slices"
)

// Index finds what new blocks have in common with a stretch of the old payload. It
// takes the stretch itself, and up to three bytes for each of its bytes. It is
// safe for concurrent use.
type Index struct{ far *farIndex }

// NewIndex of the old bytes that begin at an address of the old payload. Only what is
// wanted can be found; nil wants everything.
func NewIndex(old []byte, addr int64, wanted *Wanted) *Index {
	return &Index{newFarIndex(old, addr, wanted)}
}

// Matches are what a block has in common with old bytes.
type Matches struct{ list []match }

const (
	leastMatch  = 16
	mostMatches = 1 << 16
	passes      = 2    // the second knows the prices that came of the first
	manyTold    = 1000 // fields that make a third worth its time: ways get longer by them
)

// Scan adds what block has in common with the index's stretch.
func (x *Index) Scan(block []byte, m *Matches) {
	m.list = x.far.scan(block, leastMatch, m.list)
	if len(m.list) > mostMatches {
		slices.SortFunc(m.list, func(a, b match) int { return b.n - a.n })
		m.list = slices.Clip(m.list[:mostMatches])
	}
}

// Keep drops matches that are not worth what a device does for them: worth is asked of the old
// bytes of each.
func (m *Matches) Keep(worth func(from, end int64) bool) {
	m.list = slices.DeleteFunc(m.list, func(m match) bool { return !worth(m.src, m.src+int64(m.n)) })
}

// Encoder makes blocks. One goroutine has it. It takes some 250 MiB.
type Encoder struct{ mind mind }

// Encode gives the stored form of a block: its pieces, against the old payload. The
// matches are used up.
func (e *Encoder) Encode(block []byte, pieces []Piece, old *Window, m *Matches) ([]byte, error) {
	p := parser{block: block, pieces: pieces, far: m.list, p: newTally(block).prices()}
	slices.SortFunc(p.far, func(a, b match) int { return cmp.Or(a.pos-b.pos, b.n-a.n) })
	p.dull = dullness(block, p.far)
	at := 0
	near := p.far
	for _, q := range pieces {
		p.starts = append(p.starts, at)
		if q.Hint >= 0 {
			near = append(near, match{pos: at, n: q.Len, src: q.Hint})
		}
		at += q.Len
	}
	p.near = newNearIndex(block, p.far, cover(near, old.size), old)
	w := writer{m: &e.mind}
	var best []byte
	for pass := 1; ; pass++ {
		seqs := p.run()
		w.t = newTally(nil)
		e.mind.reset()
		if a := w.encode(block, pieces, old, seqs); best == nil || len(a) < len(best) {
			best = a
		}
		if len(best) >= len(block)/50*49 {
			break // better prices find nothing either
		}
		if pass >= passes && (pass > passes || len(p.told) < manyTold) {
			break
		}
		p.p = w.t.prices()
		s := newSurvey(block, pieces, old, seqs)
		p.views = s.views()
		p.told = s.told(p.views)
		p.near.again()
	}
	if old.err != nil {
		return nil, old.err
	}
	return best, nil
}
