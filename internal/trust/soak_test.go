//go:build soak

package trust

import "testing"

func TestSoakDamageAtEveryByte(t *testing.T) {
	stride = 1
	TestADamagedDocumentNeverPassesAndNeverPanics(t)
}
