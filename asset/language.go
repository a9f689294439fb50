package asset

import (
	"slices"
	"strings"
)

// ParseLanguage accepts the form of a BCP 47 language tag ("de", "pt-BR",
// "zh-Hant-TW"), at most 35 bytes, or "" for the system's language. It does not
// know which languages there are. Anything else is a wrong call (1014).
func ParseLanguage(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	ok := len(s) <= 35
	for n, part := range strings.Split(s, "-") {
		ok = ok && part != "" && len(part) <= 8 && (n > 0 || len(part) >= 2 && strings.Trim(part, letters) == "") &&
			strings.Trim(part, letters+digits) == ""
	}
	if !ok {
		return "", &Error{Code: CodeBadRequest, Op: "read language", Subject: quote(s), Message: "it is not a BCP 47 language tag", Help: "use a tag such as de, pt-BR or zh-Hant"}
	}
	return s, nil
}

// ParsePackLanguage accepts the narrower form that manifests of packs have: a
// language of two or three letters, then perhaps a script of four letters, then
// perhaps a region of two letters or three digits (managed §1.8). It gives the
// usual spelling: "zh-hans-vn" is "zh-Hans-VN". Anything else is a configuration
// error (1000).
func ParsePackLanguage(s string) (string, error) {
	parts := strings.Split(s, "-")
	is := func(part, from string, lengths ...int) bool {
		return slices.Contains(lengths, len(part)) && strings.Trim(part, from) == ""
	}
	ok, rest := is(parts[0], letters, 2, 3), parts[1:]
	parts[0] = strings.ToLower(parts[0])
	if len(rest) > 0 && is(rest[0], letters, 4) {
		rest[0] = strings.ToUpper(rest[0][:1]) + strings.ToLower(rest[0][1:])
		rest = rest[1:]
	}
	if len(rest) > 0 && (is(rest[0], letters, 2) || is(rest[0], digits, 3)) {
		rest[0] = strings.ToUpper(rest[0])
		rest = rest[1:]
	}
	if !ok || len(rest) > 0 {
		return "", &Error{Code: CodeConfiguration, Op: "read language", Subject: quote(s), Message: "it is no language tag of a pack", Help: mendLanguage}
	}
	return strings.Join(parts, "-"), nil
}

const mendLanguage = "write a language with perhaps a script and a region: ja, es-US, zh-Hant or zh-Hans-VN"

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)
