//go:build race

package service

const manyDays, fewDays = 3, 1

const manyHistories, fewHistories = 20, 5

const cutSize, cuts = 64 << 20, 5

const manyUpdates = 12
