package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// A section of the index describes a run of frames and can be read alone: the
// entries whose headers stand in those frames, the chunks and the frames.
// A file may reach over several sections; the later ones begin with its row again.

// Bounds of a section, and where the builder ends one (at the next frame).
const (
	maxRows       = 1 << 14
	maxSectChunks = 1 << 14
	maxSectFrames = 1 << 12
	maxMeta       = 8 << 20
	fullSection   = 1 << 12   // rows or chunks
	fullMeta      = 256 << 10 // bytes, uncompressed
)

type section struct {
	skip   int64 // payload bytes of the first row's file in earlier sections
	rows   []Entry
	chunks []chunk
	frames []frame

	before  int64 // payload bytes of the pack in earlier sections
	payload int64 // and in this one
}

// chunk is a slice of one file's payload.
type chunk struct {
	row  int32 // its file
	size int32
	at   int64 // its place in the file
	hash Hash

	payload int64 // its place in the section's payload
}

type frame struct {
	stored, raw int32 // bytes in the archive, and of the tar stream
	hash        Hash  // of the stored bytes
}

func (s *section) appendMeta(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.skip))
	last := ""
	for _, e := range s.rows {
		shared := 0
		for shared < len(last) && shared < len(e.Path) && last[shared] == e.Path[shared] {
			shared++
		}
		b = append(b, kindNumber(e.Kind))
		b = binary.AppendUvarint(b, uint64(shared))
		b = appendString(b, e.Path[shared:])
		switch {
		case e.Kind.Regular():
			b = binary.AppendUvarint(b, uint64(e.Size))
		case e.Kind == KindLink:
			b = appendString(b, e.Target)
		}
		last = e.Path
	}
	for _, c := range s.chunks {
		size := uint64(c.size)
		if c.at+int64(c.size) == s.rows[c.row].Size {
			size = 0
		}
		b = binary.AppendUvarint(b, size)
	}
	for _, f := range s.frames {
		b = binary.AppendUvarint(b, uint64(f.stored))
		b = binary.AppendUvarint(b, uint64(f.raw))
	}
	return b
}

func (s *section) appendHashes(b []byte) []byte {
	for i := range s.chunks {
		b = append(b, s.chunks[i].hash[:]...)
	}
	for i := range s.frames {
		b = append(b, s.frames[i].hash[:]...)
	}
	return b
}

// parseSection reads the metadata and hashes of the section that the root
// describes as in. It judges their form alone; a census judges the entries.
func parseSection(in sectionInfo, meta, hashes []byte) (*section, error) {
	r := &reader{b: meta}
	s := &section{skip: r.number(maxPayload), chunks: make([]chunk, 0, in.chunks), frames: make([]frame, in.frames)}
	if s.skip > 0 {
		in.rows++
	}
	s.rows = make([]Entry, 0, in.rows)
	last := ""
	for range in.rows {
		e := r.entry(last)
		if r.err != nil {
			return nil, r.err
		}
		s.rows = append(s.rows, e)
		last = e.Path
	}
	if err := s.parseChunks(r, in); err != nil {
		return nil, err
	}
	raw, stored := int64(0), int64(0)
	for i := range s.frames {
		s.frames[i] = frame{stored: int32(r.number(maxStored)), raw: int32(r.number(maxFrame))}
		raw, stored = raw+int64(s.frames[i].raw), stored+int64(s.frames[i].stored)
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case len(r.b) > 0:
		return nil, fmt.Errorf("it has %d bytes too many", len(r.b))
	case raw != in.raw || stored != in.stored:
		return nil, errors.New("its frames have other sizes than the root says")
	}
	for i := range s.chunks {
		hashes = hashes[copy(s.chunks[i].hash[:], hashes):]
	}
	for i := range s.frames {
		hashes = hashes[copy(s.frames[i].hash[:], hashes):]
	}
	return s, nil
}

// parseChunks gives every byte of payload of the section's files its chunk.
// Only the last file may go on in the next section.
func (s *section) parseChunks(r *reader, in sectionInfo) error {
	payload, left := int64(0), in.chunks
	for i, e := range s.rows {
		done := int64(0)
		if i == 0 && s.skip > 0 {
			if done = s.skip; !e.Kind.Regular() || done >= e.Size {
				return errors.New("it begins inside an entry that ends before")
			}
		}
		for e.Kind.Regular() && done < e.Size {
			if left == 0 {
				if i == len(s.rows)-1 {
					break
				}
				return fmt.Errorf("%s lacks chunks", quote(e.Path))
			}
			left--
			size := r.number(maxChunk)
			if size == 0 {
				size = e.Size - done
			} else if size >= e.Size-done {
				return fmt.Errorf("%s has a chunk that reaches its end or beyond", quote(e.Path))
			}
			if r.err != nil {
				return r.err
			}
			if size > maxChunk {
				return fmt.Errorf("%s has a chunk longer than %d bytes", quote(e.Path), maxChunk)
			}
			s.chunks = append(s.chunks, chunk{row: int32(i), size: int32(size), at: done, payload: payload})
			done, payload = done+size, payload+size
		}
	}
	if left > 0 || payload != in.payload {
		return errors.New("its chunks do not fit its files")
	}
	s.payload = payload
	return nil
}

func kindNumber(k Kind) byte {
	for i, known := range kinds {
		if k == known {
			return byte(i)
		}
	}
	return byte(len(kinds))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader takes numbers and strings off hostile bytes; after the first fault it
// gives zero values and keeps the fault.
type reader struct {
	b   []byte
	err error
}

func (r *reader) number(most int64) int64 {
	v, n := shortest(r.b)
	switch {
	case r.err != nil:
		return 0
	case n <= 0: // cut off, too long, or not the shortest form
		r.err = errors.New("a number is malformed")
		return 0
	case v > uint64(most):
		r.err = fmt.Errorf("a number is larger than %d", most)
		return 0
	}
	r.b = r.b[n:]
	return int64(v)
}

func (r *reader) bytes(n int64) []byte {
	if r.err == nil && int64(len(r.b)) < n {
		r.err = errors.New("it ends too early")
	}
	if r.err != nil {
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) string(most int64) string { return string(r.bytes(r.number(most))) }

func (r *reader) entry(last string) (e Entry) {
	kind := r.bytes(1)
	shared := r.number(int64(len(last)))
	tail := r.bytes(r.number(maxPath))
	if r.err != nil {
		return e
	}
	if int(kind[0]) >= len(kinds) {
		r.err = fmt.Errorf("an entry has the unknown kind %d", kind[0])
		return e
	}
	if len(tail) > 0 && shared < int64(len(last)) && last[shared] == tail[0] {
		r.err = errors.New("an entry shares more with the one before than it says")
		return e
	}
	e.Kind = kinds[kind[0]]
	var path strings.Builder
	path.WriteString(last[:shared])
	path.Write(tail)
	e.Path = path.String()
	switch {
	case e.Kind.Regular():
		e.Size = r.number(maxPayload)
	case e.Kind == KindLink:
		e.Target = r.string(maxPath)
	}
	return e
}
