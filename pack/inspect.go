package pack

import "iter"

// Entries tells of everything in the pack, in its order; each is judged, so that its
// path is fit for any disk. The first error ends it.
func (a *Archive) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, l := range a.sections(opOpen) {
			if l.err != nil {
				yield(Entry{}, l.err)
				return
			}
			for i, e := range l.rows {
				if (i > 0 || l.skip == 0) && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// Frame is a stretch of the archive that can be fetched and read alone.
type Frame struct {
	Offset int64 `json:"offset"` // in the archive
	Size   int64 `json:"size"`   // there
	Raw    int64 `json:"raw"`    // bytes of the tar stream
	Hash   Hash  `json:"hash"`   // of the Size bytes
}

// Chunk is a slice of one file's bytes: the unit of proof and of reuse.
type Chunk struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"` // in the file
	Size   int64  `json:"size"`
	Hash   Hash   `json:"hash"`
	Frame  int    `json:"frame"` // its number, from 0
}

// Frames tells of every frame, in order.
func (a *Archive) Frames() iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		for i, l := range a.sections(opOpen) {
			if l.err != nil {
				yield(Frame{}, l.err)
				return
			}
			where := a.from[i].stored
			for _, f := range l.frames {
				if !yield(Frame{Offset: where, Size: int64(f.stored), Raw: int64(f.raw), Hash: f.hash}, nil) {
					return
				}
				where += int64(f.stored)
			}
		}
	}
}

// Chunks tells of every chunk, in order.
func (a *Archive) Chunks() iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		for i, l := range a.sections(opOpen) {
			if l.err != nil {
				yield(Chunk{}, l.err)
				return
			}
			for f, s := range l.spans {
				for _, c := range l.chunks[s.chunk0:s.chunk1] {
					if !yield(Chunk{Path: l.rows[c.row].Path, Offset: c.at, Size: int64(c.size), Hash: c.hash, Frame: a.from[i].frames + f}, nil) {
						return
					}
				}
			}
		}
	}
}

// Totals tells how large the pack is, without reading more than its root: the
// archive and the index hash are not known here and stay zero.
func (a *Archive) Totals() Summary {
	t := a.total()
	return Summary{Content: a.root.content, Size: a.data + a.index, IndexSize: a.index, InstalledSize: t.payload,
		Entries: t.rows, Chunks: t.chunks, Frames: t.frames}
}
