//go:build !race

package service

// "make test" goes this far without the race detector, under which a database takes ten times as
// long; with it, see the other file. The tests that are about other processes, or about a release's
// memory, are without it altogether.

// How long the fifty apps live.
const manyDays, fewDays = 60, 2

// How many random histories are lived.
const manyHistories, fewHistories = 2000, 200

// What is cut off, how often: an installation of this size for each of its files.
const cutSize, cuts = 256 << 20, 20

// How many updates a reader goes through.
const manyUpdates = 50
