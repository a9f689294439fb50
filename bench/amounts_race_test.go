//go:build race

package main

// Deltas are coded some thirty times slower under the race detector.
const keptSize = 3 << 18
