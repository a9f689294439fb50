package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// previous is the pack of an earlier build, whose frames are taken as they are where
// they hold the same bytes. A rotten one costs time and nothing else: each
// frame's hash is looked at, and one that another encoder made is noticed.
type previous struct {
	a      *Archive
	frames map[Hash]storedFrame // by frameKey

	mu     sync.Mutex
	agrees verdict
}

type storedFrame struct {
	at   int64
	size int32
	hash Hash
}

// verdict on whether the previous encoder gives what ours gives.
type verdict int

const (
	unknown verdict = iota
	same
	other
)

// newPrevious notes the frames of a pack; nil and an index alone have none.
func newPrevious(ctx context.Context, a *Archive) (*previous, error) {
	p := &previous{a: a, frames: map[Hash]storedFrame{}}
	if a == nil || !a.Whole() {
		return p, nil
	}
	return p, a.everyFrame(ctx, opBuild, func(j frameJob) error {
		p.frames[j.key()] = storedFrame{at: j.at, size: j.what().stored, hash: j.what().hash}
		return nil
	}, func(int, error) error { return nil }, func(*loaded) {})
}

// give puts the stored frame of the same raw bytes into r, if there is one that
// encode would make likewise.
func (p *previous) give(r *rawFrame, encode encoder) bool {
	if len(p.frames) == 0 {
		return false
	}
	f, ok := p.frames[r.key()]
	if !ok {
		return false
	}
	stored := append(r.stored, make([]byte, f.size)...)
	if readAt(p.a.r, stored, f.at) != nil || sha256.Sum256(stored) != f.hash || !p.trusted(stored, r.raw, encode) {
		return false
	}
	r.stored, r.hash = stored, f.hash
	return true
}

// trusted looks at the first frames that tell, and then takes the others' word.
func (p *previous) trusted(stored, raw []byte, encode encoder) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.agrees == unknown {
		// What does not shrink looks alike from every encoder and tells nothing.
		if made, err := encode(nil, raw); err != nil || !bytes.Equal(made, stored) {
			p.agrees = other
		} else if len(stored) < len(raw)/16*15 {
			p.agrees = same
		}
	}
	return p.agrees != other
}

// frameKey names a frame's raw bytes: headers and padding as they are, chunks by
// their hashes, so that an index is enough to tell it.
type frameKey struct{ h hash.Hash }

func newFrameKey() frameKey { return frameKey{sha256.New()} }

// piece adds a chunk and the bytes between it and the one before.
func (k frameKey) piece(between []byte, c *chunk) {
	k.between(between)
	k.h.Write(binary.LittleEndian.AppendUint32(nil, uint32(c.size)))
	k.h.Write(c.hash[:])
}

func (k frameKey) between(b []byte) {
	k.h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
	k.h.Write(b)
}

func (k frameKey) sum(rest []byte) Hash {
	k.between(rest)
	return Hash(k.h.Sum(nil))
}

// key of a frame whose chunks are hashed.
func (r *rawFrame) key() Hash {
	k, at := newFrameKey(), 0
	for i := range r.pieces {
		p := &r.pieces[i]
		k.piece(r.raw[at:p.from], &p.chunk)
		at = p.from + int(p.size)
	}
	return k.sum(r.raw[at:])
}

// key of a frame as the index tells of it.
func (j *frameJob) key() Hash {
	k, at := newFrameKey(), int64(0)
	var between []byte
	_ = j.in.walk(j.span(), func(row int32, _ int64) error {
		n := len(between)
		between = appendTarHeader(between, j.in.rows[row])
		at += int64(len(between) - n)
		return nil
	}, func(i int32, _ int64) error {
		c := &j.in.chunks[i]
		k.piece(between, c)
		n := c.padded(j.in.rows[c.row])
		between = append(between[:0], zeros[:n-int64(c.size)]...)
		at += n
		return nil
	}) // neither of them fails
	return k.sum(append(between, make([]byte, int64(j.what().raw)-at)...))
}
