package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	"larder/asset"
)

const opVerify = "verify pack"

// Mismatch is one thing that is not as it should be.
type Mismatch struct {
	Code asset.Code `json:"code"`
	// Path names the entry, and Offset the byte in it. Path is empty where no one
	// entry is to blame.
	Path   string `json:"path,omitempty"`
	Offset int64  `json:"offset"`
	// At is the place in the pack: the frame's or section's first byte. In
	// an installed tree it is -1.
	At      int64  `json:"at"`
	Message string `json:"message"`
}

func (m Mismatch) String() string {
	s := m.Message
	if m.Path != "" {
		s = fmt.Sprintf("%s at byte %d: %s", quote(m.Path), m.Offset, s)
	}
	if m.At >= 0 {
		s = fmt.Sprintf("byte %d: %s", m.At, s)
	}
	return s
}

// Verify reads everything and recomputes every claim: hashes of sections, frames,
// chunks and content, and that the tar stream holds what the index says and
// nothing else. It goes on after a mismatch and gives all, in the order of the
// pack. The error tells only of what kept it from looking. An index alone is
// verified as far as it goes.
func (a *Archive) Verify(ctx context.Context) ([]Mismatch, error) {
	var all []Mismatch
	content, lost := newContentHash(), false
	type job struct {
		frameJob
		found []Mismatch
	}
	err := inOrder(ctx, readers(), func(emit func(job) error) error {
		return a.everyFrame(ctx, opVerify, func(j frameJob) error {
			return emit(job{frameJob: j})
		}, func(i int, err error) error {
			lost = true
			found := Mismatch{Code: asset.CodeOf(err), Path: a.root.sections[i].first, At: a.start + a.from[i].index, Message: "its section of the index: " + err.Error()}
			return emit(job{found: []Mismatch{found}})
		}, func(l *loaded) { content.section(l.section) })
	}, func(j *job) error {
		if j.in == nil || !a.Whole() {
			return nil
		}
		defer j.free()
		if err := j.read(a, opVerify); err != nil {
			j.found = j.lost(err)
			return nil
		}
		j.found = j.verify()
		return nil
	}, func(j *job, err error) error {
		all = append(all, j.found...)
		return err
	})
	if err != nil {
		return all, err
	}
	if got := content.sum(); !lost && got != a.root.content {
		all = append(all, Mismatch{Code: asset.CodeHashMismatch, At: a.start, Message: fmt.Sprintf("the content is %v, not %v as the root says", got, a.root.content)})
	}
	return all, nil
}

// lost says that nothing in the frame can be read.
func (j *frameJob) lost(err error) []Mismatch {
	found := []Mismatch{}
	_ = j.in.walk(j.span(), func(row int32, _ int64) error {
		found = append(found, Mismatch{Code: asset.CodeOf(err), Path: j.in.rows[row].Path, At: j.at, Message: err.Error()})
		return nil
	}, func(c int32, _ int64) error {
		k := &j.in.chunks[c]
		if len(found) == 0 || found[len(found)-1].Path != j.in.rows[k.row].Path {
			found = append(found, Mismatch{Code: asset.CodeOf(err), Path: j.in.rows[k.row].Path, Offset: k.at, At: j.at, Message: err.Error()})
		}
		return nil
	})
	if len(found) == 0 {
		found = append(found, Mismatch{Code: asset.CodeOf(err), At: j.at, Message: err.Error()})
	}
	return found
}

func (j *frameJob) verify() []Mismatch {
	var found []Mismatch
	if got := sha256.Sum256(j.stored); got != j.what().hash {
		found = append(found, Mismatch{Code: asset.CodeHashMismatch, At: j.at, Message: fmt.Sprintf("the frame's hash is %v, not %v", Hash(got), j.what().hash)})
	}
	if err := j.decode(opVerify); err != nil {
		return append(found, j.lost(err)...)
	}
	bad := func(row int32, offset int64, format string, args ...any) {
		found = append(found, Mismatch{Code: asset.CodeHashMismatch, Path: j.in.rows[row].Path, Offset: offset, At: j.at, Message: fmt.Sprintf(format, args...)})
	}
	end, header := int64(0), []byte(nil)
	_ = j.in.walk(j.span(), func(row int32, from int64) error {
		header = appendTarHeader(header[:0], j.in.rows[row])
		if end = from + int64(len(header)); !bytes.Equal(header, j.raw[from:end]) {
			bad(row, 0, "its tar header is not the one that follows from the index")
		}
		return nil
	}, func(i int32, from int64) error {
		c := &j.in.chunks[i]
		e := j.in.rows[c.row]
		payload := j.raw[from : from+int64(c.size)]
		if got := sha256.Sum256(payload); got != c.hash {
			bad(c.row, c.at, "its chunk of %d bytes has the hash %v, not %v", c.size, Hash(got), c.hash)
		}
		if end = from + c.padded(e); !allZero(j.raw[from+int64(c.size) : end]) {
			bad(c.row, e.Size, "the tar stream's padding after it is not zero")
		}
		return nil
	})
	if !allZero(j.raw[end:]) {
		found = append(found, Mismatch{Code: asset.CodeHashMismatch, At: j.at, Message: "the tar stream does not end in zeros"})
	}
	return found
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// section adds what the section holds, without the row carried over.
func (h *contentHash) section(s *section) {
	c := 0
	for i, e := range s.rows {
		if i > 0 || s.skip == 0 {
			h.entry(e)
		}
		for ; c < len(s.chunks) && s.chunks[c].row == int32(i); c++ {
			h.chunk(s.chunks[c])
		}
	}
}
