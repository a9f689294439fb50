// Package deflate takes deflate streams apart, as they are in zip, gzip and PNG files,
// into the bytes that they hold (raw) and how these are told (side), and puts them
// together again, bit for bit, whoever compressed them. It promises that neither takes
// more than it is given room for, whatever it is given. It compresses nothing, and does
// not know packs. doc/pack-format.md, "Opened streams", is the format.
//
// Package pack calls it.
package deflate

import "errors"

// ErrDamaged is what a stream or a part of one is that cannot be taken apart or put together.
var ErrDamaged = errors.New("this is no deflate stream")

// Sizes of the code, RFC 1951.
const (
	literals  = 288
	distances = 30
	endBlock  = 256
	longest   = 258
	history   = 32 << 10
)

// Kinds of a block.
const (
	kindStored = iota
	kindFixed
	kindDynamic
)

// The side's record of a block's header begins with a byte: final, kind, silent.
const (
	bitFinal  = 1
	kindShift = 1
	bitSilent = 1 << 3 // it repeats the header of the block that the part begins in
)

// Code length symbols of a header, as a byte each: 0 … 15, or a repetition and its extra bits.
const (
	repeatLast  = 0x20 // 2 bits
	repeatZero  = 0x40 // 3 bits
	repeatZeros = 0x80 // 7 bits
)

// A length as a byte: 0 ends the block, 1 … 254 is 3 … 256, and 255 says that a byte follows.
const (
	long257  = iota
	long258  // symbol 285
	long258b // symbol 284 with all its extra bits
)

var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [distances]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [distances]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	codeOrder  = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// The code of kindFixed.
var fixedLits, fixedDists = fixedLengths()

func fixedLengths() (lits, dists []uint8) {
	for i := range literals {
		switch {
		case i < 144 || i >= 280:
			lits = append(lits, 8)
		case i < 256:
			lits = append(lits, 9)
		default:
			lits = append(lits, 7)
		}
	}
	for range distances {
		dists = append(dists, 5)
	}
	return lits, dists
}
