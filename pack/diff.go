package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"larder/asset"
	"larder/pack/internal/delta"
)

const opDiff = "make delta"

// DeltaOptions of a delta; the zero value serves.
type DeltaOptions struct {
	// Progress is told, now and then, how many of the bytes to be looked at have been.
	Progress func(done, total int64)
}

// DeltaSummary describes a delta that was made. Sizes are bytes.
type DeltaSummary struct {
	Base    Hash  `json:"base"`    // content it begins from
	Content Hash  `json:"content"` // and leads to
	Index   Hash  `json:"index"`   // of the target
	Size    int64 `json:"size"`    // of the delta
	Head    int64 `json:"head"`    // of what comes before its blocks, the new index in it
	Blocks  int   `json:"blocks"`
	Missing int64 `json:"missing"` // bytes that the base lacks, which the blocks make
}

// WriteDelta writes the delta that turns base into target, both whole packs, to w from
// byte 0 on. It depends on nothing but the two. Memory stays within a gigabyte: old
// bytes are indexed a shard at a time.
//
// Errors: 1001 and 1002 for damage in one of the packs.
func WriteDelta(ctx context.Context, w io.WriterAt, base, target *Archive, opts DeltaOptions) (DeltaSummary, error) {
	for _, a := range []*Archive{base, target} {
		if err := a.whole(opDiff); err != nil {
			return DeltaSummary{}, err
		}
	}
	plan, err := NewPlan(ctx, target, []Installed{{Archive: base}}, PlanOptions{})
	if err != nil {
		return DeltaSummary{}, err
	}
	d := &differ{w: w, plan: plan, base: base, target: target, progress: opts.Progress}
	if err := d.run(ctx); err != nil {
		return DeltaSummary{}, disk(opDiff, "the delta", err)
	}
	return d.sum, nil
}

// Old bytes are indexed in shards; searching takes 1.5 bytes more for each.
const deltaShard = 128 << 20

type differ struct {
	w            io.WriterAt
	plan         *Plan
	base, target *Archive
	progress     func(done, total int64)
	done, total  int64

	matches []delta.Matches // of every block, where there are several shards
	table   []byte
	at      int64
	sum     DeltaSummary
}

func (d *differ) run(ctx context.Context) error {
	blocks := 0
	if err := d.plan.deltaBlocks(ctx, maxDeltaBlock, func(b deltaBlock) error {
		blocks++
		d.sum.Missing += int64(b.size)
		return nil
	}); err != nil {
		return err
	}
	if blocks > maxDeltaBlocks {
		return fault(asset.CodeTooLarge, opDiff, "the target", "it would take more than %d blocks", maxDeltaBlocks)
	}
	d.sum.Base, d.sum.Content, d.sum.Blocks = d.base.Content(), d.target.Content(), blocks
	old := d.base.total().payload
	shards := max(1, (old+deltaShard-1)/deltaShard)
	d.total = old + (shards+1)*d.sum.Missing
	told, err := d.index(ctx)
	if err != nil {
		return err
	}
	d.at = deltaHead + 4*int64(len(told)+blocks)
	for _, b := range told {
		if err := d.put(b); err != nil {
			return err
		}
	}
	d.sum.Head = d.at
	if err := d.shards(ctx, shards, blocks); err != nil {
		return err
	}
	d.sum.Size = d.at
	head := append([]byte(nil), deltaMagic...)
	head = append(append(head, d.sum.Base[:]...), d.sum.Index[:]...)
	head = binary.LittleEndian.AppendUint32(head, maxDeltaBlock)
	head = binary.LittleEndian.AppendUint32(head, uint32(blocks))
	plain := int64(0)
	if len(told) > 0 {
		plain = newPlainIndex(d.target).size()
	}
	head = binary.LittleEndian.AppendUint64(head, uint64(plain))
	_, err = d.w.WriteAt(append(head, d.table...), 0)
	return err
}

func (d *differ) put(b []byte) error {
	d.table = binary.LittleEndian.AppendUint32(d.table, uint32(len(b)))
	_, err := d.w.WriteAt(b, d.at)
	d.at += int64(len(b))
	return err
}

