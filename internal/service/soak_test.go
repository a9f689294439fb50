//go:build soak

package service

import (
	"testing"

	"larder/internal/db"
	"larder/internal/trust"
)

func TestSoakASiteDamagedAtAnyByteChangesNothing(t *testing.T) {
	m := stockedWith(t, "honest 0")
	m.rotate(trust.RoleTimestamp)
	m.release("honest and new")
	for _, kind := range changing {
		for _, cut := range []bool{false, true} {
			at := 0
			for size := 1; at < size; at++ {
				size = m.damaged(kind, cut, func(size int) int { return min(at, size-1) })
			}
			t.Logf("%s: %d places (cut: %v)", kind, at, cut)
		}
	}
}

func TestSoakNothingIsLostInAnyHistory(t *testing.T) {
	histories(t, 2_000_000, 20_000, db.Options{Unsafe: true})
}
