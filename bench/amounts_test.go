//go:build !race

package main

// keptSize is how much of a pack an update keeps.
const keptSize = 3 << 20
