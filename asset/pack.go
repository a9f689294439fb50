package asset

import (
	"fmt"
	"slices"
	"strings"
)

// PackID is the identifier of an asset pack, unique within its app. It is safe
// as a single path element on every system.
type PackID string

// MaxPackID bounds a pack's identifier, in bytes. The number is ours: on the disk
// the identifier is a directory's name, beside which there must be room.
const MaxPackID = 100

// ParsePackID accepts letters, digits and hyphens (managed §8.5), at most 100
// bytes. Names that mean a device on Windows are refused. Anything else is a
// configuration error (1000).
func ParsePackID(s string) (PackID, error) {
	if problem := checkPackID(s); problem != "" {
		return "", &Error{Code: CodeConfiguration, Op: "read asset pack identifier", Subject: quote(s), Message: problem, Help: mendPackID}
	}
	return PackID(s), nil
}

const mendPackID = "use letters, digits and hyphens only, for example level-2-textures"

func checkPackID(s string) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > MaxPackID:
		return fmt.Sprintf("it is longer than %d bytes", MaxPackID)
	case isDevice(s):
		return "it is the name of a device on Windows"
	}
	for _, r := range s {
		if r != '-' && !strings.ContainsRune(letters+digits, r) {
			return fmt.Sprintf("it holds %q", r)
		}
	}
	return ""
}

func isDevice(s string) bool {
	s = strings.ToUpper(s)
	port := len(s) == 4 && s[3] >= '1' && s[3] <= '9' && (s[:3] == "COM" || s[:3] == "LPT")
	return port || slices.Contains([]string{"CON", "PRN", "AUX", "NUL"}, s)
}

// MaxPackVersion bounds the version of a pack, from 0 on (managed §2.1; the number
// is ours).
const MaxPackVersion = 1<<31 - 1

// Platform is a system that a pack is for, as packaging manifests spell it
// (managed §6.3). None means all.
type Platform string

// The platforms: Apple's, and ours.
const (
	PlatformIOS      Platform = "iOS" // iPadOS too
	PlatformMacOS    Platform = "macOS"
	PlatformTVOS     Platform = "tvOS"
	PlatformVisionOS Platform = "visionOS"
	PlatformLinux    Platform = "Linux"
	PlatformWindows  Platform = "Windows"
)

var platforms = []Platform{PlatformIOS, PlatformMacOS, PlatformTVOS, PlatformVisionOS, PlatformLinux, PlatformWindows}

// Platforms gives all there are, in the order in which manifests list them.
func Platforms() []Platform { return slices.Clone(platforms) }

// ParsePlatform accepts the platforms as they are spelled; anything else is a
// configuration error (1000) that says how to write it.
func ParsePlatform(s string) (Platform, error) {
	if slices.Contains(platforms, Platform(s)) {
		return Platform(s), nil
	}
	return "", &Error{Code: CodeConfiguration, Op: "read platform", Subject: quote(s), Message: "there is no such platform", Help: mendPlatform(s)}
}

func mendPlatform(s string) string {
	if strings.EqualFold(s, "iPadOS") {
		return `write "iOS", which is iPadOS too`
	}
	for _, p := range platforms {
		if strings.EqualFold(s, string(p)) {
			return fmt.Sprintf("write %q", p)
		}
	}
	return "write " + choice(platforms) + ", or leave the list empty for all"
}

// choice is `"a", "b" or "c"`.
func choice[S ~string](words []S) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", string(w))
	}
	return b.String()
}
