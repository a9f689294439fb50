package asset

import (
	"strings"
	"testing"
)

func TestLanguageTags(t *testing.T) {
	for _, s := range []string{"", "de", "pt-BR", "zh-Hant-TW", "sl-rozaj-biske", "de-1996"} {
		if got, err := ParseLanguage(s); err != nil || got != s {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"d", "de_DE", "de-", "-de", "de--AT", "d1", "de AT", "deutschland", "de-\x00", "dé", strings.Repeat("de-", 20) + "de"} {
		if _, err := ParseLanguage(s); CodeOf(err) != CodeBadRequest {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParseLanguage(f *testing.F) {
	f.Add("zh-Hant-TW")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseLanguage(s); err == nil && (got != s || len(s) > 35 || strings.ContainsAny(s, " _/.\x00")) {
			t.Errorf("%q was taken as %q", s, got)
		}
	})
}
