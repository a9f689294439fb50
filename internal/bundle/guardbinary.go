package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
)

var (
	errBinaryEnd     = errors.New("its end does not describe the file")
	errBinaryObject  = errors.New("an object lies outside the file")
	errBinaryObjects = errors.New("it holds an object that an Info.plist has no use for")
)

// guardBinary walks a binary property list as the library will, every shared
// object as often as it is referred to, and refuses offsets and counts that lie,
// depth (and with it cycles), and lists that are small on disk and huge in
// memory.
func guardBinary(data []byte) (doubles []string, err error) {
	if !bytes.HasPrefix(data, []byte("bplist00")) {
		return nil, errors.New("it is of an unknown binary version")
	}
	if len(data) < 8+1+1+32 {
		return nil, errBinaryEnd
	}
	end := data[len(data)-32:]
	g := &binaryGuard{data: data, offSize: uint64(end[6]), refSize: uint64(end[7]),
		count: bigEndian(end[8:16]), table: bigEndian(end[24:32])}
	root, limit := bigEndian(end[16:24]), uint64(len(data)-32)
	switch {
	case g.offSize < 1 || g.offSize > 8 || g.refSize < 1 || g.refSize > 8,
		g.table < 8 || g.table > limit,
		g.count < 1 || g.count > (limit-g.table)/g.offSize,
		root >= g.count:
		return nil, errBinaryEnd
	}
	err = g.walk(root, nil)
	return g.doubles, err
}

type binaryGuard struct {
	data             []byte
	offSize, refSize uint64
	count, table     uint64 // the objects, and where their offsets stand
	values, bytes    uint64 // spent so far
	doubles          []string
}

func (g *binaryGuard) walk(ref uint64, at trail) error {
	if len(at) >= maxDepth {
		return fmt.Errorf("%w, or refers to itself", errDepth)
	}
	if g.values++; g.values > maxValues {
		return errValues
	}
	kind, body, n, err := g.object(ref)
	if err != nil {
		return err
	}
	switch kind {
	case 0xa, 0xd:
		if kind == 0xd {
			n *= 2
		}
		if n > (g.table-body)/g.refSize {
			return errBinaryObject
		}
	default:
		if g.bytes += n; g.bytes > maxBytes {
			return fmt.Errorf("it unfolds to more than %d bytes", maxBytes)
		}
		if n > g.table-body {
			return errBinaryObject
		}
		return nil
	}
	element := func(i uint64) uint64 { return bigEndian(g.data[body+i*g.refSize : body+(i+1)*g.refSize]) }
	if kind == 0xa {
		for i := range n {
			if err := g.walk(element(i), append(at, strconv.FormatUint(i, 10))); err != nil {
				return err
			}
		}
		return nil
	}
	seen := map[string]bool{}
	for i := range n / 2 {
		key, err := g.key(element(i))
		if err != nil {
			return err
		}
		sub := append(at, key)
		if seen[key] && len(g.doubles) < maxFaults {
			g.doubles = append(g.doubles, sub.String())
		}
		seen[key] = true
		if err := g.walk(element(n/2+i), sub); err != nil {
			return err
		}
	}
	return nil
}

// object finds an object: its kind, where its body starts, and the length of
// the body in bytes (for arrays and dictionaries the number of elements).
func (g *binaryGuard) object(ref uint64) (kind byte, body, n uint64, err error) {
	if ref >= g.count {
		return 0, 0, 0, errBinaryObject
	}
	o := g.table + ref*g.offSize
	off := bigEndian(g.data[o : o+g.offSize])
	if off < 8 || off >= g.table {
		return 0, 0, 0, errBinaryObject
	}
	marker := g.data[off]
	kind, low, body := marker>>4, uint64(marker&0xf), off+1
	switch kind {
	case 0x0:
		if low != 8 && low != 9 && low != 0 {
			return 0, 0, 0, errBinaryObjects
		}
		return kind, body, 0, nil
	case 0x1, 0x2: // integer of 1 to 8 bytes; real of 4 or 8
		if low > 3 || kind == 0x2 && low < 2 {
			return 0, 0, 0, errors.New("it holds a number that is not of 64 bits or less")
		}
		return kind, body, 1 << low, nil
	case 0x3:
		return kind, body, 8, nil
	case 0x4, 0x5, 0x6, 0xa, 0xd:
	default:
		return 0, 0, 0, errBinaryObjects
	}
	n = low
	if low == 0xf {
		if body >= g.table || g.data[body] > 0x13 || g.data[body] < 0x10 {
			return 0, 0, 0, errBinaryObject
		}
		size := uint64(1) << (g.data[body] & 0xf)
		if body++; size > g.table-body {
			return 0, 0, 0, errBinaryObject
		}
		n, body = bigEndian(g.data[body:body+size]), body+size
	}
	if n > uint64(len(g.data)) {
		return 0, 0, 0, errBinaryObject
	}
	if kind == 0x6 {
		n *= 2
	}
	return kind, body, n, nil
}

// key is the text of a dictionary key.
func (g *binaryGuard) key(ref uint64) (string, error) {
	kind, body, n, err := g.object(ref)
	if err != nil {
		return "", err
	}
	if kind != 0x5 && kind != 0x6 {
		return "", errors.New("it has a key that is not a string")
	}
	g.bytes += n
	g.values++
	if n > g.table-body || g.bytes > maxBytes {
		return "", errBinaryObject
	}
	text := g.data[body : body+n]
	if kind == 0x5 {
		return string(text), nil
	}
	units := make([]uint16, n/2)
	for i := range units {
		units[i] = uint16(bigEndian(text[2*i : 2*i+2]))
	}
	return string(utf16.Decode(units)), nil
}

func bigEndian(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}
