package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Bounds of the zstd frames.
const (
	maxFrame  = 4 << 20 // raw bytes of a data frame that a reader accepts
	maxStored = maxFrame + maxFrame>>7 + 1024
	maxWindow = 8 << 20
)

const (
	skippableMagic = 0x184D2A5A
	skippableHead  = 8 // magic and length, four bytes each, little-endian
)

// Frames worked on at once. More would break the bounds on memory: an encoder takes
// 36 MiB, which the garbage collector may double, and a reader's job up to 8 MiB.
func builders() int { return min(runtime.GOMAXPROCS(0), 3) }
func readers() int  { return min(runtime.GOMAXPROCS(0), 4) }

// coder compresses single frames: always the same bytes for the same input,
// whatever it compressed before. It keeps its encoders to itself while it is in use, for
// they are large and slow to make.
type coder struct {
	level  zstd.EncoderLevel
	window int
	idle   chan *zstd.Encoder
}

// encoders that no coder has, by level and window.
var encoders sync.Map // of *sync.Pool

func newCoder(level zstd.EncoderLevel, window int) *coder {
	return &coder{level: level, window: window, idle: make(chan *zstd.Encoder, builders())}
}

func (c *coder) spare() *sync.Pool {
	p, _ := encoders.LoadOrStore([2]int{int(c.level), c.window}, &sync.Pool{})
	return p.(*sync.Pool)
}

func (c *coder) encode(dst, raw []byte) []byte {
	var e *zstd.Encoder
	select {
	case e = <-c.idle:
	default:
		e = c.encoder()
	}
	defer func() {
		select {
		case c.idle <- e:
		default: // more callers than expected
			c.spare().Put(e)
		}
	}()
	return e.EncodeAll(raw, dst)
}

func (c *coder) encoder() *zstd.Encoder {
	if e, ok := c.spare().Get().(*zstd.Encoder); ok {
		return e
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(c.level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(c.window),
		zstd.WithEncoderCRC(true), zstd.WithLowerEncoderMem(true), zstd.WithSingleSegment(true))
	if err != nil {
		panic("pack: constant options of the encoder are refused: " + err.Error())
	}
	return e
}

// release gives the encoders back. The coder is not used again.
func (c *coder) release() {
	for {
		select {
		case e := <-c.idle:
			c.spare().Put(e)
		default:
			return
		}
	}
}

var decoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(true))
	if err != nil {
		panic("pack: constant options of the decoder are refused: " + err.Error())
	}
	return d
}}

// decode expands one frame that must say and give exactly size bytes, into
// dst's memory when it is large enough. Zstd's own checksum is not looked at: what we
// accept is proved by SHA-256.
func decode(dst, stored []byte, size int) ([]byte, error) {
	var h zstd.Header
	switch err := h.Decode(stored); {
	case err != nil:
		return nil, err
	case h.Skippable:
		return nil, errors.New("it is a skippable frame")
	case h.DictionaryID != 0:
		return nil, errors.New("it wants a dictionary")
	case !h.HasFCS || h.FrameContentSize != uint64(size):
		return nil, fmt.Errorf("it does not say that it holds %d bytes", size)
	}
	if cap(dst) < size {
		dst = make([]byte, 0, size)
	}
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	raw, err := d.DecodeAll(stored, dst[:0:size])
	if err == nil && len(raw) != size {
		err = fmt.Errorf("it holds %d bytes, not %d", len(raw), size)
	}
	return raw, err
}

func appendSkippable(b []byte, payload ...[]byte) []byte {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	b = binary.LittleEndian.AppendUint32(b, skippableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for _, p := range payload {
		b = append(b, p...)
	}
	return b
}

// skippableSize is the length of the payload, or an error when b begins
// no skippable frame of ours.
func skippableSize(b []byte) (int64, error) {
	if len(b) < skippableHead || binary.LittleEndian.Uint32(b) != skippableMagic {
		return 0, errors.New("no skippable frame begins here")
	}
	return int64(binary.LittleEndian.Uint32(b[4:])), nil
}
