// Package install puts packs on an app's shelf: the write side of what package shelf
// reads (doc/shelf-format.md).
//
// It promises that an update costs about what changed, because everything on the
// shelf serves as old bytes ([Store.Stage]); that a set of packs becomes visible at
// once or not at all ([Store.Commit]); that nothing goes away which a process still has
// a lease on ([Store.Prune]); and that each step may be cut off at any moment, by
// kill -9 or by a power cut, and done again: what was proved and is on the disk is
// not fetched again, and no shelf is ever between two states. Two packs with one path
// are refused before anybody sees them.
//
// It does not fetch (a [pack.Fetcher] does), decide which packs an app should have, or
// keep records: the file system is the truth of the shelf. It trusts the caller that
// the index is the one that was published.
//
// Errors: 1004 when the disk is too small, with what is needed and where; 1009 for
// two packs with one path; 1002 and 1001 for an index or bytes that are wrong; 1008 for a
// shelf of a newer Larder; 1015 when a call does not fit, such as a second writer. The
// service calls it; one process at a time writes a shelf.
package install
