package pack

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"

	"larder/asset"
	"larder/pack/internal/deflate"
	"larder/pack/internal/delta"
)

// choose takes the smallest delta whose base is installed, and puts that tree before the others.
func (p *Plan) choose(deltas []*Delta) {
	p.olds = slices.Clone(p.olds)
	for _, d := range deltas {
		i := slices.IndexFunc(p.olds, func(o Installed) bool { return o.Archive.Content() == d.base })
		if i >= 0 && (p.delta == nil || d.size < p.delta.size) {
			p.delta = d
			p.olds[0], p.olds[i] = p.olds[i], p.olds[0]
		}
	}
}

// patch decides which blocks of the delta are used: those with a chunk that no old file
// has, unless they are still to be fetched and the frames with these chunks are smaller.
func (p *Plan) patch(ctx context.Context, atHand bool) error {
	if p.delta == nil {
		return nil
	}
	p.blocks = newBits(len(p.delta.blocks))
	blocks := 0
	var unread error
	if p.opened, unread = p.delta.streams(p.olds[0].Archive.total().payload, p.target.total().payload); unread != nil {
		p.delta = nil
		return nil // frames serve
	}
	err := p.deltaBlocks(ctx, p.delta.limit, func(b deltaBlock) error {
		if blocks++; blocks > len(p.delta.blocks) {
			return errMisfit
		}
		defer func() {
			for _, t := range b.twins {
				if p.made.has(t.first) {
					p.made.set(t.number)
					p.twins[t.number] = t.first
				}
			}
		}()
		frames, last, needed := int64(0), -1, []int(nil)
		for _, w := range b.wants {
			if _, ok := p.chunks[key(w.chunk.hash)]; ok {
				continue
			}
			if needed = append(needed, w.number); w.frame != last {
				last = w.frame
				frames += int64(w.in.frames[w.frame-w.in.first].stored)
			}
		}
		if len(needed) == 0 || !atHand && frames < int64(p.delta.blocks[b.number]) {
			return nil
		}
		p.blocks.set(b.number)
		for _, n := range needed {
			p.made.set(n)
		}
		return nil
	})
	if err == nil && blocks != len(p.delta.blocks) {
		err = errMisfit
	}
	if errors.Is(err, errMisfit) { // it is for other versions than it says
		p.delta, p.made, p.twins, err = nil, newBits(p.target.total().chunks), map[int]int{}, nil
	}
	return err
}

var errMisfit = errors.New("the delta has another number of blocks than its two indexes ask for")

// mason makes blocks of a delta. One goroutine has it.
type mason struct {
	old    *payload
	window *delta.Window
	dec    *delta.Decoder
}

type masonJob struct {
	deltaBlock
	at      int64 // in the delta
	stored  []byte
	written int64
	rotten  []Mismatch
}

// patch makes the chunks that the plan takes from the delta. What cannot be made so is
// taken from frames.
func (a *applier) patch(ctx context.Context) error {
	p := a.plan
	if p.delta == nil {
		return nil
	}
	idle := make(chan *mason, readers())
	defer func() {
		for len(idle) > 0 {
			(<-idle).old.close()
		}
	}()
	source := p.payload(0, a.root)
	defer source.close()
	open := newOpenStreams(source, p.opened, deflate.Cache{Most: openedCache, Work: openTimes * (p.opened.end - p.opened.plain)})
	where := p.delta.data
	return inOrder(ctx, readers(), func(emit func(masonJob) error) error {
		return p.deltaBlocks(ctx, p.delta.limit, func(b deltaBlock) error {
			j := masonJob{deltaBlock: b, at: where}
			where += int64(p.delta.blocks[b.number])
			if !p.blocks.has(b.number) || !slices.ContainsFunc(b.wants, a.lacks) {
				return nil
			}
			var err error
			if j.stored, err = p.delta.read(b.number, j.at); err != nil {
				return err
			}
			a.mu.Lock()
			a.sum.Downloaded += int64(len(j.stored))
			a.mu.Unlock()
			return emit(j)
		})
	}, func(j *masonJob) error {
		var m *mason
		select {
		case m = <-idle:
		default:
			old := p.payload(0, a.root)
			m = &mason{old: old, window: delta.NewWindow(open.over(old), p.opened.end), dec: new(delta.Decoder)}
		}
		defer func() { idle <- m }()
		err := a.mason(m, j)
		useful := int64(0)
		if err == nil && j.written > 0 {
			useful = int64(len(j.stored))
		}
		a.count(useful, j.written)
		return err
	}, func(j *masonJob, err error) error {
		a.mu.Lock()
		a.sum.Rotten = append(a.sum.Rotten, j.rotten...)
		a.mu.Unlock()
		if err == nil {
			err = disk(opApply, quote(a.into), a.keeper.fetched(int64(len(j.stored))))
		}
		return err
	})
}

