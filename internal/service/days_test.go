//go:build !race

package service

// How long the fifty apps live. "make test" runs this once without the race
// detector, under which the database takes ten times as long.
const manyDays, fewDays = 60, 2

// How many random histories are lived.
const manyHistories, fewHistories = 2000, 200
