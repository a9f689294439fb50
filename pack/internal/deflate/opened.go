package deflate

import (
	"errors"
	"io"
	"slices"
	"sort"
)

// Opened reads an opened stream at any place: its raw, and then its side. It opens a stretch at a
// time, from places that it noted when it went through the whole stream once. It takes some
// 2 MiB at most, beside what the cache keeps. One goroutine has it and its cache.
type Opened struct {
	r         io.ReaderAt
	size      int64
	raw, side int64
	cache     *Cache
	marks     []mark
	e         *engine
	err       error
}

// Cache keeps stretches of streams that were opened lately, and counts how much is opened.
type Cache struct {
	Most int64 // bytes that are kept, at least one stretch
	Work int64 // bytes that may still be opened; then there is an end
	size int64
	kept []*stretch // the latest last

	spare [][]byte // of stretches that are not kept any more
}

const mostSpare = 4

// room gives an empty slice for n bytes.
func (c *Cache) room(n int64) []byte {
	for i, b := range c.spare {
		if int64(cap(b)) >= n {
			c.spare = slices.Delete(c.spare, i, i+1)
			return b[:0]
		}
	}
	return make([]byte, 0, n)
}

// stretch is what lies behind a mark, opened.
type stretch struct {
	of        *Opened
	mark      int
	raw, side []byte
	whole     []byte // raw and what came before it
}

func (c *Cache) get(o *Opened, mark int) *stretch {
	for i := len(c.kept) - 1; i >= 0; i-- {
		if s := c.kept[i]; s.of == o && s.mark == mark {
			c.kept = append(append(c.kept[:i], c.kept[i+1:]...), s)
			return s
		}
	}
	return nil
}

func (c *Cache) put(s *stretch) {
	c.kept = append(c.kept, s)
	c.size += s.bytes()
	for len(c.kept) > 1 && c.size > c.Most {
		old := c.kept[0]
		c.size -= old.bytes()
		if c.spare = append(c.spare, old.whole, old.side); len(c.spare) > mostSpare {
			c.spare = slices.Delete(c.spare, 0, len(c.spare)-mostSpare)
		}
		c.kept = append(c.kept[:0], c.kept[1:]...)
	}
}

func (s *stretch) bytes() int64 { return int64(len(s.raw) + len(s.side)) }

var errWork = errors.New("the delta asks for streams to be opened again and again")

// mark is a place that an engine can go on from.
type mark struct {
	place
	bit       int64
	raw, side int64
	before    []byte // the history
}

const (
	leastStretch = 256 << 10 // bytes of raw and side
	mostMarks    = 64
)

// NewOpened of a stream of size closed bytes, which hold raw bytes, told by side bytes.
func NewOpened(r io.ReaderAt, size, raw, side int64, c *Cache) *Opened {
	return &Opened{r: r, size: size, raw: raw, side: side, cache: c}
}

// ReadAt implements io.ReaderAt. Where the stream is not what was said it fails.
func (o *Opened) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = o.some(b[n:], off+int64(n))
		n += k
	}
	return n, err
}

func (o *Opened) some(b []byte, off int64) (int, error) {
	if off < 0 || off >= o.raw+o.side {
		return 0, io.EOF
	}
	if o.err == nil && o.marks == nil {
		o.err = o.survey()
	}
	if o.err != nil {
		return 0, o.err
	}
	from := func(i int) int64 { return o.marks[i].raw }
	if off >= o.raw {
		from = func(i int) int64 { return o.raw + o.marks[i].side }
	}
	i := sort.Search(len(o.marks), func(i int) bool { return from(i) > off }) - 1
	s := o.cache.get(o, i)
	if s == nil {
		if s, o.err = o.stretch(i); o.err != nil {
			return 0, o.err
		}
		o.cache.put(s)
	}
	if off < o.raw {
		return copy(b, s.raw[off-from(i):]), nil
	}
	return copy(b, s.side[off-from(i):]), nil
}

// survey goes through the stream once, and leaves marks, and what lies between in the cache.
func (o *Opened) survey() error {
	if o.cache.Work -= o.raw + o.side; o.cache.Work < 0 {
		return errWork
	}
	o.e = newEngine(o.r, o.size)
	e, every := o.e, max(leastStretch, (o.raw+o.side)/mostMarks)
	for m := (mark{}); ; {
		err := e.leap()
		raw, side := int64(len(e.raw)-len(m.before)), int64(len(e.side))
		switch {
		case err != nil && err != io.EOF:
			return err
		case m.raw+raw > o.raw, m.side+side > o.side:
			return ErrDamaged
		case err == nil && raw+side < every:
			continue
		}
		s := &stretch{of: o, mark: len(o.marks), whole: append(o.cache.room(raw), e.raw[len(m.before):]...), side: append(o.cache.room(side), e.side...)}
		s.raw = s.whole
		o.cache.put(s)
		o.marks = append(o.marks, m)
		m = mark{place: e.place, bit: e.in.pos(), raw: m.raw + raw, side: m.side + side, before: slices.Clone(e.raw[max(0, len(e.raw)-history):])}
		if err == io.EOF {
			if m.raw != o.raw || m.side != o.side {
				return ErrDamaged
			}
			return nil
		}
		e.raw, e.side = append(e.raw[:0], m.before...), e.side[:0]
	}
}

// stretch opens what lies behind a mark.
func (o *Opened) stretch(i int) (*stretch, error) {
	m, e := o.marks[i], o.e
	raw, side := o.raw-m.raw, o.side-m.side
	if i+1 < len(o.marks) {
		raw, side = o.marks[i+1].raw-m.raw, o.marks[i+1].side-m.side
	}
	if o.cache.Work -= raw + side; o.cache.Work < 0 {
		return nil, errWork
	}
	if e.place = m.place; m.state == inCodes {
		e.in.seek(m.head)
		if err := e.header(); err != nil {
			return nil, err
		}
	}
	e.place, e.run = m.place, 0
	e.raw = append(o.cache.room(int64(len(m.before))+raw+longest), m.before...)
	e.side = o.cache.room(side)
	e.in.seek(m.bit)
	for int64(len(e.raw)-len(m.before)) < raw || int64(len(e.side)) < side {
		if err := e.leap(); err != nil {
			return nil, ErrDamaged
		}
	}
	s := &stretch{of: o, mark: i, whole: e.raw, raw: e.raw[len(m.before):], side: e.side}
	e.raw, e.side = nil, nil
	if int64(len(s.raw)) != raw || int64(len(s.side)) != side {
		return nil, ErrDamaged
	}
	return s, nil
}
