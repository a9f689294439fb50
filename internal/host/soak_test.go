//go:build soak && unix

package host

import "testing"

// morePoints are the others that the host passes on the way below.
var morePoints = []string{"version reserved", "file reserved", "part begun", "part noted", "job claimed", "manifest judged", "pack judged", "delta made", "edition read",
	"failure noted", "staged file removed"}

func TestSoakKillingTheHostAtEveryPointLosesNothing(t *testing.T) {
	killing(t, append(morePoints, points...))
}
