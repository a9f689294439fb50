package asset

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const wholePackaging = "\ufeff" + `{
  // the identifier
  "assetPackID": "level-2", // "quotes" and \ in comments
  "downloadPolicy": {"prefetch": {"installationEventTypes": ["subsequentUpdate", "firstInstallation"]}},
  "sourceRoot": "/srv/game//build",
  "fileSelectors": [
    {"file": "./readme.txt"},
    {"directory": "assets/"},
    {"filePattern": "maps/**/*.[bm]ap"},
    {"fileDestination": "data/b.bin", "fileSource": "a.bin"},
    {"directorySource": "build/linux", "directoryDestination": ""},
    {"fileExclusion": "**/.DS_Store"}
  ],
  "platforms": ["Windows", "iOS", "Linux", "iOS"],
  "language": "ZH-hant",
  "userInfo": {"b": 1.0, "a": "https://x//y"},
}`

func read(t *testing.T, text string) *PackagingManifest {
	t.Helper()
	m, err := ParsePackagingManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAPackagingManifestHasAllOfApplesSchema(t *testing.T) {
	m := read(t, strings.Replace(wholePackaging, "},\n}", "}\n}", 1))
	want := &PackagingManifest{AssetPackID: "level-2", SourceRoot: "/srv/game//build", Language: "zh-Hant",
		DownloadPolicy: DownloadPolicy{PolicyPrefetch, []InstallationEvent{EventFirstInstallation, EventSubsequentUpdate}},
		Platforms:      []Platform{PlatformIOS, PlatformLinux, PlatformWindows},
		UserInfo:       json.RawMessage(`{"a":"https://x//y","b":1.0}`),
		FileSelectors: []Selector{{SelectFile, "readme.txt", "", 7}, {SelectDirectory, "assets", "", 8}, {SelectPattern, "maps/**/*.[bm]ap", "", 9},
			{SelectMovedFile, "a.bin", "data/b.bin", 10}, {SelectMovedFolder, "build/linux", ".", 11}, {SelectExclusion, "**/.DS_Store", "", 12}}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}

func TestAPackCarriesTheSameManifestHoweverItWasWritten(t *testing.T) {
	a := read(t, `{"assetPackID": "x", "downloadPolicy": {"onDemand": {}}, "fileSelectors": [{"file": "a"}, {"directory": "b"}], "platforms": ["Linux", "macOS"], "sourceRoot": "/home/a", "userInfo": {"k": 1, "j": [1, 2]}}`)
	b := read(t, `{"userInfo": {"j": [1,2], "k": 1}, "platforms": ["macOS", "Linux"], "sourceRoot": "/home/b", // elsewhere
	"fileSelectors": [{"directory": "b/"}, {"file": "./a"}], "downloadPolicy": {"onDemand": {}}, "assetPackID": "x"}`)
	if x, y := string(a.Canonical()), string(b.Canonical()); x != y || strings.Contains(x, "home") {
		t.Errorf("%s\n%s", x, y)
	}
	again := read(t, string(a.Canonical()))
	if string(again.Canonical()) != string(a.Canonical()) {
		t.Errorf("read again, it is %s", again.Canonical())
	}
}

func TestAPackagingManifestTellsAllItsFaults(t *testing.T) {
	_, err := ParsePackagingManifest([]byte(`{
  "assetPackID": "my.pack", "assetPackID": "again",
  "downloadPolicy": {"essential": {}},
  "fileSelector": [],
  "platforms": ["iPadOS", "linux", 3],
  "language": "german", "sourceRoot": "", "userInfo": [],
  "fileSelectors": [
    {"file": "/etc/passwd"}, {"file": "../x"}, {"directory": "a/../../b"}, {"file": "C:/x"}, {"file": "a\\b"}, {"file": ""},
    {"file": "a", "directory": "b"}, {"fileSource": "a"}, {"fileSource": "a", "fileDestination": "/a"}, {"files": "a"}, {}, "a",
    {"filePattern": "a**b"}, {"filePattern": "[a"}, {"fileExclusion": "a\\b"}, {"filePattern": "../*"}, {"filePattern": "\\..\\x"},
    {"directory": "same"}, {"directory": "./same/"}, {"file": "."}, {"fileSource": "a", "fileDestination": "."}, {"file": 7}
  ]
}`))
	var faults *Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	got := ""
	for _, f := range faults.List {
		got += f.String() + "\n"
		if f.Mend == "" || f.Line == 0 {
			t.Errorf("%+v lacks its mend or line", f)
		}
	}
	want := []string{`line 2: assetPackID "again": the key stands there twice`, `assetPackID "my.pack": it holds '.'`, "downloadPolicy.essential", `write "fileSelectors"`, `"iPadOS"`, `write "Linux"`,
		"platforms[2]", "language", "sourceRoot", "userInfo"}
	for i := range 22 {
		if i != 17 {
			want = append(want, fmt.Sprintf("fileSelectors[%d]", i))
		}
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("nothing is said of %s", w)
		}
	}
	if len(faults.List) != len(want) || t.Failed() {
		t.Errorf("%d faults, want %d:\n%s", len(faults.List), len(want), got)
	}
}

func TestWhatIsNoManifestAtAllIsToldWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "it ends too early",
		"{\n\n\"a\": }":              "line 3: it is not JSON",
		"{} {}":                      "something stands after its end",
		"[]":                         "it is not an object",
		"{\"a\": \"\xff\"}":          "it is not UTF-8",
		strings.Repeat("[", 200):     "nested more than",
		strings.Repeat(" ", 1<<20+1): "longer than",
		"{\"a\": 1 /* b */}":         "not JSON",
	} {
		if _, err := ParsePackagingManifest([]byte(text)); CodeOf(err) != CodeConfiguration || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v; want %q in it", text, err, want)
		}
	}
}

