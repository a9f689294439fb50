// Package pack is the asset pack: one file that holds a tree of files, made so
// that an update costs about what changed, on the wire and on the disk.
//
// It promises that [Build] gives the same bytes for the same tree, on any number
// of cores; that a pack is also an ordinary .tar.zst; that whatever [Archive.Extract]
// and [Plan.Apply] put on the disk was proved by SHA-256 first and lies inside the
// directory they were given; that [Archive.Verify] and [Archive.VerifyTree] find
// every wrong byte and name it; and that nothing read from a pack is trusted before
// its size was bounded. doc/pack-format.md is the format, precise enough for
// another implementation.
//
// It does not fetch, sign, select files by a manifest, or decide where a tree
// goes at last: it has no network and no service. A pack proves that it is
// whole, not who made it; compare its [Summary] names with a trusted source.
//
// Three names, all SHA-256: the content names the tree alone (paths, kinds,
// sizes, chunks) and is the identity of a version; the index names the bytes
// of the index; the archive names the bytes of the file.
//
// Damage is an [asset.Error] with code 1001 (a size is wrong, or bytes are missing)
// or 1002 (bytes are wrong); a tree that no pack may hold is 1000, two names that
// meet on some system 1009, a pack of a newer format 1008, one beyond our bounds
// 1012, a full disk 1004. Subjects name the entry, its offset, or the offset
// in the pack.
//
// The command line, the publisher, the installer and app authors call it.
package pack
