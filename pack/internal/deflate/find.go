package deflate

import (
	"bytes"
	"encoding/binary"
	"hash"
	"hash/adler32"
	"io"
)

// Stream is where a closed stream lies in a file. One that a PNG file cuts into chunks has first
// bytes in the first of them and every in each further one, the last excepted, and 12 bytes of
// the file's between any two. Else every is 0.
type Stream struct {
	At     int64 // its first byte in the file
	Closed int64 // bytes, without what lies between
	First  int64
	Every  int64
	Raw    int64
	Side   int64
	Name   string // of it in an archive, where that has names
}

const between = 12 // the end of one chunk of PNG and the beginning of the next

// Place is where byte n of the closed stream lies in the file.
func (s Stream) Place(n int64) int64 {
	if s.Every == 0 || n < s.First {
		return s.At + n
	}
	return s.At + n + between*(1+(n-s.First)/s.Every)
}

// Whole is where the closed bytes end that lie in the file without a break from byte n on.
func (s Stream) Whole(n int64) int64 {
	switch {
	case s.Every == 0:
		return s.Closed
	case n < s.First:
		return min(s.First, s.Closed)
	}
	return min(n+s.Every-(n-s.First)%s.Every, s.Closed)
}

// Until is how many closed bytes lie before a place in the file.
func (s Stream) Until(place int64) int64 {
	n := place - s.At
	if s.Every > 0 && n > s.First {
		k := (n - s.First) / (s.Every + between)
		n = s.First + k*s.Every + max(0, n-s.First-k*(s.Every+between)-between)
	}
	return max(0, min(n, s.Closed))
}

// End is the place behind the last byte.
func (s Stream) End() int64 { return s.Place(s.Closed-1) + 1 }

// Closed reads a closed stream from the file it lies in.
type Closed struct {
	R io.ReaderAt
	Stream
}

// ReadAt implements io.ReaderAt.
func (c Closed) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		at := off + int64(n)
		if at >= c.Closed {
			return n, io.EOF
		}
		k := min(int64(len(b)-n), c.Whole(at)-at)
		var got int
		got, err = c.R.ReadAt(b[n:n+int(k)], c.Place(at))
		if n += got; int64(got) == k {
			err = nil
		}
	}
	return n, err
}

// MostOpened bytes of raw and side together may a stream have that is opened.
const MostOpened = 128 << 20

const (
	leastRaw   = 256 // bytes that are worth opening
	zlibFirst  = 0x78
	windowSize = 1 << 20
	headMost   = 70 << 10 // of what comes before a stream and says that there is one
)

// Find tells of every stream in a file, from its beginning to its end, until tell says no. It
// looks for what zip, gzip, PNG and zlib begin with, and takes what then proves to be a whole stream.
func Find(r io.ReaderAt, size int64, tell func(Stream) bool) error {
	window := make([]byte, windowSize+headMost)
	for at, done := int64(0), int64(0); at < size; at += windowSize {
		n, err := r.ReadAt(window[:min(int64(len(window)), size-at)], at)
		if err != nil && err != io.EOF {
			return err
		}
		b := window[:n]
		for i := max(0, int(done-at)); i < min(n, windowSize); i++ {
			var s Stream
			switch b[i] {
			case 'P':
				s = zipEntry(b, i)
			case 'I':
				s = pngData(r, b, i, at, size)
			case 0x1F:
				s = gzipMember(b, i)
			case zlibFirst:
				s = zlibStream(b, i)
			}
			if s.At == 0 {
				continue
			}
			s.At += at
			room := size - s.At
			if s.Every > 0 || s.Closed > 0 {
				room = s.Closed
			}
			c := Closed{R: r, Stream: s}
			c.Closed = room
			var sum hash.Hash32
			if b[i] == zlibFirst {
				sum = adler32.New()
			}
			if s.Closed, s.Raw, s.Side, err = Measure(c, room, MostOpened, sum); err != nil || s.Raw < leastRaw {
				continue
			}
			if sum != nil && !endsWith(r, s.At+s.Closed, sum.Sum32()) {
				continue
			}
			if s.Every > 0 && s.Closed <= s.First {
				s.First, s.Every = 0, 0
			}
			if !tell(s) {
				return nil
			}
			done = s.End()
			i = int(min(done-at, windowSize)) - 1
		}
	}
	return nil
}

