package asset

import (
	"path"
	"strings"
	"unicode/utf8"
)

// The dialect of patterns and exclusions, which Apple leaves open (managed §6.3):
//
//	*      any characters of one name, none too, and not "/"
//	?      one character, not "/"
//	[a-z]  one of these characters; [!a-z] and [^a-z] one of the others
//	**     as a whole name: any number of directories, none too
//	\x     the character x itself, where x has a meaning here
//
// Names that begin with a dot are like all others, and letters match in their own
// case alone, on every system.

// MatchGlob reports whether a path with slashes matches a glob that
// [ParsePackagingManifest] accepts. It takes time in proportion to the product of
// both lengths at worst.
func MatchGlob(glob, name string) bool {
	return matchParts(strings.Split(path.Clean(glob), "/"), strings.Split(name, "/"))
}

func matchParts(glob, name []string) bool {
	g, n, star, from := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case g < len(glob) && glob[g] == "**":
			star, from = g, n
			g++
		case g < len(glob) && matchName(glob[g], name[n]):
			g++
			n++
		case star >= 0:
			from++
			g, n = star+1, from
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == "**" {
		g++
	}
	return g == len(glob)
}

func matchName(glob, name string) bool {
	g, n, star, from := 0, 0, -1, 0
	for n < len(name) {
		if g < len(glob) && glob[g] == '*' {
			star, from = g, n
			g++
			continue
		}
		r, size := utf8.DecodeRuneInString(name[n:])
		if length, ok := matchOne(glob[g:], r); ok {
			g += length
			n += size
			continue
		}
		if star < 0 {
			return false
		}
		_, size = utf8.DecodeRuneInString(name[from:])
		from += size
		g, n = star+1, from
	}
	return strings.Trim(glob[g:], "*") == ""
}

// matchOne matches a character against the first element of glob, of which it gives
// the length.
func matchOne(glob string, r rune) (length int, ok bool) {
	if glob == "" {
		return 0, false
	}
	switch glob[0] {
	case '?':
		return 1, true
	case '[':
		return matchClass(glob, r)
	case '\\':
		want, size := utf8.DecodeRuneInString(glob[1:])
		return 1 + size, want == r
	}
	want, size := utf8.DecodeRuneInString(glob)
	return size, want == r
}

// matchClass matches "[…]". Without an end it has the length 0.
func matchClass(glob string, r rune) (length int, ok bool) {
	i := 1
	negated := i < len(glob) && (glob[i] == '!' || glob[i] == '^')
	if negated {
		i++
	}
	next := func() rune {
		if glob[i] == '\\' && i+1 < len(glob) {
			i++
		}
		c, size := utf8.DecodeRuneInString(glob[i:])
		i += size
		return c
	}
	found := false
	for first := true; i < len(glob); first = false {
		if glob[i] == ']' && !first {
			return i + 1, found != negated
		}
		low := next()
		high := low
		if i+1 < len(glob) && glob[i] == '-' && glob[i+1] != ']' {
			i++
			high = next()
		}
		found = found || low <= r && r <= high
	}
	return 0, false
}

// checkGlob says what is wrong with a glob, and the mend: "" when nothing is.
func checkGlob(glob string) (problem, mend string) {
	for part := range strings.SplitSeq(glob, "/") {
		if part != "**" && strings.Contains(part, "**") {
			return `"**" is only a part of a name`, `let it stand alone between slashes, as in "a/**/b", or write "*"`
		}
		for i := 0; i < len(part); {
			switch part[i] {
			case '\\':
				if i+1 == len(part) || !strings.ContainsRune(`*?[]\!^-`, rune(part[i+1])) {
					return "it holds a backslash", `write "/" between directories; a backslash only frees *, ?, [ and ] from their meaning`
				}
				i += 2
			case '[':
				length, _ := matchClass(part[i:], 0)
				if length == 0 {
					return `"[" is never closed`, `write "]" behind the characters, or "\\[" for the sign itself`
				}
				i += length
			default:
				i++
			}
		}
	}
	return "", ""
}
