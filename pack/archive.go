package pack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"

	"larder/asset"
)

const opOpen = "open pack"

// Archive is an open pack, or the index of one alone: then it can be listed and
// planned with, but not extracted. It holds some kilobytes for every 256 MiB
// that the pack installs, and reads the rest of the index when asked. It is safe
// for concurrent use.
type Archive struct {
	r     io.ReaderAt
	start int64 // of the index in r
	data  int64 // bytes of frames before the index, in the whole pack
	index int64
	root  *root
	from  []place // where each section begins, and the end of the last
}

// place is a position in all the sequences of a pack at once.
type place struct {
	rows, chunks, frames        int
	payload, raw, stored, index int64
}

// Open reads the root of a pack of the given size, or of an index alone. It
// judges size, version and root; [Archive.Verify] judges the rest.
func Open(r io.ReaderAt, size int64) (*Archive, error) {
	if size < skippableHead+footerSize {
		return nil, fault(asset.CodeSizeMismatch, opOpen, at("the end", size), "the file is too small to be a pack")
	}
	end := make([]byte, footerSize)
	if err := readAt(r, end, size-footerSize); err != nil {
		return nil, disk(opOpen, at("the footer", size-footerSize), err)
	}
	foot, err := parseFooter(end, size)
	if err != nil {
		return nil, err
	}
	where := size - footerSize - foot.root - skippableHead
	b := make([]byte, skippableHead+foot.root)
	if err := readAt(r, b, where); err != nil {
		return nil, disk(opOpen, at("the root", where), err)
	}
	if n, err := skippableSize(b); err != nil || n != foot.root+footerSize {
		return nil, fault(asset.CodeHashMismatch, opOpen, at("the root", where), "its frame is damaged")
	}
	if footerHash(b[skippableHead:], end[:24]) != foot.hash {
		return nil, fault(asset.CodeHashMismatch, opOpen, at("the root", where), "its hash is not the one in the footer")
	}
	if unknown := foot.required &^ knownFeatures; unknown != 0 {
		return nil, fault(asset.CodeDoesNotFit, opOpen, at("the footer", size-footerSize), "the pack needs features (%#x) that this Larder does not know", unknown)
	}
	a := &Archive{r: r, start: size - foot.index, data: foot.data, index: foot.index}
	if a.root, err = parseRoot(b[skippableHead:]); err == nil {
		err = a.place(foot)
	}
	if err != nil {
		return nil, fault(asset.CodeHashMismatch, opOpen, at("the root", where), "%v", err)
	}
	return a, nil
}

// place adds up the sections and holds the sums against the footer.
func (a *Archive) place(foot footer) error {
	var p place
	for _, in := range a.root.sections {
		if in.frames == 0 {
			return errors.New("a section has no frames")
		}
		a.from = append(a.from, p)
		p.rows, p.chunks, p.frames = p.rows+in.rows, p.chunks+in.chunks, p.frames+in.frames
		p.payload, p.raw, p.stored = p.payload+in.payload, p.raw+in.raw, p.stored+in.stored
		p.index += skippableHead + in.size()
		if p.rows > maxEntries || p.chunks > maxChunks || p.payload > maxPayload || p.raw > 2*maxPayload || p.stored > maxArchive {
			return errors.New("its sections add up to more than a pack may hold")
		}
	}
	a.from = append(a.from, p)
	if p.stored != foot.data || p.index+skippableHead+foot.root+footerSize != foot.index {
		return errors.New("its sections do not add up to the pack")
	}
	return nil
}

func (a *Archive) total() place { return a.from[len(a.from)-1] }

// Content names the tree: the identity of a version.
func (a *Archive) Content() Hash { return a.root.content }

// Metadata is what the builder put beside the tree, at most 1 MiB.
func (a *Archive) Metadata() []byte { return bytes.Clone(a.root.metadata) }

// Whole reports whether the frames are here, not the index alone.
func (a *Archive) Whole() bool { return a.start == a.data }

