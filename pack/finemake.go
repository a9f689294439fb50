package pack

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"

	"larder/pack/internal/delta"
)

const opRefine = "make fine file"

// FineOptions of a fine file; the zero value serves.
type FineOptions struct {
	// Progress is told, now and then, how many of the bytes to be looked at have been.
	Progress func(done, total int64)
}

// FineSummary describes a fine file that was made. Sizes are bytes.
type FineSummary struct {
	Content Hash  `json:"content"`
	Index   Hash  `json:"index"`
	Size    int64 `json:"size"`
}

// WriteFine writes the fine file of a whole pack to w, from byte 0 on. It depends on nothing but
// the pack, and takes a second of one core for each megabyte. Memory stays within a gigabyte.
//
// Errors: 1001 and 1002 for damage in the pack.
func WriteFine(ctx context.Context, w io.WriterAt, a *Archive, opts FineOptions) (FineSummary, error) {
	if err := a.whole(opRefine); err != nil {
		return FineSummary{}, err
	}
	m := &fineMaker{w: w, a: a, opts: opts, leaf: fineHead, units: delta.NewUnits(a.total().payload), seen: map[uint64]bool{}}
	for range builders() {
		m.coders = append(m.coders, delta.NewUnitCoder())
	}
	err := m.run(ctx)
	return m.sum, disk(opRefine, "the fine file", err)
}

// fineMaker codes a pack stripe by stripe: chunks of up to a megabyte together.
type fineMaker struct {
	w      io.WriterAt
	a      *Archive
	opts   FineOptions
	units  *delta.Units
	coders []*delta.UnitCoder
	seen   map[uint64]bool // chunks so far
	stripe []byte
	chunks []stripeChunk
	leaf   int64 // where the next one goes
	data   int64 // where the units begin
	at     int64 // and the next one goes
	done   int64
	sum    FineSummary
}

type stripeChunk struct {
	from, size int
	twin       bool
	units      [][]byte
}

func (m *fineMaker) run(ctx context.Context) (err error) {
	if m.sum.Index, err = m.a.indexHash(); err != nil {
		return err
	}
	m.sum.Content, m.data = m.a.Content(), fineHead
	for _, l := range m.a.sections(opRefine) {
		if l.err != nil {
			return l.err
		}
		for k := range l.chunks {
			m.data += int64(leafSize(l.chunks[k].size))
		}
	}
	m.at = m.data
	if err := m.a.Stream(ctx, func(c Chunk, data []byte) error {
		if len(m.stripe)+len(data) > delta.StripeMost {
			if err := m.flush(); err != nil {
				return err
			}
		}
		k := key(c.Hash)
		m.chunks = append(m.chunks, stripeChunk{from: len(m.stripe), size: len(data), twin: m.seen[k]})
		m.seen[k] = true
		m.stripe = append(m.stripe, data...)
		return nil
	}); err != nil {
		return err
	}
	if err := m.flush(); err != nil {
		return err
	}
	m.sum.Size = m.at
	head := append(append([]byte(nil), fineMagic...), m.sum.Index[:]...)
	_, err = m.w.WriteAt(binary.LittleEndian.AppendUint64(head, uint64(m.at-m.data)), 0)
	return err
}

// flush codes the stripe and writes its leaves and units.
func (m *fineMaker) flush() error {
	if len(m.chunks) == 0 {
		return nil
	}
	m.units.Add(m.stripe)
	m.code()
	for _, c := range m.coders {
		m.units.Learn(c)
	}
	var leaves, data []byte
	for i := range m.chunks {
		c := &m.chunks[i]
		raw := m.stripe[c.from : c.from+c.size]
		leaves = appendU48(leaves, uint64(m.at-m.data)+uint64(len(data)))
		for b := range blocksOf(int32(c.size)) {
			from, to := fineBounds(int32(c.size), b)
			leaves = appendU48(leaves, fineHash(raw[from:to]))
			n := 0
			if !c.twin {
				n = len(c.units[b])
				data = append(data, c.units[b]...)
			}
			leaves = binary.LittleEndian.AppendUint16(leaves, uint16(n))
		}
	}
	if _, err := m.w.WriteAt(leaves, m.leaf); err != nil {
		return err
	}
	if _, err := m.w.WriteAt(data, m.at); err != nil {
		return err
	}
	m.leaf, m.at = m.leaf+int64(len(leaves)), m.at+int64(len(data))
	if m.done += int64(len(m.stripe)); m.opts.Progress != nil {
		m.opts.Progress(m.done, m.a.total().payload)
	}
	m.stripe, m.chunks = m.stripe[:0], m.chunks[:0]
	return nil
}

// code makes the units of the stripe, on all cores that may be used.
func (m *fineMaker) code() {
	var wait sync.WaitGroup
	for n, coder := range m.coders {
		wait.Go(func() {
			for i := n; i < len(m.chunks); i += len(m.coders) {
				c := &m.chunks[i]
				for from := 0; from < c.size && !c.twin; from += fineBlock {
					c.units = append(c.units, m.units.Encode(coder, c.from+from, c.from+min(from+fineBlock, c.size)))
				}
			}
		})
	}
	wait.Wait()
}

// indexHash names the index.
func (a *Archive) indexHash() (Hash, error) {
	h := sha256.New()
	_, err := io.Copy(h, io.NewSectionReader(a.r, a.start, a.index))
	return Hash(h.Sum(nil)), err
}