func TestMoreThanAHundredFaultsAreCounted(t *testing.T) {
	_, err := ParseDownloadManifest([]byte(`{"assetPacks": [` + strings.TrimSuffix(strings.Repeat("1,", 130), ",") + `]}`))
	var faults *Faults
	if !errors.As(err, &faults) || len(faults.List) != 100 || faults.Omitted != 30 || !strings.Contains(err.Error(), "and 129 more") {
		t.Errorf("%v", err)
	}
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct{ glob, yes, no string }{
		{"*.png", "a.png .png", "a/b.png a.pngx"},
		{"**/*.png", "a.png a/b.png a/b/c.png .a/b.png", "a/png a.png/b"},
		{"a/**/z", "a/z a/b/z a/b/c/z", "z b/a/z a/b az"},
		{"a/**", "a/b a/b/c", "b ab/c"},
		{"**", "a a/b/c", ""},
		{"**/b/**/d", "b/d a/b/c/d b/b/d", "b/c a/d"},
		{"?", "a ü", "ab / a/b"},
		{"[a-c]x", "ax cx", "dx x"},
		{"[!a-c]x", "dx üx", "ax x"},
		{"[]]", "]", "a"},
		{`[\]a]`, "] a", "b"},
		{`\*`, "*", "a"},
		{"a*b*c", "abc axbxc abbcc", "ab acb"},
		{"A", "A", "a"},
		{"./a//b", "a/b", "a"},
	} {
		if problem, _ := checkGlob(c.glob); problem != "" {
			t.Errorf("%s: %s", c.glob, problem)
		}
		for _, name := range strings.Fields(c.yes) {
			if !MatchGlob(c.glob, name) {
				t.Errorf("%s does not match %s", c.glob, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if MatchGlob(c.glob, name) {
				t.Errorf("%s matches %s", c.glob, name)
			}
		}
	}
}

func FuzzParsePackagingManifest(f *testing.F) {
	f.Add([]byte(strings.Replace(wholePackaging, "},\n}", "}\n}", 1)), "assets/a.png")
	f.Add([]byte(`{"assetPackID":"x","downloadPolicy":{"onDemand":{}},"fileSelectors":[{"filePattern":"[]-\\]]/**"}],"platforms":[]}`), "]/a")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		m, err := ParsePackagingManifest(data)
		if err != nil {
			if CodeOf(err) != CodeConfiguration || err.Error() == "" {
				t.Fatal(err)
			}
			return
		}
		for _, s := range m.FileSelectors {
			if strings.HasPrefix(s.Source, "/") || strings.HasPrefix(s.Source, "..") || strings.HasPrefix(s.Destination, "/") || strings.HasPrefix(s.Destination, "..") {
				t.Fatalf("%s leaves", s)
			}
			MatchGlob(s.Source, name)
		}
		text := m.Canonical()
		again, err := ParsePackagingManifest(text)
		if err != nil && len(text) <= MaxManifest {
			t.Fatalf("%s is written as %s: %v", data, text, err)
		}
		if err == nil && string(again.Canonical()) != string(text) {
			t.Fatalf("%s, read again, is %s", text, again.Canonical())
		}
	})
}