func zipEntry(b []byte, i int) (s Stream) {
	const header = 30
	if len(b)-i < header || !bytes.HasPrefix(b[i:], []byte("PK\x03\x04")) || binary.LittleEndian.Uint16(b[i+8:]) != 8 {
		return s
	}
	name, extra := int(binary.LittleEndian.Uint16(b[i+26:])), int(binary.LittleEndian.Uint16(b[i+28:]))
	if len(b)-i < header+name+extra || name > 4<<10 {
		return s
	}
	return Stream{At: int64(i + header + name + extra), Name: string(b[i+header : i+header+name])}
}

func gzipMember(b []byte, i int) (s Stream) {
	const header, isExtra, isName, isComment, isCRC = 10, 4, 8, 16, 2
	if len(b)-i < header || b[i+1] != 0x8B || b[i+2] != 8 || b[i+3]&0xE0 != 0 {
		return s
	}
	flags, k := b[i+3], i+header
	if flags&isExtra != 0 && k+2 <= len(b) {
		k += 2 + int(binary.LittleEndian.Uint16(b[k:]))
	}
	for _, f := range []byte{isName, isComment} {
		if flags&f == 0 || k > len(b) {
			continue
		}
		n := bytes.IndexByte(b[k:], 0)
		if n < 0 {
			return s
		}
		k += n + 1
	}
	if flags&isCRC != 0 {
		k += 2
	}
	if k >= len(b) {
		return s
	}
	return Stream{At: int64(k)}
}

func zlibStream(b []byte, i int) (s Stream) {
	if len(b)-i < 8 || binary.BigEndian.Uint16(b[i:])%31 != 0 || b[i+1]&0x20 != 0 || !likely(b[i+2:]) {
		return s
	}
	return Stream{At: int64(i + 2)}
}

// likely reports whether a stream may begin with b, as far as is seen at once. Noise has two
// bytes of zlib's everywhere.
func likely(b []byte) bool {
	switch b[0] >> 1 & 3 {
	case kindStored:
		return binary.LittleEndian.Uint16(b[1:]) == ^binary.LittleEndian.Uint16(b[3:])
	case kindFixed:
		return true
	case kindDynamic:
		const bits = 3 + 5 + 5 + 4 + 3*len(codeOrder)
		if len(b) < (bits+7)/8 {
			return true
		}
		lo, hi := binary.LittleEndian.Uint64(b), uint64(b[8])|uint64(b[9])<<8
		if lo>>3&31 > 29 || lo>>8&31 > 29 {
			return false
		}
		room := 1 << 7
		for k := range uint(lo>>13&15) + 4 {
			n := lo >> (17 + 3*k) & 7
			if k >= 15 { // 62 bits are before it
				n = (lo>>62 | hi<<2) >> (3 * (k - 15)) & 7
			}
			if n > 0 {
				room -= 1 << 7 >> n
			}
		}
		return room >= 0
	}
	return false
}

// endsWith reports whether a stream's bytes are followed by their sum.
func endsWith(r io.ReaderAt, at int64, sum uint32) bool {
	var b [4]byte
	n, _ := r.ReadAt(b[:], at) // what cannot be read is missing
	return n == len(b) && binary.BigEndian.Uint32(b[:]) == sum
}

// pngData is the stream in the chunks of a PNG file from here on.
func pngData(r io.ReaderAt, b []byte, i int, at, size int64) (s Stream) {
	const head = 8 // of a chunk: its length and IDAT
	if i < 4 || len(b)-i < 6 || !bytes.HasPrefix(b[i:], []byte("IDAT")) {
		return s
	}
	n := int64(binary.BigEndian.Uint32(b[i-4:]))
	if n < 3 || n > size {
		return s
	}
	s = Stream{At: int64(i + 6), First: n - 2, Closed: n - 2}
	var next [head]byte
	for where, last := at+int64(i)+4+n+4, n; where+head < size; {
		if _, err := r.ReadAt(next[:], where); err != nil || string(next[4:]) != "IDAT" {
			break
		}
		k := int64(binary.BigEndian.Uint32(next[:]))
		switch {
		case s.Every == 0:
			s.Every, last = k, k
		case last != s.Every || k > s.Every:
			return Stream{} // cut in a way that this does not tell
		}
		if last = k; k == 0 || k > size {
			return Stream{}
		}
		s.Closed += k
		where += between + k
	}
	return s
}
