package extension

import (
	"bufio"
	"errors"
	"io"
)

const (
	chunkSize  = 64 << 10
	keptChunks = 16 // what a frame keeps for the next line: 1 MiB
)

var (
	errLineTooLong = errors.New("a line is longer than 16 MiB")
	errTooMuch     = errors.New("it wrote more than 256 MiB in one session")
)

// A frame holds one line in chunks, so that a long line costs its own size and
// no copies. Its chunks are used again for the next line.
type frame struct {
	chunks [][]byte
	n      int
}

// A span is a range of bytes of a frame; the zero span means absent.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

func (f *frame) reset() {
	f.n = 0
	if len(f.chunks) > keptChunks {
		clear(f.chunks[keptChunks:])
		f.chunks = f.chunks[:keptChunks]
	}
}

func (f *frame) at(i int) byte { return f.chunks[i/chunkSize][i%chunkSize] }

// Write appends p, or fails with errLineTooLong and keeps what fits.
func (f *frame) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if f.n >= MaxLine {
			return written, errLineTooLong
		}
		if f.n/chunkSize == len(f.chunks) {
			f.chunks = append(f.chunks, make([]byte, chunkSize))
		}
		c := copy(f.chunks[f.n/chunkSize][f.n%chunkSize:], p)
		f.n += c
		written += c
		p = p[c:]
	}
	return written, nil
}

// bytes gives the range s in one piece: a view when it lies in one chunk, else a copy.
func (f *frame) bytes(s span) []byte {
	if s.len() == 0 {
		return nil
	}
	first, last := s.from/chunkSize, (s.to-1)/chunkSize
	if first == last {
		return f.chunks[first][s.from%chunkSize : (s.to-1)%chunkSize+1]
	}
	out := make([]byte, 0, s.len())
	for i := first; i <= last; i++ {
		lo, hi := 0, chunkSize
		if i == first {
			lo = s.from % chunkSize
		}
		if i == last {
			hi = (s.to-1)%chunkSize + 1
		}
		out = append(out, f.chunks[i][lo:hi]...)
	}
	return out
}

// WriteTo writes the whole frame, chunk by chunk.
func (f *frame) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for left := f.n; left > 0; {
		c := f.chunks[int(total)/chunkSize]
		n, err := w.Write(c[:min(left, chunkSize)])
		total += int64(n)
		left -= n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// A lineReader cuts a stream into frames and holds it to the bounds of a session.
type lineReader struct {
	in   *bufio.Reader
	line frame
	read int64
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, chunkSize)}
}

// next gives the next line without its newline; the frame is good until the
// next call. A last line without newline is io.ErrUnexpectedEOF.
func (l *lineReader) next() (*frame, error) {
	l.line.reset()
	for {
		part, err := l.in.ReadSlice('\n')
		l.read += int64(len(part))
		if l.read > MaxSession {
			return nil, errTooMuch
		}
		whole := err == nil
		if whole {
			part = part[:len(part)-1]
		}
		if _, err := l.line.Write(part); err != nil {
			return nil, err
		}
		switch {
		case whole:
			return &l.line, nil
		case err == io.EOF && l.line.n > 0:
			return nil, io.ErrUnexpectedEOF
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}
