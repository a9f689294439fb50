// Package asset holds the words of Larder: the nouns that every other package,
// the local API, the extension protocol and the documents share. It does no I/O
// and imports nothing of ours.
//
// Words follow Apple's Background Assets, without the BA prefix; where a doc
// comment says "classic §2.2" it names the section of the behaviour we keep
// faith with (doc/conformance.md lists them).
package asset

import (
	"fmt"
	"strings"
)

// AppID is the identifier of an app, in reverse-DNS form: "org.example.game".
// It is safe as a single path element.
type AppID string

// GroupID is the identifier of an app group: the name of the shared directory
// ("group container") that an app and its extension both may write.
type GroupID string

const maxID = 155

// ParseAppID accepts letters, digits, '-' and '.', at most 155 bytes, with no
// empty part. Anything else is a configuration error (1000).
func ParseAppID(s string) (AppID, error) {
	if err := checkID(s); err != nil {
		return "", &Error{Code: CodeConfiguration, Op: "read app identifier", Subject: quote(s), Message: err.Error(),
			Help: "use reverse-DNS form, for example org.example.game"}
	}
	return AppID(s), nil
}

// ParseGroupID accepts what ParseAppID accepts.
func ParseGroupID(s string) (GroupID, error) {
	if err := checkID(s); err != nil {
		return "", &Error{Code: CodeConfiguration, Op: "read app group", Subject: quote(s), Message: err.Error(),
			Help: "use reverse-DNS form, for example group.org.example.game"}
	}
	return GroupID(s), nil
}

func checkID(s string) error {
	if s == "" {
		return fmt.Errorf("it is empty")
	}
	if len(s) > maxID {
		return fmt.Errorf("it is longer than %d bytes", maxID)
	}
	for _, part := range strings.Split(s, ".") {
		if part == "" {
			return fmt.Errorf("it has an empty part between dots")
		}
	}
	for _, r := range s {
		ok := r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !ok {
			return fmt.Errorf("it holds %q; only letters, digits, '-' and '.' are allowed", r)
		}
	}
	return nil
}

func quote(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return fmt.Sprintf("%q", s)
}
