package pack

import (
	"context"
	"iter"
	"sort"

	"larder/pack/internal/delta"
)

// A delta's blocks follow from the indexes of base and target alone: which chunks
// the base lacks, how they are gathered, and where their bytes probably
// stand in the base. doc/pack-format.md, "Delta blocks".

// want is a chunk of the target that the base lacks.
type want struct {
	in     *loaded
	number int // among the target's chunks
	frame  int // among the target's frames
	chunk  *chunk
}

// deltaBlock is a run of wants that are coded together.
type deltaBlock struct {
	number int
	size   int
	wants  []want
	pieces []delta.Piece
	twins  []twin // met while it was gathered; they take no part in it
}

// twin is a chunk of the target that the base lacks, and that is the same as an earlier one.
type twin struct{ number, first int }

// deltaBlocks tells of every block of the delta from the plan's first old tree to the
// target. limit is the most bytes of a block.
func (p *Plan) deltaBlocks(ctx context.Context, limit int, emit func(deltaBlock) error) error {
	first := map[uint64]uint32{} // of the wants so far, by key
	files, stop := iter.Pull2(p.baseFiles())
	defer stop()
	name, start, more := "", baseFile{}, true
	now := deltaBlock{}
	shift, aligned, hole := int64(0), false, false // of base against target, as last seen in this file
	for i, l := range p.target.sections(opPlan) {
		if l.err != nil {
			return l.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for k := range l.chunks {
			c := &l.chunks[k]
			addr := l.before + c.payload
			if c.at == 0 {
				path := l.rows[c.row].Path
				for more && (name == "" || comparePaths(name, path) < 0) {
					name, start, more = files()
					if start.err != nil {
						return start.err
					}
				}
				shift, aligned, hole = start.addr-addr, more && name == path, false
			}
			if at, ok, err := p.inBase(c); err != nil {
				return err
			} else if ok {
				shift, aligned, hole = at-addr, true, false
				continue
			}
			number := p.target.from[i].chunks + k
			if n, ok := first[key(c.hash)]; ok {
				now.twins = append(now.twins, twin{number: number, first: int(n)})
				hole = false
				continue
			}
			first[key(c.hash)] = uint32(number)
			if now.size+int(c.size) > limit {
				if err := emit(now); err != nil {
					return err
				}
				now, hole = deltaBlock{number: now.number + 1}, false
			}
			if n := len(now.pieces); hole {
				now.pieces[n-1].Len += int(c.size)
			} else {
				piece := delta.Piece{Addr: addr, Len: int(c.size), Hint: -1}
				if aligned {
					piece.Hint = max(addr+shift, -1)
				}
				now.pieces = append(now.pieces, piece)
			}
			hole = true
			now.size += int(c.size)
			f := sort.Search(len(l.spans), func(f int) bool { return l.spans[f].chunk1 > int32(k) })
			now.wants = append(now.wants, want{in: l, number: number, frame: p.target.from[i].frames + f, chunk: c})
		}
	}
	if now.size > 0 { // else there are no wants, and no twins
		return emit(now)
	}
	return nil
}

// inBase finds a chunk in the plan's first old tree: its address there.
func (p *Plan) inBase(c *chunk) (addr int64, ok bool, err error) {
	n, ok := p.chunks[key(c.hash)]
	if !ok || n >= p.from[1] {
		return 0, false, nil
	}
	_, s, k, err := p.locate(n)
	if err != nil {
		return 0, false, err
	}
	return s.before + k.payload, true, nil
}

type baseFile struct {
	addr int64
	err  error
}

// baseFiles tells of every file of the plan's first old tree that has bytes.
func (p *Plan) baseFiles() iter.Seq2[string, baseFile] {
	return func(yield func(string, baseFile) bool) {
		for _, l := range p.olds[0].Archive.sections(opPlan) {
			if l.err != nil {
				yield("", baseFile{err: l.err})
				return
			}
			for k := range l.chunks {
				c := &l.chunks[k]
				if c.at == 0 && !yield(l.rows[c.row].Path, baseFile{addr: l.before + c.payload}) {
					return
				}
			}
		}
	}
}
