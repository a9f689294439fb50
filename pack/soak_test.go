//go:build soak

package pack

import "testing"

func TestSoakAppliedUpdatesEqualExtractedPacks(t *testing.T) { randomUpdates(t, 2000) }
