//go:build soak

package service

import (
	"testing"

	"larder/internal/db"
)

func TestSoakNothingIsLostInAnyHistory(t *testing.T) {
	histories(t, 2_000_000, 20_000, db.Options{Unsafe: true})
}
