// Package fault is a real HTTP server on loopback that misbehaves on order: it
// paces, drops, stalls, lies, changes its files, and keeps a log of what was
// asked. Tests of every package that downloads use it; nothing else does.
//
// What it serves costs no memory, so gigabytes are fine. It judges nothing and
// asserts nothing: tests read Requests and compare.
package fault

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
)

// Bytes is a file of pseudo-random bytes: the same Seed and Size give the same
// bytes, and other seeds give others. It is an io.ReaderAt.
type Bytes struct {
	Seed uint64
	Size int64
}

// Content is Bytes{seed, size}.
func Content(seed uint64, size int64) Bytes { return Bytes{seed, size} }

// ReadAt fills p with the bytes from off on, and gives io.EOF at the end.
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	if off >= b.Size {
		return 0, io.EOF
	}
	short := int64(len(p)) > b.Size-off
	if short {
		p = p[:b.Size-off]
	}
	var word [8]byte
	for n := 0; n < len(p); {
		at := off + int64(n)
		if at%8 == 0 && len(p)-n >= 8 {
			binary.LittleEndian.PutUint64(p[n:], mix(b.Seed, uint64(at/8)))
			n += 8
			continue
		}
		binary.LittleEndian.PutUint64(word[:], mix(b.Seed, uint64(at/8)))
		n += copy(p[n:], word[at%8:])
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// mix is a counter put through the finisher of SplitMix64.
func mix(seed, i uint64) uint64 {
	x := seed*0xd1342543de82ef95 + (i+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Reader reads all of it, and can seek.
func (b Bytes) Reader() *io.SectionReader { return io.NewSectionReader(b, 0, b.Size) }

// Sum256 is the SHA-256 of all of it.
func (b Bytes) Sum256() [sha256.Size]byte {
	h := sha256.New()
	_, _ = io.Copy(h, b.Reader())
	return [sha256.Size]byte(h.Sum(nil))
}

// ETag is a strong entity tag that is different for different bytes.
func (b Bytes) ETag() string {
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:], b.Seed)
	binary.LittleEndian.PutUint64(id[8:], uint64(b.Size))
	return `"` + hex.EncodeToString(id[:]) + `"`
}
