package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/micromdm/plist"
)

// Bounds of one Info file, whatever its format. Real ones hold some hundred
// values, a few levels deep.
const (
	maxDepth  = 64
	maxValues = 50_000  // keys of a property list included
	maxBytes  = 4 << 20 // of strings and data, counted each time they are referred to
)

var (
	errDepth  = fmt.Errorf("it is nested deeper than %d levels", maxDepth)
	errValues = fmt.Errorf("it holds more than %d values", maxValues)
	errNoDict = errors.New("its outermost value is not a dictionary")
)

// parsePlist reads an XML or binary property list. A guard of ours looks at the
// bytes first, because the library trusts offsets, counts and references.
// doubles are the dotted paths of keys that are there twice.
func parsePlist(data []byte) (m map[string]any, doubles []string, err error) {
	binary := bytes.HasPrefix(data, []byte("bplist"))
	if binary {
		doubles, err = guardBinary(data)
	} else {
		data = withoutBOM(data)
		doubles, err = guardXML(data)
	}
	if err != nil {
		return nil, doubles, err
	}
	var v any
	if err := plist.Unmarshal(data, &v); err != nil {
		return nil, doubles, fmt.Errorf("it is not a property list: %w", err)
	}
	m, ok := normal(v, binary).(map[string]any)
	if !ok {
		return nil, doubles, errNoDict
	}
	return m, doubles, nil
}

// trail is the way from the outermost value to one inside: keys and indexes.
type trail []string

// String joins the parts with dots, each shortened.
func (t trail) String() string {
	parts := make([]string, len(t))
	for i, p := range t {
		parts[i] = clean(p, maxValue)
	}
	return strings.Join(parts, ".")
}

// keyError is a fault of one value that keeps the whole file from being read.
type keyError struct{ key, value, problem string }

func (e *keyError) Error() string { return e.key + " " + e.problem }

func withoutBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }
