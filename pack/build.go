package pack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"larder/asset"
)

const opBuild = "build pack"

// BuildOptions of a pack; the zero value serves.
type BuildOptions struct {
	// Metadata travels in the pack's index and is no part of its content:
	// the packaging manifest, say. At most 1 MiB.
	Metadata []byte
	// Cold makes frames of 4 MiB instead of 1 MiB: some per cent smaller, and
	// dearer to update. For packs that hardly ever change.
	Cold bool
	// Previous is an earlier pack of much the same tree, and saves the time of
	// compressing what did not change: its frames are taken where they hold the same
	// bytes. The result is the one of a build without it, if the same version of
	// Larder made it with the same Cold; a rotten pack, or one of
	// another encoder, is noticed and of no use. It is read until Build returns.
	Previous *Archive
	// Compress makes the frames, if it is not nil, in place of the built-in encoder: from
	// raw bytes one zstd frame that states its content size, has no dictionary
	// and a window of at most 8 MiB. Each is expanded again before it counts. Several goroutines call it. The
	// same tree then gives the same pack only as far as Compress gives the same
	// frames; its content, which updates go by, is the same in any case.
	Compress func(ctx context.Context, raw []byte) ([]byte, error)
}

// Summary describes a pack that was built. Sizes are bytes.
type Summary struct {
	Content Hash `json:"content"` // of the tree
	Index   Hash `json:"index"`   // of the index, which is the end of the file
	Archive Hash `json:"archive"` // of the file

	Size          int64 `json:"size"`          // of the file
	IndexSize     int64 `json:"indexSize"`     // of the index, part of Size
	InstalledSize int64 `json:"installedSize"` // of all files in the pack
	Entries       int   `json:"entries"`
	Chunks        int   `json:"chunks"`
	Frames        int   `json:"frames"`
}

// Build writes the pack of a tree to w, from its first byte to its last. The
// same tree and options give the same bytes, whatever the order of the sources,
// the number of cores and the system. Memory: some 200 MiB at most, and 40 bytes
// for each chunk. An error leaves w with a part of a pack, which no reader takes.
//
// Errors: 1000 and 1009 for an entry that no pack may hold, 1001 for a file whose
// size is not the one of its entry, 1002 for a frame of BuildOptions.Compress that does
// not give back its bytes, 1012 for too much of anything.
func Build(ctx context.Context, w io.Writer, t Tree, opts BuildOptions) (Summary, error) {
	return build(ctx, w, t, opts, effort{level: zstd.SpeedBestCompression, section: fullSection})
}

// effort is what a writer may choose as it likes; tests choose less of it.
type effort struct {
	level   zstd.EncoderLevel
	section int // rows or chunks after which a section ends
}

func build(ctx context.Context, w io.Writer, t Tree, opts BuildOptions, e effort) (Summary, error) {
	if len(opts.Metadata) > maxMetadata {
		return Summary{}, fault(asset.CodeTooLarge, opBuild, "metadata", "it is larger than %d bytes", maxMetadata)
	}
	sources, err := t.order()
	if err != nil {
		return Summary{}, err
	}
	f := &framer{limit: 1 << 20, sources: sources, open: t.Open, reader: bufio.NewReaderSize(nil, 4*maxChunk)}
	if opts.Cold {
		f.limit = maxFrame
	}
	before, err := newPrevious(ctx, opts.Previous)
	if err != nil {
		return Summary{}, err
	}
	c := newPress(e.level, f.limit)
	defer c.release()
	encode := func(dst, raw []byte) ([]byte, error) { return c.encode(dst, raw), nil }
	if opts.Compress != nil {
		encode = func(dst, raw []byte) ([]byte, error) { return foreign(ctx, dst, raw, opts.Compress) }
	}
	x := newIndexer(w, sources, opts.Metadata, e.section)
	err = inOrder(ctx, builders(), func(emit func(rawFrame) error) error {
		f.emit = emit
		return f.run()
	}, func(r *rawFrame) error {
		return r.compress(encode, before)
	}, func(r *rawFrame, err error) error {
		if err != nil {
			return err
		}
		return x.add(r)
	})
	if err != nil {
		return Summary{}, disk(opBuild, "the pack", err)
	}
	return x.finish()
}

// rawFrame is a stretch of the tar stream on its way to become a frame.
type rawFrame struct {
	raw    []byte
	rows   int // headers in it
	pieces []rawPiece
	stored []byte
	hash   Hash
}

type rawPiece struct {
	chunk
	source int
	from   int // place in raw
}

var rawBuffers, storedBuffers sync.Pool

