//go:build !race

package pack

const (
	randomCases = 400 // random updates; "make soak" makes 2,000

	deltaPairs = 8 // random pairs of trees that a delta leads between
	headStep   = 1 // every so many bytes of a delta's head are damaged

	damagedPlaces = 6 // of a fine file
)
