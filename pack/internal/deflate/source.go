package deflate

import (
	"encoding/binary"
	"io"
)

// source reads the bits of a closed stream, lowest first. Beyond its end they are 0, and
// it is short.
type source struct {
	r     io.ReaderAt
	size  int64 // bytes
	next  int64 // byte that follows those in buf
	buf   []byte
	i     int // of buf
	acc   uint64
	n     uint // bits in acc, of which some may be beyond the end
	short bool
	room  [32 << 10]byte
}

// seek goes on at a bit.
func (s *source) seek(bit int64) {
	s.next, s.buf, s.i, s.acc, s.n, s.short = bit/8, nil, 0, 0, 0, false
	s.fill()
	s.drop(uint(bit % 8))
}

// pos is the next bit.
func (s *source) pos() int64 { return 8*(s.next-int64(len(s.buf)-s.i)) - int64(s.n) }

// fill has at least 48 bits at hand.
func (s *source) fill() {
	if s.n >= 48 {
		return
	}
	if s.i+8 <= len(s.buf) {
		s.acc |= binary.LittleEndian.Uint64(s.buf[s.i:]) << s.n
		k := (63 - s.n) / 8
		s.i += int(k)
		s.n += 8 * k
		s.acc &= 1<<s.n - 1
		return
	}
	s.fillSlowly()
}

func (s *source) fillSlowly() {
	for s.n <= 56 {
		if s.i == len(s.buf) && !s.load() {
			return // what is missing reads as zeros; drop tells
		}
		s.acc |= uint64(s.buf[s.i]) << s.n
		s.i++
		s.n += 8
	}
}

func (s *source) load() bool {
	n, _ := s.r.ReadAt(s.room[:min(int64(len(s.room)), s.size-s.next)], s.next) // what cannot be read is missing
	s.buf, s.i = s.room[:n], 0
	s.next += int64(n)
	return n > 0
}

func (s *source) drop(n uint) {
	if n > s.n {
		s.short, s.acc, s.n = true, 0, 0
		return
	}
	s.acc >>= n
	s.n -= n
}

// take gives up to 32 bits.
func (s *source) take(n uint) int {
	s.fill()
	v := int(s.acc & (1<<n - 1))
	s.drop(n)
	return v
}

// Bits are up to 2³¹ bits, lowest first.
type Bits struct {
	N int
	B []byte
}

// bitsOf gives the bits from a place on.
func bitsOf(r io.ReaderAt, size, from, to int64) Bits {
	in := source{r: r, size: size}
	in.seek(from)
	out := Bits{N: int(to - from)}
	for k := out.N; k > 0; k -= 8 {
		out.B = append(out.B, byte(in.take(uint(min(k, 8)))))
	}
	return out
}
