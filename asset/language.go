package asset

import "strings"

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
			strings.Trim(part, letters+"0123456789") == ""
	}
	if !ok {
		return "", &Error{Code: CodeBadRequest, Op: "read language", Subject: quote(s), Message: "it is not a BCP 47 language tag", Help: "use a tag such as de, pt-BR or zh-Hant"}
	}
	return s, nil
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
