//go:build race

package conformance

const crowd = 5
