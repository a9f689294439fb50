// Package language is what Larder knows of languages: the tags that packs may
// bear, when two of them mean the same, and which of those on offer a person is
// given (managed §1.8). It is pure, and the only place that reads CLDR's tables.
package language

import (
	"regexp"
	"strings"

	"golang.org/x/text/language"

	"larder/asset"
)

// Tag is a language, with script and region when these were said. The zero Tag is
// no language. Tags compare with ==, which tells spelling apart; see Same.
type Tag struct {
	text string // canonical case: "zh-Hant-TW"
	max  string // with likely subtags: the meaning
}

// form is what may stand in a manifest: an ISO 639 language, then maybe a script,
// then maybe a region; no variants, no extensions.
var form = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$`)

// Parse reads the tag of a pack: "ja", "es-US", "zh-Hant", "zh-Hans-VN". Case does
// not matter. Anything else, and a subtag that nobody registered, is 1000.
func Parse(s string) (Tag, error) {
	t, err := language.Parse(s)
	tag := of(t)
	if !form.MatchString(s) || err != nil || tag.IsZero() {
		return Tag{}, &asset.Error{Code: asset.CodeConfiguration, Op: "read language", Subject: clip(s), Message: "it is not a language tag that a pack may bear",
			Help: "write an ISO 639 language, then if need be a script and a region: ja, es-US, zh-Hant, zh-Hans-VN"}
	}
	return tag, nil
}

// Prefer reads what a person or a system says of itself, and takes more: variants
// and extensions are left out ("de-1996"), and so are the marks of a POSIX locale
// ("de_AT.UTF-8@euro"). False when it names no language ("C", "und", "").
func Prefer(s string) (Tag, bool) {
	s, _, _ = strings.Cut(s, ".")
	s, _, _ = strings.Cut(s, "@")
	if len(s) > 100 {
		return Tag{}, false
	}
	t, err := language.Parse(strings.ReplaceAll(s, "_", "-"))
	if err != nil {
		return Tag{}, false
	}
	tag := of(t)
	return tag, tag.max != ""
}

func of(t language.Tag) Tag {
	b, s, r := t.Raw()
	if b.String() == "und" {
		return Tag{}
	}
	text := join(b, s, r)
	t = language.Make(text) // "en-ZZ" says that its region is unknown, and is "en"
	mb, _ := t.Base()
	ms, _ := t.Script()
	mr, _ := t.Region()
	return Tag{text: text, max: join(mb, ms, mr)}
}

// join leaves out what is unknown.
func join(b language.Base, s language.Script, r language.Region) string {
	text := b.String()
	if s := s.String(); s != "Zzzz" {
		text += "-" + s
	}
	if r := r.String(); r != "ZZ" {
		text += "-" + r
	}
	return text
}

// String is the tag in canonical case; "" for no language.
func (t Tag) String() string { return t.text }

// IsZero reports whether t is no language.
func (t Tag) IsZero() bool { return t == Tag{} }

// Maximal is the tag with its likely subtags: "en-Latn-US" for "en".
func (t Tag) Maximal() string { return t.max }

// Minimal is the shortest tag that means the same: "en" for "en-Latn-US".
func (t Tag) Minimal() string {
	if t.IsZero() {
		return ""
	}
	part := strings.Split(t.max, "-")
	tries := []string{part[0]}
	switch len(part) {
	case 3:
		tries = append(tries, part[0]+"-"+part[2], part[0]+"-"+part[1])
	}
	for _, s := range tries {
		if short, err := language.Parse(s); err == nil && of(short).max == t.max {
			return s
		}
	}
	return t.max
}

// Same reports whether two tags mean the same language by CLDR's likely subtags:
// en = en-US = en-Latn-US, and not en-CA.
func (t Tag) Same(o Tag) bool { return t.max == o.max }

// MarshalText gives String.
func (t Tag) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// UnmarshalText is Parse; empty text is no language.
func (t *Tag) UnmarshalText(text []byte) (err error) {
	if *t = (Tag{}); len(text) > 0 {
		*t, err = Parse(string(text))
	}
	return err
}

func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return `"` + s + `"`
}