// sectionBytes reads section i: its metadata as stored, and its hashes.
func (a *Archive) sectionBytes(op string, i int) ([]byte, sectionInfo, error) {
	in, where := a.root.sections[i], a.start+a.from[i].index
	b := make([]byte, skippableHead+in.size())
	subject := at("section", where)
	if err := readAt(a.r, b, where); err != nil {
		return nil, in, disk(op, subject, err)
	}
	if n, err := skippableSize(b); err != nil || n != in.size() {
		return nil, in, fault(asset.CodeHashMismatch, op, subject, "its frame is damaged")
	}
	b = b[skippableHead:]
	if got := sha256.Sum256(b); got != in.hash {
		return nil, in, fault(asset.CodeHashMismatch, op, subject, "its hash is %v, not %v", Hash(got), in.hash)
	}
	return b, in, nil
}

// load reads section i and judges its form.
func (a *Archive) load(op string, i int) (*section, error) {
	b, in, err := a.sectionBytes(op, i)
	if err != nil {
		return nil, err
	}
	subject := at("section", a.start+a.from[i].index)
	meta, err := decode(nil, b[:in.metaStored], in.metaRaw)
	var s *section
	if err == nil {
		s, err = parseSection(in, meta, b[in.metaStored:])
	}
	if err == nil && (len(s.rows) == 0 && in.first != "" || len(s.rows) > 0 && s.rows[0].Path != in.first) {
		err = errors.New("its first entry is not the one that the root names")
	}
	if err != nil {
		return nil, fault(asset.CodeHashMismatch, op, subject, "%v", err)
	}
	s.before = a.from[i].payload
	return s, nil
}

// sections gives every section in order, its entries judged against all before.
func (a *Archive) sections(op string) iter.Seq2[int, *loaded] {
	return func(yield func(int, *loaded) bool) {
		all := newCensus(op)
		var carried tail
		for i := range a.root.sections {
			l := &loaded{first: a.from[i].frames}
			l.section, l.err = a.load(op, i)
			if l.err == nil {
				l.spans, l.err = l.layout(i == len(a.root.sections)-1)
				if l.err == nil {
					l.err = l.follows(all, &carried, i == len(a.root.sections)-1)
				}
				if typed := (*asset.Error)(nil); l.err != nil && !errors.As(l.err, &typed) {
					l.err = fault(asset.CodeHashMismatch, op, at("section", a.start+a.from[i].index), "%v", l.err)
				}
			}
			if l.err != nil {
				carried = tail{lost: true}
			}
			if !yield(i, l) {
				return
			}
		}
	}
}

// loaded is a section that was read, or the reason why it cannot be used.
type loaded struct {
	*section
	spans []span
	first int // number of its first frame
	err   error
}

// tail is the file that goes on in the next section.
type tail struct {
	file Entry
	done int64
	lost bool // the section before could not be read
}

// follows judges a section against those before it.
func (l *loaded) follows(all *census, carried *tail, last bool) error {
	rows := l.rows
	if !carried.lost && (l.skip != carried.done || l.skip > 0 && rows[0] != carried.file) {
		return errors.New("it does not go on where the section before ended")
	}
	if l.skip > 0 {
		if rows = rows[1:]; len(l.chunks) == 0 {
			return errors.New("it goes on with a file and has none of its chunks")
		}
	}
	for _, e := range rows {
		if err := all.add(e); err != nil {
			return err
		}
	}
	*carried = tail{}
	if n := len(l.chunks); n > 0 {
		c := l.chunks[n-1]
		e := l.rows[c.row]
		if end := c.at + int64(c.size); end < e.Size {
			*carried = tail{file: e, done: end}
		}
	}
	if last && carried.done > 0 {
		return fmt.Errorf("%s lacks its end", quote(carried.file.Path))
	}
	return nil
}

// readAt fills b or fails; an early end is a size mismatch.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fault(asset.CodeSizeMismatch, "read", at("bytes", off), "%d bytes are missing", len(b)-n)
	}
	return err
}
