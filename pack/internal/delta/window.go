package delta

import (
	"io"
	"slices"
)

// Window reads the old payload page by page and keeps the pages lately used.
// One goroutine has it.
type Window struct {
	r     io.ReaderAt
	size  int64
	pages [windowPages]page
	gone  []int64 // numbers of pages read and not kept
	err   error

	mem   []byte // instead of r: old bytes at hand
	memAt int64  // their address; what is before reads as zeros
}

const (
	pageSize    = 16 << 10
	windowPages = 512
)

type page struct {
	number int64 // plus one
	b      []byte
}

// NewWindow on an old payload of the given size.
func NewWindow(r io.ReaderAt, size int64) *Window { return &Window{r: r, size: size} }

// Reset forgets what was read, and tells the ranges that it was read from, in order.
func (w *Window) Reset() (ranges [][2]int64) {
	numbers := w.gone
	for i := range w.pages {
		if n := w.pages[i].number; n > 0 {
			numbers = append(numbers, n)
			w.pages[i].number = 0
		}
	}
	w.gone, w.err = nil, nil
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		ranges = append(ranges, [2]int64{(n - 1) * pageSize, min(n*pageSize, w.size)})
	}
	return ranges
}

// from gives bytes from at on, at least one and up to the end of their page; none
// where there is no old payload.
func (w *Window) from(at int64) []byte {
	if at < 0 || at >= w.size {
		return nil
	}
	if w.mem != nil {
		return w.memory(at)
	}
	n := at / pageSize
	p := &w.pages[n%windowPages]
	if p.number != n+1 {
		if p.b == nil {
			p.b = make([]byte, pageSize)
		}
		if p.number > 0 {
			w.gone = append(w.gone, p.number)
		}
		p.number = n + 1
		p.b = p.b[:min(pageSize, w.size-n*pageSize)]
		if k, err := w.r.ReadAt(p.b, n*pageSize); k < len(p.b) {
			clear(p.b[k:])
			if w.err == nil {
				w.err = err
			}
		}
	}
	return p.b[at%pageSize:]
}

// Read fills b with old bytes.
func (w *Window) Read(b []byte, at int64) { w.read(b, at) }

// read fills b with old bytes, and with zeros where there are none.
func (w *Window) read(b []byte, at int64) {
	if k := min(int64(len(b)), w.size-at); k >= 2*pageSize && at >= 0 && w.mem == nil {
		w.past(b[:k], at)
		b, at = b[k:], at+k
	}
	for len(b) > 0 {
		if at < 0 {
			k := min(-at, int64(len(b)))
			clear(b[:k])
			b, at = b[k:], at+k
			continue
		}
		p := w.from(at)
		if p == nil {
			clear(b)
			return
		}
		k := copy(b, p)
		b, at = b[k:], at+int64(k)
	}
}

// past reads much at once, past the pages.
func (w *Window) past(b []byte, at int64) {
	for n := at / pageSize; n*pageSize < at+int64(len(b)); n++ {
		w.gone = append(w.gone, n+1)
	}
	if k, err := w.r.ReadAt(b, at); k < len(b) {
		clear(b[k:])
		if w.err == nil {
			w.err = err
		}
	}
}

var zeroPage [pageSize]byte

// memory is from, of bytes at hand.
func (w *Window) memory(at int64) []byte {
	if at < w.memAt {
		return zeroPage[:min(pageSize, w.memAt-at)]
	}
	return w.mem[at-w.memAt:]
}

// Grow makes the old payload as large as that. The page of its end is read anew.
func (w *Window) Grow(size int64) {
	n := w.size / pageSize
	if p := &w.pages[n%windowPages]; p.number == n+1 {
		p.number = 0
	}
	w.size = size
}
