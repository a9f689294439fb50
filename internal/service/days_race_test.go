//go:build race

package service

const manyDays, fewDays = 3, 1
