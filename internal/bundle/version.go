package bundle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Version is CFBundleShortVersionString: what a person sees, and what the
// appVersions of an asset pack compare with.
type Version struct{ Major, Minor, Patch int }

// ParseVersion accepts one to three non-negative integers of at most nine
// digits with dots between them; missing parts are 0.
func ParseVersion(s string) (Version, error) {
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return Version{}, errors.New("it has more than three parts")
	}
	var n [3]int
	for i, p := range parts {
		if p == "" || len(p) > 9 || strings.Trim(p, "0123456789") != "" {
			return Version{}, fmt.Errorf("its part %d is not an integer of at most nine digits", i+1)
		}
		n[i], _ = strconv.Atoi(p)
	}
	return Version{Major: n[0], Minor: n[1], Patch: n[2]}, nil
}

// String gives all three parts: "1.2.0".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }
