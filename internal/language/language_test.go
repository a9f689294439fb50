package language

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"larder/asset"
)

func tag(t testing.TB, s string) Tag {
	t.Helper()
	if s == "" {
		return Tag{}
	}
	got, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tags(t testing.TB, list string) (out []Tag) {
	t.Helper()
	for _, s := range strings.Fields(list) {
		out = append(out, tag(t, s))
	}
	return out
}

func TestPacksBearLanguageScriptAndRegionOnly(t *testing.T) {
	for s, want := range map[string]string{"ja": "ja", "es-US": "es-US", "zh-Hant": "zh-Hant", "zh-Hans-VN": "zh-Hans-VN", "EN-us": "en-US", "ZH-hANT-tw": "zh-Hant-TW", "es-419": "es-419", "iw": "he"} {
		if got, err := Parse(s); err != nil || got.String() != want {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
	for _, s := range []string{"", "und", "xx", "e", "de_AT", "de-1996", "de-DE-1996", "de-x-y", "en-u-ca-gregory", "english", "de-", "-de", "de--AT", "en-UKX", "de-AT ", "dé", "en\x00", strings.Repeat("a", 1<<16)} {
		if got, err := Parse(s); asset.CodeOf(err) != asset.CodeConfiguration || !got.IsZero() {
			t.Errorf("%.20q was taken as %q, %v", s, got, err)
		}
	}
}

func TestPeopleMaySayMore(t *testing.T) {
	for s, want := range map[string]string{"de_AT.UTF-8@euro": "de-AT", "de-1996": "de", "en-US-u-ca-gregory": "en-US", "pt_BR": "pt-BR", "fr": "fr", "C": "", "C.UTF-8": "", "POSIX": "", "": "", "und": "", "xx": "", "und-Latn": ""} {
		if got, ok := Prefer(s); ok != (want != "") || got.String() != want {
			t.Errorf("%q: %q, %v; want %q", s, got, ok, want)
		}
	}
}

func TestLikelySubtagsDecideWhatIsTheSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"en", "en-US", true}, {"en", "en-Latn-US", true}, {"en", "en-CA", false}, {"zh-TW", "zh-Hant", true}, {"zh", "zh-Hans-CN", true},
		{"zh", "zh-Hant", false}, {"sr", "sr-Cyrl-RS", true}, {"sr", "sr-Latn", false}, {"pt", "pt-BR", true}, {"pt", "pt-PT", false}, {"de", "fr", false},
	} {
		if got := tag(t, c.a).Same(tag(t, c.b)); got != c.same {
			t.Errorf("%s and %s the same: %v", c.a, c.b, got)
		}
	}
	for s, want := range map[string][2]string{"en-US": {"en", "en-Latn-US"}, "zh-Hant-TW": {"zh-TW", "zh-Hant-TW"}, "zh-Hans": {"zh", "zh-Hans-CN"}, "en-GB": {"en-GB", "en-Latn-GB"}, "qaa": {"qaa", "qaa"}} {
		if got := tag(t, s); got.Minimal() != want[0] || got.Maximal() != want[1] {
			t.Errorf("%s: minimal %s, maximal %s; want %v", s, got.Minimal(), got.Maximal(), want)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct{ name, preferred, offered, primary, want string }{
		{"exact", "de fr", "fr de", "en", "de"},
		{"equivalent", "en-US", "en fr", "fr", "en"},
		{"Apple's own example", "en-GB", "en-US de fr", "de", "en-US"},
		{"the second preferred before the primary", "ja fr", "fr en", "en", "fr"},
		{"by way of a CLDR parent", "es-MX", "es es-419", "", "es-419"},
		{"a sibling region", "es-MX", "es-US fr", "fr", "es-US"},
		{"the second preferred before a sibling of the first", "es-MX fr", "es-US fr", "", "fr"},
		{"the primary", "ja", "de en", "en-US", "en"},
		{"no script that cannot be read", "zh-HK", "zh-Hans en", "en", "en"},
		{"the script that can", "zh-HK", "zh-Hans zh-TW en", "en", "zh-TW"},
		{"a primary that is not on offer", "ja", "de", "fr", ""},
		{"no preference, no primary", "", "de fr", "", ""},
		{"nothing on offer", "de", "", "de", ""},
		{"a person without preference", "", "de fr", "fr", "fr"},
	} {
		got, ok := Choose(tags(t, c.preferred), tags(t, c.offered), tag(t, c.primary))
		if got.String() != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.name, got, ok, c.want)
		}
	}
}

// Whatever is asked, the answer is on offer, in any order the same, and never
// another language than somebody named.
func TestChooseKeepsToTheOffer(t *testing.T) {
	pool := tags(t, "en en-GB en-CA de de-AT zh zh-Hant zh-HK es es-419 es-MX es-US sr sr-Latn pt pt-PT ja fr qaa")
	rapid.Check(t, func(t *rapid.T) {
		some := func(name string) []Tag { return rapid.SliceOfN(rapid.SampledFrom(pool), 0, 5).Draw(t, name) }
		preferred, offered, primary := some("preferred"), some("offered"), rapid.SampledFrom(append(pool, Tag{})).Draw(t, "primary")
		got, ok := Choose(preferred, offered, primary)
		turned := slices.Clone(offered)
		slices.Reverse(turned)
		if again, _ := Choose(preferred, turned, primary); again != got {
			t.Fatalf("%v, and turned round %v", got, again)
		}
		switch {
		case !ok && !got.IsZero(), ok && !slices.Contains(offered, got):
			t.Fatalf("%v, %v from %v", got, ok, offered)
		case ok && !slices.ContainsFunc(append(preferred, primary), got.sibling):
			t.Fatalf("nobody named %v", got)
		}
		if len(preferred) > 0 && slices.ContainsFunc(offered, preferred[0].Same) && !got.Same(preferred[0]) {
			t.Fatalf("%v is on offer and %v was chosen", preferred[0], got)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"en", "zh-Hant-TW", "de_AT.UTF-8", "x-y", "i-klingon"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := Prefer(s); ok && (p.IsZero() || p.Minimal() == "") {
			t.Errorf("%q is preferred as %q", s, p)
		}
		got, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(got.String())
		if err != nil || again != got {
			t.Errorf("%q gives %q, which gives %q, %v", s, got, again, err)
		}
		if least, err := Parse(got.Minimal()); err != nil || !least.Same(got) {
			t.Errorf("%q: its minimal form %q means another language", s, got.Minimal())
		}
	})
}

func TestAnUnknownRegionOrScriptIsNone(t *testing.T) {
	for _, s := range []string{"en-ZZ", "en-Zzzz", "en-Zzzz-ZZ"} {
		if got, err := Parse(s); err != nil || got.String() != "en" || got.Maximal() != "en-Latn-US" {
			t.Errorf("%s is read as %q, %q, %v", s, got, got.Maximal(), err)
		}
	}
	for _, s := range []string{"und-ZZ", "und-Latn", "und"} {
		if got, err := Parse(s); err == nil {
			t.Errorf("%s is read as %q", s, got)
		}
	}
}
