package transfer

import (
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

func TestOffersOfAServerAreReadInItsOrder(t *testing.T) {
	b, o := asset.ChallengeBasic, asset.ChallengeBearer
	for line, want := range map[string][]offer{
		`Basic realm="a"`:                {{b, "a"}},
		`basic REALM=a, charset="UTF-8"`: {{b, "a"}},
		`Bearer`:                         {{o, ""}},
		`Bearer realm="a", error="x, y", Basic realm="b"`:   {{o, "a"}, {b, "b"}},
		`Negotiate, Basic realm="b\"c"`:                     {{b, `b"c`}},
		`NTLM TlRMTVNT/AA==, Basic realm="b"`:               {{b, "b"}},
		`Digest realm="d", nonce="n", qop="auth", Bearer`:   {{o, ""}},
		`Basic realm="a", Basic realm="a", Basic realm="c"`: {{b, "a"}, {b, "c"}},
		"Basic realm=\"a\x01b\"":                            {{b, "ab"}},
		`Basic realm="open`:                                 {{b, ""}},
		``:                                                  nil,
		`"`:                                                 nil,
		`=,=,=`:                                             nil,
	} {
		if d := cmp.Diff(want, offers([]string{line}), cmp.AllowUnexported(offer{})); d != "" {
			t.Errorf("%q: %s", line, d)
		}
	}
}

func FuzzOffers(f *testing.F) {
	f.Add(`Bearer realm="a", error="x, y", Basic realm="b"`)
	f.Add(`NTLM TlRMTVNT/AA==, Basic realm="b\"`)
	f.Fuzz(func(t *testing.T, line string) {
		found := offers([]string{line, line})
		if len(found) > maxOffers {
			t.Errorf("%d offers", len(found))
		}
		for _, o := range found {
			if o.method == "" || len(o.realm) > maxRealm || !utf8.ValidString(o.realm) {
				t.Errorf("offer %+v", o)
			}
		}
	})
}
