package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"

	"larder/asset"
	"larder/pack/internal/delta"
)

const opDelta = "open delta"

// Bounds of a delta (doc/pack-format.md, "Deltas").
const (
	deltaHead      = 88
	streamsHead    = 8 // more, where streams are opened
	maxDeltaBlock  = 4 << 20
	maxDeltaBlocks = 1 << 22
	maxDeltaStored = maxDeltaBlock + maxDeltaBlock>>4 + 1024
	maxPlainIndex  = 1 << 38
)

var deltaMagic = []byte("LARDERD\x01")

// withStreams is the version of the format where streams are opened.
const withStreams = 2

// Delta is what turns one version into another: the new index, told by the old
// one, and the chunks that the old version lacks, in blocks told by its bytes.
// It is read through r when it is asked, each block by one read.
type Delta struct {
	r      io.ReaderAt
	base   Hash
	index  Hash
	limit  int
	plain  int64
	told   []uint32 // stored lengths of the index's blocks
	blocks []uint32 // and of the others
	list   []byte   // of opened streams, as stored; none in version 1
	listed int      // its size
	from   int64    // where the index's blocks begin
	data   int64    // and the others
	size   int64
}

// OpenDelta reads the head of a delta of the given size.
func OpenDelta(r io.ReaderAt, size int64) (*Delta, error) {
	head := make([]byte, deltaHead, deltaHead+streamsHead)
	if size < deltaHead {
		return nil, fault(asset.CodeSizeMismatch, opDelta, at("the end", size), "the file is too small to be a delta")
	}
	if err := readAt(r, head, 0); err != nil {
		return nil, disk(opDelta, "the head", err)
	}
	if !bytes.Equal(head[:7], deltaMagic[:7]) {
		return nil, fault(asset.CodeHashMismatch, opDelta, "the head", "this is no delta")
	}
	if head[7] < deltaMagic[7] || head[7] > withStreams {
		return nil, fault(asset.CodeDoesNotFit, opDelta, "the head", "the delta has version %d of the format; this Larder knows versions %d to %d", head[7], deltaMagic[7], withStreams)
	}
	stored := int64(0)
	if head[7] == withStreams {
		head = head[:cap(head)]
		if err := readAt(r, head[deltaHead:], deltaHead); err != nil {
			return nil, disk(opDelta, "the head", err)
		}
		stored = int64(binary.LittleEndian.Uint32(head[deltaHead:]))
	}
	d := &Delta{r: r, size: size, limit: int(binary.LittleEndian.Uint32(head[72:])), plain: int64(binary.LittleEndian.Uint64(head[80:]))}
	copy(d.base[:], head[8:])
	copy(d.index[:], head[40:])
	blocks := int64(binary.LittleEndian.Uint32(head[76:]))
	if d.limit < maxChunk || d.limit > maxDeltaBlock || blocks > maxDeltaBlocks || d.plain < 0 || d.plain > maxPlainIndex {
		return nil, fault(asset.CodeTooLarge, opDelta, "the head", "the delta says that it is larger than any may be")
	}
	told := (d.plain + maxDeltaBlock - 1) / maxDeltaBlock
	list := int64(len(head)) + 4*(told+blocks)
	if d.from = list + stored; stored > maxDeltaStored || d.from > size {
		return nil, fault(asset.CodeSizeMismatch, opDelta, "the head", "the delta has %d bytes, fewer than its own table", size)
	}
	table := make([]byte, d.from-int64(len(head)))
	if err := readAt(r, table, int64(len(head))); err != nil {
		return nil, disk(opDelta, "the table", err)
	}
	if stored > 0 {
		d.list, d.listed = table[list-int64(len(head)):], int(binary.LittleEndian.Uint32(head[deltaHead+4:]))
	}
	if d.listed > maxList || head[7] == withStreams && stored*int64(d.listed) == 0 {
		return nil, fault(asset.CodeHashMismatch, opDelta, "the head", "its list of opened streams has a size that none may have")
	}
	sum := d.from
	for i := range told + blocks {
		n := binary.LittleEndian.Uint32(table[4*i:])
		if n == 0 || n > maxDeltaStored {
			return nil, fault(asset.CodeHashMismatch, opDelta, "the table", "block %d has the size %d, which none may have", i, n)
		}
		if i == told {
			d.data = sum
		}
		if sum += int64(n); i < told {
			d.told = append(d.told, n)
		} else {
			d.blocks = append(d.blocks, n)
		}
	}
	if blocks == 0 {
		d.data = sum
	}
	if sum != size {
		return nil, fault(asset.CodeSizeMismatch, opDelta, "the table", "the delta says that it has %d bytes, and has %d", sum, size)
	}
	return d, nil
}

// streams gives those that the delta opens, of payloads of such sizes.
func (d *Delta) streams(base, target int64) (*streams, error) {
	if d.list == nil {
		return &streams{plain: base, end: base}, nil
	}
	b := make([]byte, d.listed)
	if err := new(delta.Decoder).Decode(b, listPieces(len(b)), noWindow(), d.list); err != nil {
		return nil, errStreams
	}
	return readStreams(b, base, target)
}

// Base is the content that the delta begins from.
func (d *Delta) Base() Hash { return d.base }

// Index names the index that the delta leads to.
func (d *Delta) Index() Hash { return d.index }

// Head is how many bytes come before the blocks: what [Delta.WriteIndex] reads, and [OpenDelta].
func (d *Delta) Head() int64 { return d.data }

// WriteIndex writes the index of the target, made from the base's. Memory stays within
// some 40 MiB. It fails with 1002 when the delta or the base is damaged or the
// wrong one, and also when the packer's program compressed indexes in
// another way than this one; then the index can only be fetched.
func (d *Delta) WriteIndex(ctx context.Context, w io.Writer, base *Archive) error {
	bad := func(err error) error {
		return fault(asset.CodeHashMismatch, "make index", "the delta", "%v", err)
	}
	if base.Content() != d.base {
		return bad(errors.New("it begins from another version"))
	}
	if d.plain == 0 {
		return bad(errors.New("it has no index"))
	}
	out := hashed{w: w, h: sha256.New()}
	press := &pressing{w: &out}
	old := newPlainIndex(base)
	window := delta.NewWindow(old, old.size())
	dec := new(delta.Decoder)
	where := d.from
	for i, n := range d.told {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		stored := make([]byte, n)
		if err := readAt(d.r, stored, where); err != nil {
			return disk("make index", at("the delta", where), err)
		}
		where += int64(n)
		pieces := plainPieces(i, d.plain, old.size())
		block := make([]byte, pieces[0].Len)
		if err := dec.Decode(block, pieces, window, stored); err != nil {
			return bad(err)
		}
		if _, err := press.Write(block); err != nil {
			return disk("make index", "the index", bad(err))
		}
	}
	if err := press.finish(); err != nil {
		return bad(err)
	}
	if Hash(out.h.Sum(nil)) != d.index {
		return bad(errors.New("what it makes is not the index that it names"))
	}
	return nil
}

// plainPieces of block i of a plain index.
func plainPieces(i int, size, old int64) []delta.Piece {
	p := delta.Piece{Addr: int64(i) * maxDeltaBlock, Hint: int64(i) * maxDeltaBlock}
	p.Len = int(min(size-p.Addr, maxDeltaBlock))
	if p.Hint >= old {
		p.Hint = -1
	}
	return []delta.Piece{p}
}

// read gives the stored bytes of a block.
func (d *Delta) read(block int, where int64) ([]byte, error) {
	b := make([]byte, d.blocks[block])
	return b, disk(opApply, at("the delta", where), readAt(d.r, b, where))
}