func buffer(p *sync.Pool, size int) []byte {
	if b, ok := p.Get().(*[]byte); ok && cap(*b) >= size {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

// release gives a buffer back; the caller has no use for it any more.
func release(p *sync.Pool, b []byte) {
	if cap(b) > 0 {
		p.Put(&b)
	}
}

// encoder makes a stored frame after what dst holds.
type encoder func(dst, raw []byte) ([]byte, error)

// foreign has a frame made by compress, and expands it again.
func foreign(ctx context.Context, dst, raw []byte, compress func(context.Context, []byte) ([]byte, error)) ([]byte, error) {
	stored, err := compress(ctx, raw)
	if err != nil {
		return nil, err
	}
	scratch := buffer(&rawBuffers, len(raw))
	defer func() { release(&rawBuffers, scratch) }()
	again, err := decode(scratch, stored, len(raw))
	switch {
	case len(stored) > maxStored:
		err = fmt.Errorf("it has %d bytes", len(stored))
	case err == nil && !bytes.Equal(again, raw):
		err = errors.New("it holds other bytes")
	}
	if err != nil {
		return nil, fault(asset.CodeHashMismatch, opBuild, "a frame", "what the compressor gave is no frame of these %d bytes: %v", len(raw), err)
	}
	return append(dst, stored...), nil
}

func (r *rawFrame) compress(encode encoder, before *previous) (err error) {
	for i := range r.pieces {
		p := &r.pieces[i]
		p.hash = sha256.Sum256(r.raw[p.from : p.from+int(p.size)])
	}
	r.stored = buffer(&storedBuffers, len(r.raw)+1024)
	if before.give(r, encode) {
		return nil
	}
	if r.stored, err = encode(r.stored, r.raw); err != nil {
		return err
	}
	r.hash = sha256.Sum256(r.stored)
	return nil
}

func (r *rawFrame) free() {
	release(&rawBuffers, r.raw)
	release(&storedBuffers, r.stored)
	r.raw, r.stored = nil, nil
}

// framer reads the tree in order and cuts the tar stream into frames.
type framer struct {
	limit   int
	sources []Source
	open    func(string) (io.ReadCloser, error)
	reader  *bufio.Reader
	emit    func(rawFrame) error
	now     rawFrame
}

func (f *framer) run() error {
	for i := range f.sources {
		if err := f.entry(i); err != nil {
			return err
		}
	}
	if err := f.room(tarEnd); err != nil {
		return err
	}
	f.now.raw = append(f.now.raw, zeros[:]...)
	return f.emit(f.now)
}

// room begins a new frame unless n more bytes fit into the present one.
func (f *framer) room(n int) error {
	if f.now.raw != nil && len(f.now.raw)+n > f.limit {
		if err := f.emit(f.now); err != nil {
			return err
		}
		f.now = rawFrame{}
	}
	if f.now.raw == nil {
		f.now.raw = buffer(&rawBuffers, f.limit)
	}
	return nil
}

func (f *framer) entry(i int) error {
	s := &f.sources[i]
	header := appendTarHeader(make([]byte, 0, tarBlock), s.Entry)
	if s.Size > 0 {
		return f.file(i, header)
	}
	if err := f.room(len(header)); err != nil {
		return err
	}
	f.now.raw = append(f.now.raw, header...)
	f.now.rows++
	if s.Kind.Regular() {
		return f.file(i, nil) // it must be empty indeed
	}
	return nil
}

func (f *framer) file(i int, header []byte) (err error) {
	s := &f.sources[i]
	r, err := f.open(s.From)
	if err != nil {
		return disk(opBuild, quote(s.Path), err)
	}
	defer r.Close()
	in := exactly{r: r, left: s.Size}
	f.reader.Reset(&in)
	at := int64(0)
	err = cut(f.reader, func(b []byte) error {
		c := chunk{size: int32(len(b)), at: at}
		at += int64(len(b))
		if err := f.room(len(header) + int(c.padded(s.Entry))); err != nil {
			return err
		}
		if header != nil {
			f.now.raw = append(f.now.raw, header...)
			f.now.rows++
			header = nil
		}
		f.now.pieces = append(f.now.pieces, rawPiece{chunk: c, source: i, from: len(f.now.raw)})
		f.now.raw = append(f.now.raw, b...)
		f.now.raw = append(f.now.raw, zeros[:c.padded(s.Entry)-int64(len(b))]...)
		return nil
	})
	if errors.Is(err, errSizeChanged) {
		return fault(asset.CodeSizeMismatch, opBuild, quote(s.Path), "%v", err)
	}
	return disk(opBuild, quote(s.Path), err)
}

// hashed writes through to w and hashes all of it.
type hashed struct {
	w io.Writer
	h hash.Hash
	n int64
}

func (h *hashed) Write(b []byte) (int, error) {
	n, err := h.w.Write(b)
	h.h.Write(b[:n])
	h.n += int64(n)
	return n, err
}
