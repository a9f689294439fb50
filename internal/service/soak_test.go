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
			places, stride := 0, 1
			if cut {
				stride = 16
			}
			for at, size := 0, 1; at < size; at += stride {
				size = m.damaged(kind, cut, func(size int) int { return min(at, size-1) })
				places++
			}
			t.Logf("%s: %d places (cut: %v)", kind, places, cut)
		}
	}
}

func TestSoakNothingIsLostInAnyHistory(t *testing.T) {
	histories(t, 2_000_000, 20_000, db.Options{Unsafe: true})
}
