package pack

import (
	"bytes"
	"cmp"
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

	shard, held int64 // of tests: other sizes than deltaShard and mostHeld
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
// bytes are indexed a shard at a time, and those of a base with more than 128 MiB lie
// unpacked in a temporary file meanwhile, where there is room for it.
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
	d := &differ{w: w, plan: plan, base: base, target: target, progress: opts.Progress, shard: cmp.Or(opts.shard, deltaShard), mostHeld: cmp.Or(opts.held, mostHeld)}
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

	shard    int64 // most bytes that are indexed at once
	mostHeld int64 // of blocks that are kept

	limit   int                // most bytes of a block
	opened  *streams           // that the delta opens
	old     func() io.ReaderAt // reads the opened old payload, for one goroutine
	held    []coding           // all blocks, if they are small
	matches [2][]delta.Matches // of every block, as it is and opened
	table   []byte
	at      int64
	sum     DeltaSummary
}

func (d *differ) run(ctx context.Context) error {
	if err := d.openable(ctx); err != nil {
		return err
	}
	blocks := 0
	if err := d.plan.deltaBlocks(ctx, d.limit, func(b deltaBlock) error {
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
	old := d.opened.end
	shards := max(1, (old+d.shard-1)/d.shard)
	d.total = 2*old + (shards+2)*d.sum.Missing
	told, err := d.index(ctx)
	if err != nil {
		return err
	}
	list, listed, err := d.list()
	if err != nil {
		return err
	}
	d.at = deltaHead + 4*int64(len(told)+blocks) + int64(len(list))
	if list != nil {
		d.at += streamsHead
	}
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
	head = binary.LittleEndian.AppendUint32(head, uint32(d.limit))
	head = binary.LittleEndian.AppendUint32(head, uint32(blocks))
	plain := int64(0)
	if len(told) > 0 {
		plain = newPlainIndex(d.target).size()
	}
	head = binary.LittleEndian.AppendUint64(head, uint64(plain))
	if list != nil {
		head[7] = withStreams
		head = binary.LittleEndian.AppendUint32(head, uint32(len(list)))
		head = binary.LittleEndian.AppendUint32(head, uint32(listed))
	}
	_, err = d.w.WriteAt(append(append(head, d.table...), list...), 0)
	return err
}

// list gives the list of opened streams as stored, and its size.
func (d *differ) list() (stored []byte, size int, err error) {
	if !d.opened.list() {
		return nil, 0, nil
	}
	b := d.opened.appendTo(nil)
	stored, err = new(delta.Encoder).Encode(b, listPieces(len(b)), noWindow(), &delta.Matches{})
	return stored, len(b), err
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
	x := delta.NewIndex(old, 0, nil)
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
	old, shard, shut, err := d.unpack(ctx)
	if err != nil {
		return err
	}
	defer shut()
	d.old = old
	d.matches = [2][]delta.Matches{make([]delta.Matches, blocks), make([]delta.Matches, blocks)}
	wanted, err := d.wanted(ctx)
	if err != nil {
		return err
	}
	size, whole := d.opened.end, shard != nil
	if !whole {
		shard = make(heldBytes, min(size, d.shard))
	}
	for i := range shards {
		b := shard[:min(size-i*d.shard, d.shard)]
		if !whole {
			if _, err := old().ReadAt(b, i*d.shard); err != nil {
				return err
			}
		}
		x := delta.NewIndex(b, i*d.shard, wanted)
		d.did(int64(len(b)))
		if err := d.scan(ctx, x, i == shards-1); err != nil {
			return err
		}
	}
	return nil
}

// wanted is what has to be looked for in all old bytes: what does not stand where it
// probably does.
func (d *differ) wanted(ctx context.Context) (*delta.Wanted, error) {
	window, n := delta.NewWindow(d.old(), d.opened.end), int64(0)
	each := func(visit func(told []byte, pieces []delta.Piece, m *delta.Matches)) error {
		return d.formed(ctx, func(c coding) error {
			for i, f := range c.forms {
				visit(f.told, f.pieces, &d.matches[i][c.number])
			}
			return nil
		})
	}
	err := each(func(told []byte, pieces []delta.Piece, m *delta.Matches) {
		m.Align(told, pieces, window)
		n += int64(m.Left(told))
	})
	if err != nil {
		return nil, err
	}
	w := delta.NewWanted(n)
	err = each(func(told []byte, _ []delta.Piece, m *delta.Matches) { w.Add(told, m) })
	d.did(d.sum.Missing)
	return w, err
}

// scan looks for every block in a shard, and codes them if it is the last one.
func (d *differ) scan(ctx context.Context, x *delta.Index, last bool) error {
	const workers = 2 // an encoder takes 250 MiB
	type coder struct {
		enc delta.Encoder
		old *delta.Window
	}
	idle := make(chan *coder, workers)
	return inOrder(ctx, workers, func(emit func(coding) error) error {
		return d.formed(ctx, emit)
	}, func(c *coding) (err error) {
		for i, f := range c.forms {
			if f.told != nil {
				m := &d.matches[i][c.number]
				x.Scan(f.told, m)
				m.Keep(func(from, end int64) bool { return d.opened.worth(from, end, f.near) })
			}
		}
		if !last {
			return nil
		}
		var k *coder
		select {
		case k = <-idle:
		default:
			k = &coder{old: delta.NewWindow(d.old(), d.opened.end)}
		}
		defer func() { idle <- k }()
		for i, f := range c.forms {
			if f.told == nil {
				continue
			}
			m := &d.matches[i][c.number]
			coded, err := k.enc.Encode(f.told, f.pieces, k.old, m)
			if err != nil {
				return err
			}
			if *m = (delta.Matches{}); c.stored == nil || len(f.head)+len(coded) < len(c.stored) {
				c.stored = append(f.head, coded...)
			}
		}
		return nil
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
