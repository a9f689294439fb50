package extension

import (
	"encoding/json"
	"strings"
	"unicode"

	"larder/asset"
)

// clean makes foreign text fit for a terminal and a log: valid UTF-8, on one line,
// without control or formatting characters, at most limit bytes and an ellipsis.
func clean(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if s = strings.TrimSpace(s); cut {
		s += "…"
	}
	return s
}

// excerpt is the beginning of a line, for an error message.
func excerpt(f *frame) string {
	return clean(string(f.bytes(span{0, min(f.n, 200)})), 160)
}

// typed gives the asset.Error a fault carries as data, its words made clean, or
// nil when it carries none.
func (f *fault) typed() *asset.Error {
	var e *asset.Error
	if len(f.Data) == 0 || json.Unmarshal(f.Data, &e) != nil || e == nil || e.Message == "" {
		return nil
	}
	e.Domain, e.Op, e.Subject = clean(e.Domain, 80), clean(e.Op, 80), clean(e.Subject, 1024)
	e.Message, e.Help = clean(e.Message, 1024), clean(e.Help, 1024)
	return e
}
