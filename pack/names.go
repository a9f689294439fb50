package pack

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkPath says what is wrong with a path for any system that may hold the
// pack: "" if nothing is.
func checkPath(p string) string {
	switch {
	case p == "":
		return "its path is empty"
	case len(p) > maxPath:
		return fmt.Sprintf("its path is longer than %d bytes", maxPath)
	case !utf8.ValidString(p):
		return "its path is not valid UTF-8"
	case p[0] == '/':
		return "its path is absolute"
	}
	for name := range strings.SplitSeq(p, "/") {
		if msg := checkName(name); msg != "" {
			return msg
		}
	}
	return ""
}

func checkName(name string) string {
	switch {
	case name == "":
		return "its path has an empty part between slashes"
	case name == "." || name == "..":
		return fmt.Sprintf("its path has the part %q", name)
	case len(name) > maxName:
		return fmt.Sprintf("its path has a part longer than %d bytes", maxName)
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return fmt.Sprintf("%s ends in a dot or a space, which Windows drops", quote(name))
	case reservedName(name):
		return fmt.Sprintf("%s is the name of a device on Windows", quote(name))
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`<>:"|?*\`, r) {
			return fmt.Sprintf("%s holds %q, which some systems refuse", quote(name), r)
		}
	}
	return ""
}

// reservedName reports a device name of Windows, with or without an extension.
func reservedName(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if digit, ok := strings.CutPrefix(stem, "COM"); ok {
		return portDigit(digit)
	}
	digit, ok := strings.CutPrefix(stem, "LPT")
	return ok && portDigit(digit)
}

func portDigit(s string) bool {
	return len(s) == 1 && s[0] >= '0' && s[0] <= '9' || s == "¹" || s == "²" || s == "³"
}

// checkTarget holds a link inside the pack. Steps up may only lead: after a
// name that may itself be a link, ".." would go up from where that link points.
// As no entry lies below a link, the steps up leave real directories.
func checkTarget(path, target string) string {
	switch {
	case target == "":
		return "it is a link without a target"
	case len(target) > maxPath:
		return fmt.Sprintf("its target is longer than %d bytes", maxPath)
	case !utf8.ValidString(target):
		return "its target is not valid UTF-8"
	case target[0] == '/':
		return "it is a link to an absolute path"
	}
	depth, rest := strings.Count(path, "/"), target
	for rest == ".." || strings.HasPrefix(rest, "../") {
		if depth--; depth < 0 {
			return "it is a link that leaves the pack"
		}
		rest = strings.TrimPrefix(rest[2:], "/")
	}
	if rest == "" && !strings.HasSuffix(target, "/") {
		return ""
	}
	for name := range strings.SplitSeq(rest, "/") {
		if msg := checkName(name); msg != "" {
			return "it is a link and in its target, " + msg
		}
	}
	return ""
}

// comparePaths orders a pack: byte by byte, '/' before all else, so that a
// directory's content follows it at once.
func comparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		switch {
		case x == y:
		case x == '/':
			return -1
		case y == '/':
			return 1
		case x < y:
			return -1
		default:
			return 1
		}
	}
	return len(a) - len(b)
}

// sharedDirs is how many leading bytes of next are directories of last too:
// the offset of the first name that last did not have as a directory.
func sharedDirs(last, next string) int {
	from := 0
	for i := 0; i < len(last) && i < len(next) && last[i] == next[i]; i++ {
		if last[i] == '/' {
			from = i + 1
		}
	}
	return from
}

// FoldKey is equal for paths that differ only in case, by Unicode's simple folding, and
// in practice for no others.
func FoldKey(path string) (key [16]byte) {
	folded := make([]byte, 0, 256)
	for _, r := range path {
		if r >= utf8.RuneSelf {
			least := r
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				least = min(least, f)
			}
			r = least
		}
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		folded = utf8.AppendRune(folded, r)
	}
	sum := sha256.Sum256(folded)
	return [16]byte(sum[:])
}

func quote(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return fmt.Sprintf("%q", s)
}