// lacks reports whether the delta is to make a chunk and has not.
func (a *applier) lacks(w want) bool { return a.plan.made.has(w.number) && !a.has(w.number) }

// mason makes one block and puts its chunks into their files.
func (a *applier) mason(m *mason, j *masonJob) error {
	b := buffer(&rawBuffers, j.size)[:j.size]
	defer release(&rawBuffers, b)
	fault := m.make(b, j, a.plan.opened)
	h := newHand(a.stage)
	defer h.close()
	for _, w := range j.wants {
		c := b[:w.chunk.size]
		b = b[w.chunk.size:]
		if !a.lacks(w) {
			continue
		}
		if fault != nil || sha256.Sum256(c) != w.chunk.hash {
			a.mu.Lock()
			a.fetch.set(w.frame)
			a.mu.Unlock()
			if j.rotten == nil {
				j.rotten = a.blame(m, j)
			}
			continue
		}
		if err := h.write(&w.in.rows[w.chunk.row], w.chunk.at, c); err != nil {
			return err
		}
		j.written += int64(w.chunk.size)
		a.mu.Lock()
		a.given.set(w.number)
		a.mu.Unlock()
	}
	return nil
}

// make fills b from the stored block.
func (m *mason) make(b []byte, j *masonJob, s *streams) error {
	if s.list() {
		o := s.opening(j.pieces)
		stored, err := o.read(j.stored)
		if err != nil {
			return err
		}
		pieces, size := o.pieces(j.pieces, s)
		told := buffer(&rawBuffers, size)[:size]
		defer release(&rawBuffers, told)
		if err := m.dec.Decode(told, pieces, m.window, stored); err != nil {
			return err
		}
		o.close(b, told)
		return nil
	}
	return m.dec.Decode(b, j.pieces, m.window, j.stored)
}

// blame finds the old chunks that a block was made from and that are rotten. If all
// are good, it is the block that is.
func (a *applier) blame(m *mason, j *masonJob) (rotten []Mismatch) {
	old := newEye(a.root)
	defer old.close()
	where, addr := a.plan.olds[0], int64(0)
	for _, r := range a.plan.opened.closed(m.window.Reset()) {
		for addr = max(addr, r[0]); addr < r[1]; {
			s, c, err := a.plan.holder(0, addr)
			if err != nil {
				break
			}
			addr = s.before + c.payload + int64(c.size)
			name := path.Join(where.Dir, s.rows[c.row].Path)
			if _, err := old.read(name, c.at, c); err != nil {
				rotten = append(rotten, Mismatch{Code: asset.CodeHashMismatch, Path: name, Offset: c.at, At: -1, Message: err.Error()})
			}
		}
	}
	if rotten == nil {
		rotten = []Mismatch{{Code: asset.CodeHashMismatch, At: j.at, Message: fmt.Sprintf("block %d of the delta is damaged", j.number)}}
	}
	return rotten
}

// twin gives the bytes of a chunk that is the same as an earlier one of the target.
func (a *applier) twin(o *eye, first int, c *chunk) ([]byte, error) {
	s, k, err := a.plan.ofTarget(first)
	if err != nil {
		return nil, err
	}
	return o.read(s.rows[k.row].Path, k.at, c)
}

// Block is a block of the delta that a plan takes.
type Block struct {
	Stored int64   // bytes to fetch
	Chunks []Chunk // of the target that are fetched so; Frame is where else they are
}

// Blocks tells of every block of the delta that the plan takes.
func (p *Plan) Blocks(ctx context.Context) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		if p.delta == nil {
			return
		}
		err := p.deltaBlocks(ctx, p.delta.limit, func(b deltaBlock) error {
			if !p.blocks.has(b.number) {
				return nil
			}
			out := Block{Stored: int64(p.delta.blocks[b.number])}
			for _, w := range b.wants {
				if c := w.chunk; p.made.has(w.number) {
					out.Chunks = append(out.Chunks, Chunk{Path: w.in.rows[c.row].Path, Offset: c.at, Size: int64(c.size), Hash: c.hash, Frame: w.frame})
				}
			}
			if !yield(out, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(Block{}, err)
		}
	}
}

var errEnough = errors.New("nobody wants more")
