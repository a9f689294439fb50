//go:build !race

package conformance

// crowd is how many times longer a thing may take than the rule says: the gate asks it in the midst
// of many tests under the race detector, and once without (Makefile, WHOLE).
const crowd = 1
