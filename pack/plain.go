package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"larder/asset"
)

// The plain form of an index is what deltas speak of: nothing is compressed, and what
// follows from the rest is left out. First the root, then the sections' metadata
// and hashes. doc/pack-format.md, "The plain index".

// plainRoot gives the first part of the plain index.
func (a *Archive) plainRoot() []byte {
	b := append([]byte(nil), a.root.content[:]...)
	b = binary.AppendUvarint(b, uint64(a.data))
	b = appendString(b, string(a.root.metadata))
	b = binary.AppendUvarint(b, uint64(len(a.root.sections)))
	for _, in := range a.root.sections {
		for _, v := range in.plain() {
			b = binary.AppendUvarint(b, uint64(v))
		}
		b = appendString(b, in.first)
	}
	return b
}

func (in sectionInfo) plain() [7]int64 {
	return [7]int64{int64(in.rows), int64(in.chunks), int64(in.frames), in.payload, in.raw, in.stored, int64(in.metaRaw)}
}

func (in sectionInfo) plainSize() int64 { return int64(in.metaRaw) + 32*int64(in.chunks+in.frames) }

// plainIndex reads an index in its plain form. One goroutine has it.
type plainIndex struct {
	a      *Archive
	root   []byte
	starts []int64 // of sections, and the end
	now    int     // section in b
	b      []byte
}

func newPlainIndex(a *Archive) *plainIndex {
	p := &plainIndex{a: a, root: a.plainRoot(), now: -1}
	at := int64(len(p.root))
	for _, in := range a.root.sections {
		p.starts = append(p.starts, at)
		at += in.plainSize()
	}
	p.starts = append(p.starts, at)
	return p
}

func (p *plainIndex) size() int64 { return p.starts[len(p.starts)-1] }

// ReadAt implements io.ReaderAt.
func (p *plainIndex) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		at := off + int64(n)
		if at >= p.size() {
			return n, io.EOF
		}
		if at < int64(len(p.root)) {
			n += copy(b[n:], p.root[at:])
			continue
		}
		i := sort.Search(len(p.a.root.sections), func(i int) bool { return p.starts[i+1] > at })
		if i != p.now {
			if p.b, err = p.a.plainSection(i); err != nil {
				return n, err
			}
			p.now = i
		}
		n += copy(b[n:], p.b[at-p.starts[i]:])
	}
	return n, nil
}

// plainSection gives a section's metadata, expanded, and its hashes.
func (a *Archive) plainSection(i int) ([]byte, error) {
	b, in, err := a.sectionBytes(opOpen, i)
	if err != nil {
		return nil, err
	}
	meta, err := decode(nil, b[:in.metaStored], in.metaRaw)
	if err != nil {
		return nil, fault(asset.CodeHashMismatch, opOpen, at("section", a.start+a.from[i].index), "%v", err)
	}
	return append(meta[:len(meta):len(meta)], b[in.metaStored:]...), nil
}

// pressing makes an index again from its plain form, which is written to it.
type pressing struct {
	w     io.Writer
	buf   bytes.Buffer
	root  *root
	foot  footer
	begun bool
	next  int // section
	size  int64
}

// step takes what is whole in the buffer.
func (p *pressing) step() error {
	if !p.begun {
		if err := p.begin(); err != nil || !p.begun {
			return err
		}
	}
	for p.next < len(p.root.sections) {
		in := &p.root.sections[p.next]
		if int64(p.buf.Len()) < in.plainSize() {
			return nil
		}
		b := p.buf.Next(int(in.plainSize()))
		stored := metaCoder.encode(nil, b[:in.metaRaw])
		if len(stored) > maxMeta {
			return errors.New("a section does not fit")
		}
		in.metaStored = len(stored)
		h := sha256.New()
		h.Write(stored)
		h.Write(b[in.metaRaw:])
		in.hash = Hash(h.Sum(nil))
		n, err := p.w.Write(appendSkippable(nil, stored, b[in.metaRaw:]))
		p.size += int64(n)
		if err != nil {
			return err
		}
		p.next++
	}
	if p.buf.Len() > 0 {
		return errors.New("it is too long")
	}
	return nil
}

// maxPlainRoot bounds what comes before the first section.
const maxPlainRoot = maxRoot + 1024

func (p *pressing) begin() error {
	r := &reader{b: p.buf.Bytes()}
	p.root = &root{}
	copy(p.root.content[:], r.bytes(sha256.Size))
	p.foot.data = r.number(maxArchive)
	p.root.metadata = bytes.Clone(r.bytes(r.number(maxMetadata)))
	n := r.number(maxSections)
	for range n {
		in := sectionInfo{rows: int(r.number(maxRows)), chunks: int(r.number(maxSectChunks)), frames: int(r.number(maxSectFrames)),
			payload: r.number(maxPayload), raw: r.number(maxArchive), stored: r.number(maxArchive), metaRaw: int(r.number(maxMeta))}
		in.first = r.string(maxPath)
		if r.err != nil {
			break
		}
		p.root.sections = append(p.root.sections, in)
	}
	if r.err != nil {
		if p.buf.Len() > maxPlainRoot {
			return r.err
		}
		return nil // more is to come
	}
	p.buf.Next(p.buf.Len() - len(r.b))
	p.begun = true
	return nil
}

func (p *pressing) Write(b []byte) (int, error) {
	p.buf.Write(b)
	return len(b), p.step()
}

// finish writes the root and the footer.
func (p *pressing) finish() error {
	if !p.begun || p.next < len(p.root.sections) {
		return errors.New("it ends too early")
	}
	b := p.root.append(nil)
	if len(b) > maxRoot {
		return errors.New("its root is too large")
	}
	p.foot.root = int64(len(b))
	p.foot.index = p.size + skippableHead + p.foot.root + footerSize
	_, err := p.w.Write(appendSkippable(nil, b, p.foot.append(nil, b)))
	return err
}

// replicate writes the plain index and puts it together again: what comes out is the
// index itself if this program compresses as the packer's did.
func (a *Archive) replicate(ctx context.Context, w io.Writer) error {
	p := &pressing{w: w}
	_, err := io.Copy(p, io.NewSectionReader(newPlainIndex(a), 0, newPlainIndex(a).size()))
	if err == nil {
		err = p.finish()
	}
	if err != nil {
		return fmt.Errorf("replicate index: %w", err)
	}
	return ctx.Err()
}
