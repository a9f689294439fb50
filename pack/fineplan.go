package pack

import (
	"context"
	"encoding/binary"
	"io"
	"os"

	"larder/asset"
)

// maxFine bounds the chunks that a fine file is asked for: some 16 GiB of them.
const maxFine = 1 << 18

// fineChunk is a chunk of the target that no old file has, and its leaf.
type fineChunk struct {
	number, frame int
	stored        int32 // of the frame
	size          int32
	at            int64 // in the target's payload
	leaf          int64 // in the fine file
	block         int   // number of its first block, among all that are looked for
	unit          int64 // where its units begin, in the fine file
	whole         bool  // the fine file has all of its units
}

// fineTwin is a chunk that is the same as an earlier one, and its frame.
type fineTwin struct {
	twin
	frame int
}

// fineWork is what a plan takes from a fine file.
type fineWork struct {
	f      *Fine
	chunks []fineChunk // in order; first all that are lacking, then those taken
	hashes []uint64    // of blocks
	stored []uint16    // sizes of their units
	spots  []spot      // where old bytes have them
	leaves []Span
	spans  []Span // of the units to fetch
}

// byFine finds out what a fine file makes cheaper than frames. What is wrong with the file
// is the caller's to hear: the plan without it is as good as ever.
func (p *Plan) byFine(ctx context.Context, opts PlanOptions) error {
	if opts.Fine == nil || p.delta != nil || len(p.olds) == 0 {
		return nil
	}
	w := &fineWork{f: opts.Fine}
	twins, leaves, err := w.gather(ctx, p)
	if err != nil || len(w.chunks) == 0 || len(w.chunks) > maxFine {
		return err
	}
	if err := w.learn(ctx, p.target, leaves); err != nil {
		return err
	}
	p.sum.Leaves = total(w.leaves)
	if err := w.find(ctx, p, opts.Root); err != nil {
		return err
	}
	w.choose(p, twins)
	return nil
}

// gather lists the chunks that would be fetched with their frames, and the twins of these. leaves are the
// bytes of all leaves.
func (w *fineWork) gather(ctx context.Context, p *Plan) (twins []fineTwin, leaves int64, err error) {
	firsts := map[uint64]int{}
	for i, l := range p.target.sections(opPlan) {
		if l.err != nil {
			return nil, 0, l.err
		}
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		for f, s := range l.spans {
			frame := p.target.from[i].frames + f
			for k := s.chunk0; k < s.chunk1; k++ {
				c := &l.chunks[k]
				leaf := fineHead + leaves
				leaves += int64(leafSize(c.size))
				if _, ok := p.chunks[key(c.hash)]; ok || !p.fetch.has(frame) {
					continue
				}
				number := p.target.from[i].chunks + int(k)
				if first, ok := firsts[key(c.hash)]; ok {
					twins = append(twins, fineTwin{twin{number: number, first: first}, frame})
					continue
				}
				firsts[key(c.hash)] = number
				w.chunks = append(w.chunks, fineChunk{number: number, frame: frame, stored: l.frames[f].stored, at: l.before + c.payload, size: c.size, leaf: leaf})
				if len(w.chunks) > maxFine {
					return nil, 0, nil
				}
			}
		}
	}
	return twins, leaves, nil
}

// gaps up to so many bytes are fetched with what is around them: a request costs more.
const (
	leafGap = 512
	unitGap = 512
)

// join adds a stretch to the last one, if the gap is small.
func join(spans []Span, offset, length, gap int64) []Span {
	if n := len(spans); n > 0 {
		if last := &spans[n-1]; offset >= last.Offset && offset <= last.Offset+last.Length+gap {
			last.Length = max(last.Length, offset+length-last.Offset)
			return spans
		}
	}
	return append(spans, Span{offset, length})
}

func total(spans []Span) (n int64) {
	for _, s := range spans {
		n += s.Length
	}
	return n
}

// learn reads the leaves.
func (w *fineWork) learn(ctx context.Context, target *Archive, leaves int64) error {
	if fineHead+leaves > w.f.size {
		return fault(asset.CodeSizeMismatch, opFine, "the leaves", "the fine file has %d bytes, fewer than its leaves", w.f.size)
	}
	w.leaves = []Span{{0, fineHead}}
	for _, c := range w.chunks {
		w.leaves = join(w.leaves, c.leaf, int64(leafSize(c.size)), leafGap)
	}
	if err := w.f.r.Have(ctx, w.leaves); err != nil {
		return err
	}
	units, err := w.f.head(target, leaves)
	if err != nil {
		return err
	}
	b := make([]byte, leafSize(maxChunk))
	for i := range w.chunks {
		c := &w.chunks[i]
		b = b[:leafSize(c.size)]
		if err := readAt(w.f.r, b, c.leaf); err != nil {
			return disk(opFine, at("leaf", c.leaf), err)
		}
		c.block, c.unit, c.whole = len(w.hashes), units+int64(u48(b)), true
		end := c.unit
		for e := b[finePlace:]; len(e) > 0; e = e[fineEntry:] {
			n := binary.LittleEndian.Uint16(e[6:])
			w.hashes, w.stored = append(w.hashes, u48(e)), append(w.stored, n)
			c.whole = c.whole && n > 0 && n <= maxUnit
			end += int64(n)
		}
		c.whole = c.whole && end <= w.f.size
	}
	return nil
}

// find looks for the blocks in what is installed; once for all plans of the same kind.
func (w *fineWork) find(ctx context.Context, p *Plan, root *os.Root) (err error) {
	name := p.target.Content().String()
	for _, o := range p.olds {
		name += o.Dir + o.Archive.Content().String()
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if seen, ok := w.f.seen[name]; ok && len(seen) == len(w.hashes) {
		w.spots = seen
		return nil
	}
	if w.spots, err = p.find(ctx, w.hashes, root); err == nil {
		clear(w.f.seen)
		w.f.seen[name] = w.spots
	}
	return err
}

// blocks of a chunk.
func (c *fineChunk) blocks() (from, to int) { return c.block, c.block + blocksOf(c.size) }

// choose takes, frame by frame, the units if they are smaller.
func (w *fineWork) choose(p *Plan, twins []fineTwin) {
	cost := map[int]int64{}
	for i := range w.chunks {
		c := &w.chunks[i]
		cost[c.frame] += w.lacking(c)
		if !c.whole {
			cost[c.frame] = maxArchive
		}
	}
	taken := w.chunks[:0]
	for _, c := range w.chunks {
		if cost[c.frame] >= int64(c.stored) {
			continue
		}
		taken = append(taken, c)
		p.fetch.clear(c.frame)
		p.late.set(c.frame)
		p.made.set(c.number)
		at := c.unit
		from, to := c.blocks()
		for b := from; b < to; b++ {
			if w.spots[b].old < 0 {
				w.spans = join(w.spans, at, int64(w.stored[b]), unitGap)
			}
			at += int64(w.stored[b])
		}
	}
	if w.chunks = taken; len(taken) > 0 {
		p.fine = w
	}
	for _, t := range twins {
		if !p.fetch.has(t.frame) {
			p.made.set(t.number)
			p.twins[t.number] = t.first
		}
	}
}

// oldBytes reads the payload of an old tree from the disk, or from its pack if that is at hand.
func (p *Plan) oldBytes(old int, root *os.Root) interface {
	io.ReaderAt
	close()
} {
	if root == nil {
		return packed{newUnpacked(opPlan, p.olds[old].Archive)}
	}
	return p.payload(old, root)
}

type packed struct{ *unpacked }

func (packed) close() {}
