package delta

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// told is a field of a block that follows from how far its place moved, along a way.
type told struct {
	pos  int // of the first byte that is not the old one
	n    int // bytes from there to the field's end
	from rep
}

const (
	gapMost = 32  // bytes at most between two copies along one way, if it belongs to it too
	viewLen = 512 // bytes of a block that have one view

	sameMost = 4 << 10 // equal bytes around a difference that are looked at
)

// survey finds out in which views dense copies along the ways of some steps tell most.
type survey struct {
	block  []byte
	pieces []Piece
	old    *Window
	ways   []aligned
	o      []byte
}

// aligned is a stretch of the block that goes along one way.
type aligned struct {
	pos, n   int
	from, to int64
	way      rep
}

func newSurvey(block []byte, pieces []Piece, old *Window, seqs []seq) *survey {
	s := &survey{block: block, pieces: pieces, old: old}
	pos := 0
	for _, q := range seqs {
		pos += q.ll
		if q.n == 0 {
			break
		}
		if !q.from.local() {
			if k := len(s.ways) - 1; k >= 0 && s.ways[k].way == q.from && pos-s.ways[k].pos-s.ways[k].n <= gapMost {
				s.ways[k].n = pos + q.n - s.ways[k].pos
			} else {
				s.ways = append(s.ways, aligned{pos: pos, n: q.n, way: q.from})
			}
		}
		pos += q.n
	}
	tr := newTrack(pieces)
	for i := range s.ways {
		w := &s.ways[i]
		tr.arrive(w.pos)
		w.to = tr.at(w.pos)
		w.from = w.to + w.way.d()
	}
	return s
}

// walk visits the fields of one view, or of those that views says by stretches of the block, and tells what was guessed.
func (s *survey) walk(view int, views []uint8, visit func(w *aligned, pos int, f *field, guess, is uint32, old []byte)) {
	m := new(moves)
	var f field
	for i := range s.ways {
		w := &s.ways[i]
		s.o = slices.Grow(s.o[:0], w.n+2*densePad)[:w.n+2*densePad]
		s.old.read(s.o, w.from-densePad)
		by := uint32(w.to - w.from)
		same, differs := 0, equal(s.block[w.pos:w.pos+w.n], s.o[densePad:]) // where the last difference was, and the next is
		for k := 0; k+fieldLen <= w.n; k++ {
			for k > differs {
				same = differs
				differs++
				differs += equal(s.block[w.pos+differs:w.pos+w.n], s.o[densePad+differs:])
			}
			if k-same > sameMost {
				if k = max(k, differs-sameMost); k+fieldLen > w.n {
					break
				}
			}
			if views != nil {
				view = int(views[(w.pos+k)/viewLen])
			}
			if view == viewPlain || !f.known(view, s.o, k+densePad, w.from+int64(k), s.old.size, by) {
				continue
			}
			is := binary.LittleEndian.Uint32(s.block[w.pos+k:])
			guess, _ := m.guess(&f)
			visit(w, w.pos+k, &f, guess, is, s.o[k+densePad:])
			m.learn(&f, is)
			k += fieldLen - 1
		}
	}
}

// views gives the best view for each stretch of the block.
func (s *survey) views() []uint8 {
	n := len(s.block)/viewLen + 1
	best, score := make([]uint8, n), make([]int32, n)
	mine := make([]int32, n)
	for view := viewX86; view < views; view++ {
		clear(mine)
		s.walk(view, nil, func(_ *aligned, pos int, f *field, guess, is uint32, _ []byte) {
			switch at := pos / viewLen; {
			case guess == is:
				mine[at] += int32(differing(is^f.value))*8 - 1
			case is == f.value:
				mine[at] -= 12
			default:
				mine[at] -= 4
			}
		})
		for i, v := range mine {
			if v > score[i] {
				best[i], score[i] = uint8(view), v
			}
		}
	}
	// What is seldom right where its neighbours say otherwise follows them.
	for i := 1; i < n; i++ {
		if score[i] < 16 {
			best[i] = best[i-1]
		}
	}
	return best
}

// told gives the fields that are told in these views.
func (s *survey) told(views []uint8) (all []told) {
	s.walk(0, views, func(w *aligned, pos int, f *field, guess, is uint32, old []byte) {
		if guess != is || is == f.value {
			return
		}
		k := bits.TrailingZeros32(is^f.value) / 8
		all = append(all, told{pos + k, fieldLen - k, w.way})
	})
	return all
}

// differing counts bytes that are not zero.
func differing(x uint32) (n int) {
	for ; x > 0; x >>= 8 {
		if x&0xFF > 0 {
			n++
		}
	}
	return n
}
