//go:build race

package service

const manyDays, fewDays = 3, 1

// "make test" lives the 2,000 and the 200 without the race detector.
const manyHistories, fewHistories = 20, 5
