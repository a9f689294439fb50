package pack

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sort"
	"sync"

	"larder/pack/internal/deflate"
	"larder/pack/internal/delta"
)

// streams are those that a delta opens: of the base, so that their bytes can be spoken of
// as they were before they were compressed; of the target, because their bytes are told so
// (doc/pack-format.md, "Opened streams"). The opened old payload is the base's payload, and after it
// the raw and the side of each of its streams.
type streams struct {
	base, target []stream
	starts       []int64 // where each of base begins in the opened old payload
	plain, end   int64   // sizes of the base's payload, and of the opened one
}

// stream lies at an address of its payload.
type stream struct {
	deflate.Stream
	like int // of a target's: the stream of the base that it is likely to be like; -1: none
}

// Bounds of a delta's streams.
const (
	maxStreams   = 1 << 18
	maxList      = 4 << 20
	maxOpenedOld = 1 << 40
	maxOpenBits  = 1 << 14 // of a part's lead or tail
)

var errStreams = errors.New("its list of opened streams is damaged")

// list reports whether there are any: then every block begins with how its parts are told.
func (s *streams) list() bool { return len(s.base)+len(s.target) > 0 }

func (s *streams) place() {
	s.starts, s.end = s.starts[:0], s.plain
	for _, b := range s.base {
		s.starts = append(s.starts, s.end)
		s.end += b.Raw + b.Side
	}
}

// appendTo writes the list.
func (s *streams) appendTo(b []byte) []byte {
	put := func(list []stream, rest func(stream)) {
		b = binary.AppendUvarint(b, uint64(len(list)))
		end := int64(0)
		for _, t := range list {
			for _, n := range []int64{t.At - end, t.Closed, t.Every} {
				b = binary.AppendUvarint(b, uint64(n))
			}
			if t.Every > 0 {
				b = binary.AppendUvarint(b, uint64(t.First))
			}
			rest(t)
			end = t.End()
		}
	}
	put(s.base, func(t stream) { b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(t.Raw)), uint64(t.Side)) })
	next := 0
	put(s.target, func(t stream) {
		if t.like < 0 {
			b = append(b, 0)
			return
		}
		b = binary.AppendUvarint(b, 1+(uint64(t.like-next)<<1^uint64(int64(t.like-next)>>63)))
		next = t.like + 1
	})
	return b
}

// readStreams reads a list, for payloads of such sizes.
func readStreams(b []byte, base, target int64) (*streams, error) {
	s := &streams{plain: base}
	n := numbers{b: b}
	list := func(size int64, rest func(*stream)) (out []stream) {
		end := int64(0)
		for left := n.take(maxStreams); left > 0 && !n.bad; left-- {
			t := stream{Stream: deflate.Stream{At: end + n.take(size-end), Closed: n.take(size), Every: n.take(size)}}
			if t.Every > 0 {
				t.First = n.take(size)
			}
			rest(&t)
			if t.Closed < 1 || t.Every > 0 && t.First < 1 || t.End() > size {
				n.bad = true
			}
			end = t.End()
			out = append(out, t)
		}
		return out
	}
	s.base = list(base, func(t *stream) { t.Raw, t.Side = n.take(deflate.MostOpened), n.take(deflate.MostOpened) })
	next := 0
	s.target = list(target, func(t *stream) {
		if t.like = -1; n.bad {
			return
		}
		if z := n.take(4 * maxStreams); z > 0 {
			z--
			t.like = next + int(z>>1^-(z&1))
			next = t.like + 1
			n.bad = n.bad || t.like < 0 || t.like >= len(s.base)
		}
	})
	s.place()
	if n.bad || len(n.b) > 0 || s.end-s.plain > maxOpenedOld {
		return nil, errStreams
	}
	return s, nil
}

// listPieces are those of the list, which is coded as a block that has no old payload.
func listPieces(size int) []delta.Piece { return []delta.Piece{{Len: size, Hint: -1}} }

func noWindow() *delta.Window { return delta.NewWindow(nil, 0) }

