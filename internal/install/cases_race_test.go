//go:build race

package install

const ciHistories, ciCuts = 5, 8