func (d *differ) did(n int64) {
	if d.done += n; d.progress != nil {
		d.progress(d.done, d.total)
	}
}

// index gives the blocks of the new index; none if this program cannot make it from
// its plain form, because another one compressed it.
func (d *differ) index(ctx context.Context) ([][]byte, error) {
	var err error
	if d.sum.Index, err = d.target.indexHash(); err != nil {
		return nil, err
	}
	h := sha256.New()
	if err := d.target.replicate(ctx, h); err != nil {
		return nil, err
	}
	if Hash(h.Sum(nil)) != d.sum.Index {
		return nil, nil
	}
	from, to := newPlainIndex(d.base), newPlainIndex(d.target)
	old := make([]byte, from.size())
	if _, err := from.ReadAt(old, 0); err != nil && err != io.EOF {
		return nil, err
	}
	x := delta.NewIndex(old, 0)
	window := delta.NewWindow(bytes.NewReader(old), from.size())
	var enc delta.Encoder
	var told [][]byte
	for i := 0; int64(i)*maxDeltaBlock < to.size(); i++ {
		pieces := plainPieces(i, to.size(), from.size())
		block := make([]byte, pieces[0].Len)
		if _, err := to.ReadAt(block, pieces[0].Addr); err != nil {
			return nil, err
		}
		var m delta.Matches
		x.Scan(block, &m)
		b, err := enc.Encode(block, pieces, window, &m)
		if err != nil {
			return nil, err
		}
		told = append(told, b)
	}
	return told, nil
}

// shards goes through the old bytes, and writes the blocks while it has the last of them.
func (d *differ) shards(ctx context.Context, shards int64, blocks int) error {
	old := d.base.total().payload
	if shards > 1 {
		d.matches = make([]delta.Matches, blocks)
	}
	shard := make([]byte, min(old, deltaShard))
	for i := range shards {
		b := shard[:min(old-i*deltaShard, deltaShard)]
		if _, err := newUnpacked(opDiff, d.base).ReadAt(b, i*deltaShard); err != nil {
			return err
		}
		x := delta.NewIndex(b, i*deltaShard)
		d.did(int64(len(b)))
		if err := d.scan(ctx, x, i == shards-1); err != nil {
			return err
		}
	}
	return nil
}

// coding is a block on its way into the delta.
type coding struct {
	deltaBlock
	raw, stored []byte
	m           *delta.Matches
}

// scan looks for every block in a shard, and codes them if it is the last one.
func (d *differ) scan(ctx context.Context, x *delta.Index, last bool) error {
	const workers = 2 // an encoder takes 250 MiB
	type coder struct {
		enc delta.Encoder
		old *delta.Window
	}
	idle := make(chan *coder, workers)
	source := newUnpacked(opDiff, d.target)
	return inOrder(ctx, workers, func(emit func(coding) error) error {
		return d.plan.deltaBlocks(ctx, maxDeltaBlock, func(b deltaBlock) error {
			c := coding{deltaBlock: b, raw: make([]byte, b.size), m: &delta.Matches{}}
			at := 0
			for _, p := range b.pieces {
				if _, err := source.ReadAt(c.raw[at:at+p.Len], p.Addr); err != nil {
					return err
				}
				at += p.Len
			}
			if d.matches != nil {
				c.m = &d.matches[b.number]
			}
			return emit(c)
		})
	}, func(c *coding) (err error) {
		if x.Scan(c.raw, c.m); !last {
			return nil
		}
		var k *coder
		select {
		case k = <-idle:
		default:
			k = &coder{old: delta.NewWindow(newUnpacked(opDiff, d.base), d.base.total().payload)}
		}
		c.stored, err = k.enc.Encode(c.raw, c.pieces, k.old, c.m)
		idle <- k
		*c.m = delta.Matches{}
		return err
	}, func(c *coding, err error) error {
		if err != nil {
			return err
		}
		if d.did(int64(c.size)); last {
			d.did(int64(c.size))
			return d.put(c.stored)
		}
		return nil
	})
}