// hints tell where a part of a target's stream probably stands in the opened old payload.
func (s *streams) hints(p *part) (raw, side int64) {
	raw, side = -1, -1
	if i := s.target[p.stream].like; i >= 0 {
		if p.rawAt < s.base[i].Raw {
			raw = s.starts[i] + p.rawAt
		}
		if p.sideAt < s.base[i].Side {
			side = s.starts[i] + s.base[i].Raw + p.sideAt
		}
	}
	return raw, side
}

// openedOld reads the opened old payload. What cannot be opened reads as zeros, for whatever is made
// of it is proved. One goroutine has it.
type openedOld struct {
	r io.ReaderAt // the base's payload
	*openStreams
}

// openStreams are the base's. Several goroutines may have them.
type openStreams struct {
	*streams
	r     io.ReaderAt // the base's payload
	mu    sync.Mutex
	open  map[int]*deflate.Opened
	cache deflate.Cache
}

const (
	openAtOnce   = 4 // streams are kept with their marks, some 2 MiB each at most
	openedCache  = 16 << 20
	packersCache = 96 << 20
	openTimes    = 256 // times a device opens all streams; then it is a delta that means harm
)

func newOpenStreams(r io.ReaderAt, s *streams, cache deflate.Cache) *openStreams {
	return &openStreams{streams: s, r: r, open: map[int]*deflate.Opened{}, cache: cache}
}

// over reads the opened old payload whose plain bytes r reads.
func (o *openStreams) over(r io.ReaderAt) io.ReaderAt {
	if len(o.base) == 0 {
		return r
	}
	return openedOld{r: r, openStreams: o}
}

// ReadAt implements io.ReaderAt.
func (o openedOld) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		at := off + int64(n)
		switch {
		case at >= o.end:
			return n, io.EOF
		case at < o.plain:
			k := int(min(int64(len(b)-n), o.plain-at))
			if got, err := o.r.ReadAt(b[n:n+k], at); got < k {
				return n + got, err
			}
			n += k
		default:
			i := sort.Search(len(o.starts), func(i int) bool { return o.starts[i] > at }) - 1
			k := int(min(int64(len(b)-n), o.starts[i]+o.base[i].Raw+o.base[i].Side-at))
			o.read(i, b[n:n+k], at-o.starts[i])
			n += k
		}
	}
	return n, nil
}

// read fills b from a place in an opened stream.
func (o *openStreams) read(i int, b []byte, at int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.open[i]
	if s == nil {
		for k := range o.open {
			if len(o.open) < openAtOnce {
				break
			}
			delete(o.open, k)
		}
		t := o.base[i]
		s = deflate.NewOpened(deflate.Closed{R: o.r, Stream: t.Stream}, t.Closed, t.Raw, t.Side, &o.cache)
		o.open[i] = s
	}
	if n, err := s.ReadAt(b, at); err != nil {
		clear(b[n:])
	}
}

// What a packer holds to be worth that a device opens a stretch of a stream for it.
const (
	worthOpening = 2 << 10 // bytes that match anywhere
	nearOpened   = 3 << 20 // around where a part probably stands all that match are
)

// worth reports whether a match with old bytes is worth what must be opened for it, beside
// what is near.
func (s *streams) worth(from, end int64, near [][2]int64) bool {
	return from < s.plain || end-from >= worthOpening ||
		slices.ContainsFunc(near, func(r [2]int64) bool { return from >= r[0] && end <= r[1] })
}

// closed gives the ranges of the base's payload that such ranges of the opened one were made from.
func (s *streams) closed(ranges [][2]int64) (out [][2]int64) {
	for _, r := range ranges {
		if r[0] < s.plain {
			out = append(out, [2]int64{r[0], min(r[1], s.plain)})
		}
		i := sort.Search(len(s.starts), func(i int) bool { return s.starts[i]+s.base[i].Raw+s.base[i].Side > r[0] })
		for ; i < len(s.starts) && s.starts[i] < r[1]; i++ {
			out = append(out, [2]int64{s.base[i].At, s.base[i].End()})
		}
	}
	return out
}
