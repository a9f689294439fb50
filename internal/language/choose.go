package language

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// Choose gives the one of the languages on offer that a person is served best
// with (managed §1.8). For each preferred language in turn: the same language;
// else one of those it derives from in CLDR (es-MX: es-419, then es), last the base
// language in the same script. When none has one: a sibling, another region of the same
// language and script, which Apple leaves open; else primary, the app's own
// language, or its sibling. False when nothing fits: nobody is served a language
// that neither person nor app named.
//
// The answer is one of offered as it is spelled there, and does not depend on
// their order.
func Choose(preferred, offered []Tag, primary Tag) (Tag, bool) {
	offered = slices.SortedFunc(slices.Values(offered), func(a, b Tag) int { return cmp.Or(cmp.Compare(a.max, b.max), cmp.Compare(a.text, b.text)) })
	for _, p := range preferred {
		for _, want := range lineage(p) {
			if t, ok := find(offered, func(t Tag) bool { return t.max == want }); ok {
				return t, true
			}
		}
	}
	for _, p := range preferred {
		if t, ok := find(offered, p.sibling); ok {
			return t, true
		}
	}
	if primary.IsZero() {
		return Tag{}, false
	}
	if t, ok := find(offered, primary.Same); ok {
		return t, true
	}
	return find(offered, primary.sibling)
}

func find(offered []Tag, fits func(Tag) bool) (Tag, bool) {
	n := slices.IndexFunc(offered, func(t Tag) bool { return !t.IsZero() && fits(t) })
	if n < 0 {
		return Tag{}, false
	}
	return offered[n], true
}

// lineage gives the maximal forms of t and of what it derives from, nearest
// first. A parent in another script is none: who reads Hant may not read Hans.
func lineage(t Tag) []string {
	if t.IsZero() {
		return nil
	}
	out := []string{t.max}
	parsed, err := language.Parse(t.text)
	for err == nil {
		if parsed = parsed.Parent(); parsed == language.Und {
			break
		}
		if p := of(parsed); p.stem() == t.stem() {
			out = append(out, p.max)
		}
	}
	if base, err := language.Parse(t.stem()); err == nil {
		out = append(out, of(base).max)
	}
	return out
}

// stem is language and script, without the region.
func (t Tag) stem() string {
	part := strings.Split(t.max, "-")
	if len(part) > 1 && len(part[1]) == 4 {
		return part[0] + "-" + part[1]
	}
	return part[0]
}

func (t Tag) sibling(o Tag) bool { return !t.IsZero() && t.stem() == o.stem() }
