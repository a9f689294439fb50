package pack

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"sync"

	"larder/asset"
)

const opFine = "open fine file"

// The form of a fine file (doc/pack-format.md, "Fine files").
const (
	fineHead  = 48
	fineBlock = 1 << 10 // bytes of a block; the last one of a chunk may have fewer
	finePlace = 6       // bytes of a leaf that tell where its chunk's units begin
	fineEntry = 8       // and those of each block: six of its hash, two of its unit's size
	// maxUnit is the most bytes of a unit: of noise, which takes a little more than it is.
	maxUnit = fineBlock + fineBlock>>3
)

// LeastFine is what the frames of an update have to cost for a fine file to be asked for: its leaves,
// the requests and the look through what is installed are not worth less.
const LeastFine = 64 << 10

var fineMagic = []byte("LARDERF\x01")

// Span is a stretch of a file.
type Span struct{ Offset, Length int64 }

// Spans gives a file that is fetched in parts. Have is called with what is to be read next, in
// order, before it is.
type Spans interface {
	io.ReaderAt
	Have(ctx context.Context, spans []Span) error
}

// AtHand is a file that need not be fetched.
func AtHand(r io.ReaderAt) Spans { return atHand{r} }

type atHand struct{ io.ReaderAt }

func (atHand) Have(context.Context, []Span) error { return nil }

// Fine is what tells a version in small blocks, each coded with nothing but the version's own
// bytes before it. It serves whatever is installed: of a chunk that no old file has, only the
// blocks are fetched that none has.
type Fine struct {
	r    Spans
	size int64

	mu   sync.Mutex
	seen map[string][]spot // by what it was looked for in: what was found, see [Plan.fine]
}

// NewFine of a file of the given size. It is read when a plan is made.
func NewFine(r Spans, size int64) *Fine {
	return &Fine{r: r, size: size, seen: map[string][]spot{}}
}

// blocksOf is how many blocks a chunk has.
func blocksOf(size int32) int { return (int(size) + fineBlock - 1) / fineBlock }

func leafSize(size int32) int { return finePlace + fineEntry*blocksOf(size) }

// fineBounds are the bytes that block i is hashed over, within its chunk: the last one looks back.
func fineBounds(size int32, i int) (from, to int) {
	to = min((i+1)*fineBlock, int(size))
	return max(to-fineBlock, 0), to
}

func appendU48(b []byte, v uint64) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(v)), byte(v>>32), byte(v>>40))
}

func u48(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
}

// head holds the file against the target, and gives where its units begin.
func (f *Fine) head(target *Archive, leaves int64) (units int64, err error) {
	b := make([]byte, fineHead)
	if err := readAt(f.r, b, 0); err != nil {
		return 0, disk(opFine, "the head", err)
	}
	sum, err := target.indexHash()
	if err != nil {
		return 0, err
	}
	units = fineHead + leaves
	switch {
	case !bytes.Equal(b[:7], fineMagic[:7]):
		return 0, fault(asset.CodeHashMismatch, opFine, "the head", "this is no fine file")
	case b[7] != fineMagic[7]:
		return 0, fault(asset.CodeDoesNotFit, opFine, "the head", "the fine file has version %d of the format; this Larder knows version %d", b[7], fineMagic[7])
	case Hash(b[8:40]) != sum:
		return 0, fault(asset.CodeHashMismatch, opFine, "the head", "the fine file is for another version")
	case binary.LittleEndian.Uint64(b[40:]) != uint64(f.size-units) || f.size < units:
		return 0, fault(asset.CodeSizeMismatch, opFine, "the head", "the fine file has %d bytes, and does not say so", f.size)
	}
	return units, nil
}

// Rolling hash of a block: the bytes' gears, the first times mul to the power of what follows it.
const fineMul = 0x9E3779B97F4A7C15

var fineGear [256]uint64

func init() {
	x := uint64(0)
	for i := range fineGear { // splitmix64
		x += fineMul
		z := x
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		fineGear[i] = z ^ z>>31
	}
}

func fineHash(b []byte) (h uint64) {
	for _, c := range b {
		h = h*fineMul + fineGear[c]
	}
	return h >> 16
}
