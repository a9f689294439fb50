package pack

import (
	"errors"
	"fmt"
)

// A span is what one frame holds of its section: headers of rows and chunks,
// both half-open ranges, in the order of the tar stream. If the first chunk's row
// stands before rows, that file began in an earlier frame.
type span struct{ row0, row1, chunk0, chunk1 int32 }

// layout finds each frame's span. A frame may end before an entry's header or
// between two chunks of a file, nowhere else; so whoever has a frame has whole
// chunks and never half a header.
func (s *section) layout(last bool) ([]span, error) {
	spans := make([]span, len(s.frames))
	f, used, open := -1, int64(0), false // open: the frame must go on, its last piece was a header with payload
	take := func(n int64) error {
		if f < 0 || used == int64(s.frames[f].raw) && !open {
			if f++; f == len(s.frames) {
				return errors.New("it has fewer frames than its entries fill")
			}
			used = 0
		}
		if used += n; used > int64(s.frames[f].raw) {
			return fmt.Errorf("frame %d ends inside a header or a chunk", f)
		}
		return nil
	}
	c := 0
	for i, e := range s.rows {
		if i > 0 || s.skip == 0 {
			if err := take(tarHeaderSize(e)); err != nil {
				return nil, err
			}
			spans[f].grow(int32(i), int32(c), true)
			open = e.Size > 0
		}
		for ; c < len(s.chunks) && s.chunks[c].row == int32(i); c++ {
			if err := take(s.chunks[c].padded(e)); err != nil {
				return nil, err
			}
			spans[f].grow(int32(i), int32(c), false)
			open = false
		}
	}
	if open {
		return nil, errors.New("it ends between a header and its first chunk")
	}
	if last {
		if err := take(tarEnd); err != nil {
			return nil, err
		}
	}
	if f != len(s.frames)-1 || used != int64(s.frames[max(f, 0)].raw) {
		return nil, errors.New("its frames hold more than its entries")
	}
	return spans, nil
}

func (p *span) grow(row, chunk int32, header bool) {
	if *p == (span{}) {
		*p = span{row0: row, row1: row, chunk0: chunk, chunk1: chunk}
		if !header {
			p.row0, p.row1 = row+1, row+1
		}
	}
	if header {
		p.row1 = row + 1
	} else {
		p.chunk1 = chunk + 1
	}
}

// padded is how many bytes the chunk takes in the tar stream: with the zeros
// after a file's end.
func (c *chunk) padded(e Entry) int64 {
	n := int64(c.size)
	if c.at+n == e.Size {
		n += tarPad(e.Size)
	}
	return n
}

// walk tells of everything in a frame, in order, with offsets in its raw bytes.
func (s *section) walk(p span, header func(row int32, at int64) error, payload func(chunk int32, at int64) error) error {
	at := int64(0)
	c := p.chunk0
	chunks := func(row int32) error {
		for ; c < p.chunk1 && s.chunks[c].row == row; c++ {
			if err := payload(c, at); err != nil {
				return err
			}
			at += s.chunks[c].padded(s.rows[row])
		}
		return nil
	}
	if p.row0 > 0 {
		if err := chunks(p.row0 - 1); err != nil {
			return err
		}
	}
	for row := p.row0; row < p.row1; row++ {
		if err := header(row, at); err != nil {
			return err
		}
		at += tarHeaderSize(s.rows[row])
		if err := chunks(row); err != nil {
			return err
		}
	}
	return nil
}

func tarHeaderSize(e Entry) int64 {
	if len(e.Path) < tarName && fitsTar(e.Path) && fitsTar(e.Target) && e.Size < tarSize {
		return tarBlock
	}
	return int64(len(appendTarHeader(nil, e)))
}
