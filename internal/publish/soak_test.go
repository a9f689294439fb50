//go:build soak

package publish

import "testing"

func TestSoakPowerCutsAtEveryStep(t *testing.T) {
	stride = 1
	TestPowerCutsLeaveTheOldStateOrTheNew(t)
}
