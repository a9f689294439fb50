package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"larder/asset"
)

const (
	footerSize  = 64
	maxRoot     = 16 << 20
	maxMetadata = 1 << 20
	maxSections = 1 << 18
	maxChunks   = math.MaxUint32 - 1
	maxArchive  = 1 << 50
)

// footerMagic ends every pack. Its last byte is the version of the format.
var footerMagic = []byte("LARDERP\x01")

// knownFeatures are the required-feature bits that this version understands:
// none is defined yet.
const knownFeatures uint32 = 0

// sectionInfo is what the root says of a section.
type sectionInfo struct {
	rows, chunks, frames int // rows without the one carried over
	payload, raw, stored int64
	metaStored, metaRaw  int
	hash                 Hash   // of the section's bytes: metadata as stored, then hashes
	first                string // path of its first row
}

func (in sectionInfo) size() int64 { return int64(in.metaStored) + 32*int64(in.chunks+in.frames) }

// root describes the whole pack and is read first.
type root struct {
	content  Hash
	metadata []byte
	sections []sectionInfo
}

func (r *root) append(b []byte) []byte {
	b = append(b, r.content[:]...)
	b = binary.AppendUvarint(b, uint64(len(r.metadata)))
	b = append(b, r.metadata...)
	b = binary.AppendUvarint(b, uint64(len(r.sections)))
	for _, in := range r.sections {
		for _, v := range []int64{int64(in.rows), int64(in.chunks), int64(in.frames), in.payload, in.raw, in.stored, int64(in.metaStored), int64(in.metaRaw)} {
			b = binary.AppendUvarint(b, uint64(v))
		}
		b = append(b, in.hash[:]...)
		b = appendString(b, in.first)
	}
	return b
}

func parseRoot(b []byte) (*root, error) {
	r := &reader{b: b}
	out := &root{}
	copy(out.content[:], r.bytes(sha256.Size))
	out.metadata = bytes.Clone(r.bytes(r.number(maxMetadata)))
	n := r.number(maxSections)
	if n == 0 && r.err == nil {
		return nil, errors.New("it has no sections")
	}
	for range n {
		in := sectionInfo{
			rows: int(r.number(maxRows)), chunks: int(r.number(maxSectChunks)), frames: int(r.number(maxSectFrames)),
			payload: r.number(maxPayload), raw: r.number(maxArchive), stored: r.number(maxArchive),
			metaStored: int(r.number(maxMeta)), metaRaw: int(r.number(maxMeta)),
		}
		copy(in.hash[:], r.bytes(sha256.Size))
		in.first = r.string(maxPath)
		if r.err != nil {
			return nil, r.err
		}
		out.sections = append(out.sections, in)
	}
	if r.err == nil && len(r.b) > 0 {
		return nil, fmt.Errorf("it has %d bytes too many", len(r.b))
	}
	return out, r.err
}

// footer is the fixed end of a pack, inside its last skippable frame, behind the root.
type footer struct {
	data, index int64 // bytes of frames before the index, and of the index with this footer
	root        int64 // bytes of the root
	required    uint32
	hash        Hash // of the root and the fields above
}

// append appends the footer of the root at the end of b, hash included.
func (f footer) append(b []byte, root []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.data))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.index))
	b = binary.LittleEndian.AppendUint32(b, uint32(f.root))
	b = binary.LittleEndian.AppendUint32(b, f.required)
	sum := footerHash(root, b[start:])
	b = append(b, sum[:]...)
	return append(b, footerMagic...)
}

func footerHash(root, fields []byte) Hash {
	h := sha256.New()
	h.Write(root)
	h.Write(fields)
	return Hash(h.Sum(nil))
}

// parseFooter reads the last bytes of a file of the given size.
func parseFooter(b []byte, size int64) (f footer, err error) {
	magic := b[footerSize-len(footerMagic):]
	end := at("the footer", size-footerSize)
	if !bytes.Equal(magic[:7], footerMagic[:7]) {
		return f, fault(asset.CodeHashMismatch, opOpen, end, "this is no pack, or its end is missing")
	}
	if magic[7] != footerMagic[7] {
		return f, fault(asset.CodeDoesNotFit, opOpen, end, "the pack has version %d of the format; this Larder knows version %d", magic[7], footerMagic[7])
	}
	data, index := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	f = footer{data: int64(data), index: int64(index), root: int64(binary.LittleEndian.Uint32(b[16:])), required: binary.LittleEndian.Uint32(b[20:])}
	copy(f.hash[:], b[24:])
	switch {
	case data > maxArchive || index > maxArchive || f.root > maxRoot:
		return f, fault(asset.CodeTooLarge, opOpen, end, "the pack says that it is larger than any may be")
	case f.data == 0 || size != f.index && size != f.data+f.index:
		return f, fault(asset.CodeSizeMismatch, opOpen, end, "the pack says that it has %d bytes, and has %d", f.data+f.index, size)
	case f.index < skippableHead+f.root+footerSize:
		return f, fault(asset.CodeHashMismatch, opOpen, end, "the index is smaller than its own root")
	}
	return f, nil
}
