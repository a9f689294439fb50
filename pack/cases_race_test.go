//go:build race

package pack

// Deltas are coded some thirty times slower under the race detector.
const (
	randomCases = 20

	deltaPairs = 2
	headStep   = 13

	damagedPlaces = 1
)
