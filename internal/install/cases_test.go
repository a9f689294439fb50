//go:build !race

package install

// How many random histories and power cuts CI lives through. "make test" runs these
// once more without the race detector, under which packs take five times as long.
const ciHistories, ciCuts = 54, 60
