package pack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"slices"
	"sort"

	"larder/asset"
	"larder/pack/internal/delta"
)

// refine makes the chunks that the plan takes from the fine file, after all frames that are
// fetched, since a unit may speak of any byte before it. What cannot be made so is taken from
// frames afterwards.
func (a *applier) refine(ctx context.Context) error {
	w := a.plan.fine
	if w == nil {
		return nil
	}
	if !slices.ContainsFunc(w.chunks, func(c fineChunk) bool { return !a.has(c.number) }) {
		return nil
	}
	if err := w.f.r.Have(ctx, w.spans); err != nil {
		return err
	}
	a.sum.Downloaded += total(w.spans)
	r := newRefiner(a, w)
	defer r.close()
	for i := range w.chunks {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c := &w.chunks[i]; !a.has(c.number) {
			if err := r.chunk(c); err != nil {
				return err
			}
		}
	}
	return disk(opApply, quote(a.into), a.keeper.fetched(total(w.spans)))
}

// refiner puts chunks together from old blocks and units. One goroutine has it.
type refiner struct {
	a       *applier
	w       *fineWork
	olds    map[int32]*payload
	history *history
	window  *delta.Window
	dec     delta.Decoder
	hand    *hand
	buf     [maxChunk]byte
	unit    [maxUnit]byte
	before  [delta.Before]byte
}

func newRefiner(a *applier, w *fineWork) *refiner {
	r := &refiner{a: a, w: w, olds: map[int32]*payload{}, hand: newHand(a.stage)}
	r.history = &history{a: a, old: fileReader{near: nearby{root: a.root}}, staged: fileReader{near: nearby{root: a.stage.root}}}
	r.window = delta.NewWindow(r.history, 0)
	return r
}

func (r *refiner) close() {
	for _, p := range r.olds {
		p.close()
	}
	r.history.old.close()
	r.history.staged.close()
	r.hand.close()
}

// chunk makes one chunk and puts it into its file, if it proves right.
func (r *refiner) chunk(c *fineChunk) error {
	s, k, err := r.a.plan.ofTarget(c.number)
	if err != nil {
		return err
	}
	raw := r.buf[:c.size]
	r.history.at, r.history.now = c.at, raw[:0]
	r.window.Reset()
	why := r.fill(c, raw)
	if why == nil && sha256.Sum256(raw) != k.hash {
		why = fmt.Errorf("what the fine file makes of the chunk is not what the index names")
	}
	r.history.now = nil
	if why != nil {
		e := &s.rows[k.row]
		r.a.sum.Rotten = append(r.a.sum.Rotten, Mismatch{Code: asset.CodeHashMismatch, Path: e.Path, Offset: k.at, At: c.unit, Message: why.Error()})
		return nil // its frame will be fetched
	}
	r.history.staged.forget(path.Clean(s.rows[k.row].Path)) // it grows
	if err := r.hand.write(&s.rows[k.row], k.at, raw); err != nil {
		return err
	}
	r.a.given.set(c.number)
	r.a.count(r.w.lacking(c), int64(c.size))
	return nil
}

// lacking is how many bytes of units a chunk takes.
func (w *fineWork) lacking(c *fineChunk) (n int64) {
	from, to := c.blocks()
	for b := from; b < to; b++ {
		if w.spots[b].old < 0 {
			n += int64(w.stored[b])
		}
	}
	return n
}

// fill makes the chunk's bytes, block by block.
func (r *refiner) fill(c *fineChunk, raw []byte) error {
	where := c.unit
	for i := range blocksOf(c.size) {
		from := i * fineBlock
		b := raw[from:min(from+fineBlock, len(raw))]
		n := int64(r.w.stored[c.block+i])
		if spot := r.w.spots[c.block+i]; spot.old >= 0 {
			back, _ := fineBounds(c.size, i)
			if _, err := r.old(spot.old).ReadAt(b, spot.at+int64(from-back)); err != nil && err != io.EOF {
				return err
			}
		} else if err := r.decode(b, c.at+int64(from), where, n); err != nil {
			return err
		}
		r.history.now = raw[:from+len(b)]
		where += n
	}
	return nil
}

func (r *refiner) old(i int32) *payload {
	p := r.olds[i]
	if p == nil {
		p = r.a.plan.payload(int(i), r.a.root)
		r.olds[i] = p
	}
	return p
}

// decode makes a block from its unit.
func (r *refiner) decode(b []byte, addr, where, n int64) error {
	stored := r.unit[:n]
	if err := readAt(r.w.f.r, stored, where); err != nil {
		return err
	}
	before := r.before[:min(addr, delta.Before)]
	r.window.Grow(addr)
	r.window.Read(before, addr-int64(len(before)))
	return r.dec.DecodeUnit(b, addr, r.window, before, stored)
}

// history reads the target's payload before a chunk, and as much of the chunk as is made.
// What is not there reads as zeros.
type history struct {
	a      *applier
	at     int64  // of the chunk
	now    []byte // what is made of it
	old    fileReader
	staged fileReader
}

// ReadAt implements io.ReaderAt.
func (h *history) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	n := int64(len(b))
	if end := h.at - off; end < n {
		copy(b[max(end, 0):], h.now[min(max(-end, 0), int64(len(h.now))):])
		n = max(end, 0)
	}
	for done := int64(0); done < n; {
		k, err := h.chunk(b[done:n], off+done)
		if err != nil {
			return 0, err
		}
		done += k
	}
	return len(b), nil
}

// chunk reads as much as one chunk has, from an address on.
func (h *history) chunk(b []byte, addr int64) (int64, error) {
	p := h.a.plan
	t := p.target
	i := sort.Search(len(t.root.sections), func(i int) bool { return t.from[i+1].payload > addr })
	s, err := p.section(ofTarget, i)
	if err != nil {
		return 0, err
	}
	k := sort.Search(len(s.chunks), func(k int) bool { return s.before+s.chunks[k].payload > addr }) - 1
	c := &s.chunks[k]
	in := addr - s.before - c.payload
	b = b[:min(int64(len(b)), int64(c.size)-in)]
	row := t.rowNumber(i, s, c.row)
	if number, kept := h.a.source(row, c); number != noChunk {
		name, at, err := h.a.where(number)
		if kept {
			at = c.at
		}
		if err != nil {
			return 0, err
		}
		h.old.read(name, b, at+in)
		return int64(len(b)), nil
	}
	if first, ok := p.twins[t.from[i].chunks+k]; ok {
		if s, c, err = p.ofTarget(first); err != nil {
			return 0, err
		}
	}
	h.staged.read(path.Clean(s.rows[c.row].Path), b, c.at+in)
	return int64(len(b)), nil
}

// ofTarget finds a chunk of the target by its number.
func (p *Plan) ofTarget(number int) (*section, *chunk, error) {
	t := p.target
	i := sort.Search(len(t.root.sections), func(i int) bool { return t.from[i+1].chunks > number })
	s, err := p.section(ofTarget, i)
	if err != nil {
		return nil, nil, err
	}
	return s, &s.chunks[number-t.from[i].chunks], nil
}
