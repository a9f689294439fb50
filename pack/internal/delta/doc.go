// Package delta codes new bytes against old ones, in blocks that stand alone: each needs
// the old payload, its pieces and its stored bytes, and nothing of another block. It promises
// that decoding ends within the block and the old payload whatever it is given, in
// some 24 MiB, and that it gives back what was encoded. It does not know packs,
// files or networks, and proves nothing: its caller holds what comes out against hashes.
// doc/pack-format.md, "How a block is coded", is the format.
//
// Package pack calls it.
package delta
