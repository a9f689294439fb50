package shelf

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

// sealed is a view of some format with this body, whole.
func sealed(format int, body string) []byte {
	return fmt.Appendf(nil, "larder view %d\n%x\n%s", format, sha256.Sum256([]byte(body)), body)
}

func TestViewBytesAreThoseOfTheFormatsPage(t *testing.T) {
	v := View{Number: 7, Packs: []Pack{{ID: "maps", Version: 3, Content: strings.Repeat("9f", 32), Language: "de", Size: 1048576, Root: "packs/maps/3-9f9f9f9f9f9f9f9f/files"}}}
	got, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/view-7")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("testdata/view-7 (-want +got):\n%s", diff)
	}
	back, err := Decode(7, want)
	v.Requires = []string{}
	if diff := cmp.Diff(v, back); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestEveryViewCutShortOrWithAFlippedBitIsTorn(t *testing.T) {
	b, err := View{Number: 1, Packs: []Pack{newBench(t).tree("a", 1, "", "x")}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		if _, err := Decode(1, b[:i]); !torn(err) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
		b[i] ^= 4
		if _, err := Decode(1, b); !torn(err) && asset.CodeOf(err) != asset.CodeDoesNotFit { // another format is whole too
			t.Fatalf("bit flipped in byte %d: %v", i, err)
		}
		b[i] ^= 4
	}
}

func torn(err error) bool { return err != nil && strings.Contains(err.Error(), errTorn.Error()) }

func TestWholeViewsThatBreakTheTableAreDamaged(t *testing.T) {
	pack := func(change string) string {
		p := map[string]string{"id": `"a"`, "version": "1", "content": `"` + strings.Repeat("0", 64) + `"`, "size": "0", "root": `"packs/a/1"`, "language": `""`}
		key, value, _ := strings.Cut(change, "=")
		p[key] = value
		return fmt.Sprintf(`{"number":1,"packs":[{"id":%s,"version":%s,"content":%s,"language":%s,"size":%s,"root":%s}]}`,
			p["id"], p["version"], p["content"], p["language"], p["size"], p["root"])
	}
	if _, err := Decode(1, sealed(1, pack("id=\"b\""))); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		"", "[]", "{}", `{"number":2}`, `{"number":1,"packs":7}`,
		pack(`id=""`), pack(`id="../a"`), pack(`id=".."`), pack(`id="a/b"`), pack(`id="ä"`), pack(`id=".a"`), pack(`id="a."`), pack(`id="a_b"`), pack(`id="nul"`), pack(`id="` + strings.Repeat("a", 101) + `"`),
		pack("version=-1"), pack("version=2147483648"), pack("version=1.5"), pack("size=-1"), pack("size=1e30"),
		pack(`content="00"`), pack(`content="` + strings.Repeat("A", 64) + `"`), pack(`language="d e"`),
		pack(`root=""`), pack(`root="."`), pack(`root="/etc"`), pack(`root="../x"`), pack(`root="a/../b"`), pack(`root="a//b"`), pack(`root="a\\b"`), pack(`root="C:/x"`), pack(`root="a\u0000"`), pack(`root="a/"`),
		pack(`root="` + strings.Repeat("a/", 600) + `a"`),
		strings.Replace(pack(""), `]}`, `,`+pack("")[len(`{"number":1,"packs":[`):], 1), // the same twice
	} {
		if v, err := Decode(1, sealed(1, body)); asset.CodeOf(err) != asset.CodeHashMismatch {
			t.Errorf("%.200s: %+v, %v", body, v, err)
		}
	}
}

// An app with an old Larder in it meets a newer service, and the other way round.
func TestOldReadersAndNewWritersUnderstandOrSaySo(t *testing.T) {
	const two = `"packs":[{"id":"a","version":1,"content":"%[1]s","size":3,"root":"packs/a/1/files","priority":9},
		{"id":"b","version":1,"content":"%[1]s","root":"packs/b/1/files"}]`
	packs := fmt.Sprintf(two, strings.Repeat("ab", 32))
	for _, c := range []struct {
		name string
		data []byte
		code asset.Code // 0: it is read
	}{
		{"members that are not known are passed over", sealed(1, `{"number":2,"requires":[],"madeBy":{"larder":"9"},`+packs+`}`), 0},
		{"requires may be missing", sealed(1, `{"number":2,`+packs+`}`), 0},
		{"a feature that is not known", sealed(1, `{"number":2,"requires":["sealed"],`+packs+`}`), asset.CodeDoesNotFit},
		{"a newer format, whatever its body", sealed(2, "\x00\x01"), asset.CodeDoesNotFit},
		{"the newest format there can be", sealed(999999999, ""), asset.CodeDoesNotFit},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			a1 := b.tree("a", 1, "", "x")
			b.tree("b", 1, "", "y")
			b.view(a1)
			old := b.open(Options{})
			b.write(2, c.data)
			s, err := Open(b.dir, Options{})
			if c.code != 0 {
				wantCode(t, err, c.code)
				// A process that was there before sees what it saw, and cannot move.
				if got := read(t, old, "x", In{}); got != "a1:x" {
					t.Errorf("x is %q", got)
				}
				_, err := old.Refresh()
				wantCode(t, err, c.code)
				wantCode(t, old.Add("b"), c.code)
				_, err = Current(b.dir)
				wantCode(t, err, c.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := read(t, s, "x", In{}) + read(t, s, "y", In{}); got != "a1:xb1:y" {
				t.Errorf("the files are %q", got)
			}
		})
	}
}

func TestWhatIsNoViewMeansNothing(t *testing.T) {
	b := newBench(t)
	n := b.view(b.tree("a", 1, "", "x"))
	whole, err := os.ReadFile(filepath.Join(b.dir, viewName(n)))
	b.must(err)
	b.write(9, whole[:len(whole)/2]) // a writer that is at it, or was when the power went
	b.write(10, nil)
	for _, name := range []string{"011", "+12", "0", "-1", "x", "1e9", "9999999999999999999", ".tmp-00"} {
		b.must(os.WriteFile(filepath.Join(b.dir, "views", name), whole, 0o644))
	}
	b.must(os.Mkdir(filepath.Join(b.dir, "views", "dir"), 0o755))
	v, err := Current(b.dir)
	if err != nil || v.Number != 1 || len(v.Packs) != 1 {
		t.Errorf("the view is %+v, %v", v, err)
	}
	if got := read(t, b.open(Options{}), "x", In{}); got != "a1:x" {
		t.Errorf("x is %q", got)
	}
	b.write(11, whole) // number 1 under another name
	_, err = Open(b.dir, Options{})
	wantCode(t, err, asset.CodeHashMismatch)
	b.must(os.Remove(filepath.Join(b.dir, "views/11")))
	b.must(os.Symlink("1", filepath.Join(b.dir, "views/12")))
	_, err = Open(b.dir, Options{})
	wantCode(t, err, asset.CodeHashMismatch)
}

func FuzzDecode(f *testing.F) {
	good, err := os.ReadFile("testdata/view-7")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[len(good)-200:])
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, data := range [][]byte{b, sealed(1, string(b))} {
			v, err := Decode(7, data)
			if err != nil {
				continue
			}
			v.Requires = nil
			again, err := v.Encode()
			if err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			if back, err := Decode(7, again); err != nil || len(back.Packs) != len(v.Packs) {
				t.Fatalf("what was written cannot be read: %v", err)
			}
		}
	})
}
