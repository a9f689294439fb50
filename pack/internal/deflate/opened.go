package deflate

import (
	"errors"
	"io"
	"sort"
)

// Opened reads an opened stream at any place: its raw, and then its side. It opens a stretch at a
// time, from places that it noted when it went through the whole stream once. It takes some
// 5 MiB at most. One goroutine has it.
type Opened struct {
	r         io.ReaderAt
	size      int64
	raw, side int64
	work      *int64 // bytes that may still be opened, all streams together
	marks     []mark
	e         *engine
	err       error

	at       int // the stretch at hand, after that mark
	rawBytes []byte
	telling  []byte
}

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

// NewOpened of a stream of size closed bytes, which hold raw bytes, told by side bytes. What it opens,
// it takes from work; when nothing is left, it fails.
func NewOpened(r io.ReaderAt, size, raw, side int64, work *int64) *Opened {
	return &Opened{r: r, size: size, raw: raw, side: side, work: work, at: -1}
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
	if o.err = o.stretch(i); o.err != nil {
		return 0, o.err
	}
	if off < o.raw {
		return copy(b, o.rawBytes[off-from(i):]), nil
	}
	return copy(b, o.telling[off-from(i):]), nil
}

// survey goes through the stream once, and leaves marks.
func (o *Opened) survey() error {
	if *o.work -= o.raw + o.side; *o.work < 0 {
		return errWork
	}
	o.e = newEngine(o.r, o.size)
	e, last := o.e, int64(0)
	every := max(leastStretch, (o.raw+o.side)/mostMarks)
	o.marks = append(o.marks, mark{})
	dropped, sides := int64(0), int64(0)
	for {
		err := e.step(8 * o.size)
		raw, side := dropped+int64(len(e.raw)), sides+int64(len(e.side))
		switch {
		case err == io.EOF && raw == o.raw && side == o.side:
			return nil
		case err == io.EOF, raw > o.raw, side > o.side:
			return ErrDamaged
		case err != nil:
			return err
		}
		if raw+side-last >= every && e.run == 0 {
			last = raw + side
			before := e.raw[max(0, len(e.raw)-history):]
			o.marks = append(o.marks, mark{place: e.place, bit: e.in.pos(), raw: raw, side: side, before: append([]byte(nil), before...)})
		}
		if k := len(e.raw) - history; k > 16*history {
			dropped += int64(k)
			e.raw = append(e.raw[:0], e.raw[k:]...)
		}
		sides, e.side = side, e.side[:0]
	}
}

// stretch opens what lies behind a mark.
func (o *Opened) stretch(i int) error {
	if i == o.at {
		return nil
	}
	o.at = -1
	m, e := o.marks[i], o.e
	if e.place = m.place; m.state == inCodes {
		e.in.seek(m.head)
		if err := e.header(); err != nil {
			return err
		}
	}
	e.place, e.run = m.place, 0
	e.raw, e.side = append(e.raw[:0], m.before...), e.side[:0]
	e.in.seek(m.bit)
	raw, side := o.raw, o.side
	if i+1 < len(o.marks) {
		raw, side = o.marks[i+1].raw, o.marks[i+1].side
	}
	if *o.work -= raw - m.raw + side - m.side; *o.work < 0 {
		return errWork
	}
	for int64(len(e.raw)-len(m.before)) < raw-m.raw || int64(len(e.side)) < side-m.side {
		if err := e.step(8 * o.size); err != nil {
			return ErrDamaged
		}
	}
	o.rawBytes, o.telling, o.at = e.raw[len(m.before):], e.side, i
	if int64(len(o.rawBytes)) != raw-m.raw || int64(len(o.telling)) != side-m.side {
		return ErrDamaged
	}
	return nil
}
