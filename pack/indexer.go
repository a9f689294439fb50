package pack

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"

	"larder/asset"
)

// indexer writes the frames it is given in order, and then the index of them.
type indexer struct {
	out      hashed
	sources  []Source
	enough   int // rows or chunks of a section
	row      int // sources whose headers were written
	now      section
	carried  bool // the first row of now began in an earlier section
	meta     int  // bytes that now's rows take, about
	root     root
	sections []byte
	content  contentHash
	sum      Summary
}

func newIndexer(w io.Writer, sources []Source, metadata []byte, enough int) *indexer {
	return &indexer{out: hashed{w: w, h: sha256.New()}, sources: sources, enough: enough, root: root{metadata: metadata}, content: newContentHash(),
		sum: Summary{Entries: len(sources)}}
}

func (x *indexer) add(r *rawFrame) error {
	if x.full() {
		if err := x.seal(); err != nil {
			return err
		}
	}
	if _, err := x.out.Write(r.stored); err != nil {
		return err
	}
	x.now.frames = append(x.now.frames, frame{stored: int32(len(r.stored)), raw: int32(len(r.raw)), hash: r.hash})
	end := x.row + r.rows
	pieces := r.pieces
	chunks := func() {
		for len(pieces) > 0 && pieces[0].source == x.row-1 {
			c := pieces[0].chunk
			c.row = int32(len(x.now.rows) - 1)
			x.now.chunks = append(x.now.chunks, c)
			x.content.chunk(c)
			x.sum.InstalledSize += int64(c.size)
			pieces = pieces[1:]
		}
	}
	for chunks(); x.row < end; chunks() {
		e := x.sources[x.row].Entry
		x.row++
		x.now.rows = append(x.now.rows, e)
		x.meta += len(e.Path) + len(e.Target) + 8
		x.content.entry(e)
	}
	r.free()
	return nil
}

func (x *indexer) full() bool {
	return len(x.now.rows) >= x.enough || len(x.now.chunks) >= x.enough || len(x.now.frames) >= maxSectFrames || x.meta >= fullMeta
}

// metaCoder is a weaker one, because another encoder of the best level would not fit
// into the bound on memory, and the hashes outweigh what it compresses.
var metaCoder = newCoder(zstd.SpeedBetterCompression, 1<<20)

// seal ends the present section and begins the next one.
func (x *indexer) seal() error {
	s := &x.now
	meta := s.appendMeta(nil)
	stored := metaCoder.encode(nil, meta)
	hashes := s.appendHashes(nil)
	in := sectionInfo{rows: len(s.rows), chunks: len(s.chunks), frames: len(s.frames), metaStored: len(stored), metaRaw: len(meta)}
	if x.carried {
		in.rows--
	}
	if len(s.rows) > 0 {
		in.first = s.rows[0].Path
	}
	for _, c := range s.chunks {
		in.payload += int64(c.size)
	}
	for _, f := range s.frames {
		in.raw, in.stored = in.raw+int64(f.raw), in.stored+int64(f.stored)
	}
	h := sha256.New()
	h.Write(stored)
	h.Write(hashes)
	in.hash = Hash(h.Sum(nil))
	x.root.sections = append(x.root.sections, in)
	x.sections = appendSkippable(x.sections, stored, hashes)
	x.sum.Chunks += len(s.chunks)
	x.sum.Frames += len(s.frames)

	next := section{}
	x.carried = false
	if n := len(s.chunks); n > 0 {
		last := s.chunks[n-1]
		if e := s.rows[last.row]; last.at+int64(last.size) < e.Size {
			next.skip, next.rows, x.carried = last.at+int64(last.size), []Entry{e}, true
		}
	}
	x.now, x.meta = next, 0
	if len(x.root.sections) > maxSections || x.sum.Chunks > maxChunks {
		return fault(asset.CodeTooLarge, opBuild, "the tree", "it needs a larger index than the format allows")
	}
	return nil
}

func (x *indexer) finish() (Summary, error) {
	if err := x.seal(); err != nil {
		return Summary{}, err
	}
	x.root.content = x.content.sum()
	root := x.root.append(nil)
	if len(root) > maxRoot {
		return Summary{}, fault(asset.CodeTooLarge, opBuild, "the tree", "it needs a larger index than the format allows")
	}
	foot := footer{data: x.out.n, root: int64(len(root))}
	foot.index = int64(len(x.sections)) + skippableHead + foot.root + footerSize
	index := hashed{w: &x.out, h: sha256.New()}
	for _, b := range [][]byte{x.sections, appendSkippable(nil, root, foot.append(nil, root))} {
		if _, err := index.Write(b); err != nil {
			return Summary{}, disk(opBuild, "the pack", err)
		}
	}
	x.sum.Content = x.root.content
	x.sum.Index, x.sum.IndexSize = Hash(index.h.Sum(nil)), index.n
	x.sum.Archive, x.sum.Size = Hash(x.out.h.Sum(nil)), x.out.n
	return x.sum, nil
}

// contentHash adds up the canonical tree (doc/pack-format.md, "Content").
type contentHash struct {
	h hash.Hash
	b []byte
}

func newContentHash() contentHash {
	c := contentHash{h: sha256.New()}
	c.h.Write([]byte("larder content 1\n"))
	return c
}

func (c *contentHash) entry(e Entry) {
	c.b = appendString(append(c.b[:0], kindNumber(e.Kind)), e.Path)
	switch {
	case e.Kind.Regular():
		c.b = binary.AppendUvarint(c.b, uint64(e.Size))
	case e.Kind == KindLink:
		c.b = appendString(c.b, e.Target)
	}
	c.h.Write(c.b)
}

func (c *contentHash) chunk(k chunk) {
	c.b = append(binary.AppendUvarint(c.b[:0], uint64(k.size)), k.hash[:]...)
	c.h.Write(c.b)
}

func (c *contentHash) sum() Hash { return Hash(c.h.Sum(nil)) }
