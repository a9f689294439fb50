package depot

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

const script = `// made by hand
"DepotBuildConfig"
{
	"DepotID" "1001"
	"contentroot"	"D:\MyGame\rel\"
	FileMapping
	{
		"LocalPath" "*"
		"DepotPath" "."
		"Recursive" "1" // all of it
	}
	"FileMapping" { "LocalPath" "bin\*.exe" "DepotPath" "." }
	"FileMapping" { "LocalPath" "maps\*.bsp" "DepotPath" "." "Recursive" "1" }
	"FileMapping" { "LocalPath" "localization\german\audio\*" "DepotPath" "audio\" "Recursive" "1" }
	"FileMapping" { "LocalPath" "cfg\*.cfg" "DepotPath" "settings\" }
	"FileMapping" { "LocalPath" "docs\readme.txt" "DepotPath" "." }
	"FileMapping" { "LocalPath" "docs\eula.txt" "DepotPath" "legal\" }
	"FileMapping" { "LocalPath" "art" "DepotPath" "pictures" }
	"FileExclusion" "*.pdb"
	"FileExclusion" "bin\\tools*"
	"FileExclusion" "[old]\x.txt"
	"InstallScript" "installscript.vdf"
	"FileProperties" { "LocalPath" "bin\setup.cfg" "Attributes" "userconfig" }
}
`

var content = fstest.MapFS{"cfg/a.cfg": {}, "cfg/b.cfg": {}, "cfg/more/c.cfg": {}, "cfg/x.txt": {}, "art/1.png": {}, "docs/readme.txt": {}, "docs/eula.txt": {}}

func TestADepotScriptBecomesSelectors(t *testing.T) {
	s, err := Convert([]byte(strings.ReplaceAll(script, "\n", "\r\n")), content)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, sel := range s.Selectors {
		got = append(got, sel.String())
	}
	want := []string{`directory "."`, `filePattern "bin/*.exe"`, `filePattern "maps/**/*.bsp"`, `directorySource "localization/german/audio" → "audio"`,
		`fileSource "cfg/a.cfg" → "settings/a.cfg"`, `fileSource "cfg/b.cfg" → "settings/b.cfg"`, `file "docs/readme.txt"`,
		`fileSource "docs/eula.txt" → "legal/eula.txt"`, `directorySource "art" → "pictures"`,
		`fileExclusion "**/*.pdb"`, `fileExclusion "bin/tools*"`, `fileExclusion "\\[old]/x.txt"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s.ID != "1001" || ContentRoot([]byte(script)) != "D:/MyGame/rel" || len(s.Notes) != 3 {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsWrongWithADepotScriptIsToldWithItsLine(t *testing.T) {
	depot := func(text string) string { return "\"DepotBuild\"\n{\n" + text + "\n}" }
	for text, want := range map[string]string{
		"":                              "it is no depot build script",
		`"a" "b"`:                       "it is no depot build script",
		`"Other" {}`:                    "line 1: Other: it is no depot build script",
		`"AppBuild" {}`:                 "it builds a whole app",
		`"DepotBuild" {`:                `line 1: "{" is never closed`,
		"\"DepotBuild\" {\n\"a\" \"b":   "line 2: a quote is never closed",
		`"DepotBuild" { "a" }`:          `"a" has no value`,
		`"DepotBuild" {} }`:             `"}" without "{"`,
		`{}`:                            `"{" without a key`,
		"#include \"x\"":                "takes in another file",
		depot(`"a" "b" [$WIN32]`):       "line 3: \"[$WIN32]\" is a condition",
		"a\x00":                         "not UTF-8",
		strings.Repeat("a {", 50):       "nested more than",
		strings.Repeat(" ", 1<<20+1):    "longer than",
		depot(``):                       "it has no FileMapping",
		depot(`"FileMapping" {}`):       "it has no LocalPath",
		depot(`"FileMapping" "x"`):      "it has no LocalPath",
		depot(`"FileExclusion" "..\x"`): "it goes up",
		depot(`"FileMapping" {"LocalPath" "C:\x"}`):                                    "it is absolute",
		depot(`"FileMapping" {"LocalPath" "a*\b"}`):                                    "wildcard in a directory",
		depot(`"FileMapping" {"LocalPath" "cfg\*.cfg" "DepotPath" "x"}`):               "the content root is not at hand",
		depot(`"FileMapping" {"LocalPath" "*" "DepotPath" "..\..\x" "Recursive" "1"}`): "it goes up",
	} {
		_, err := Convert([]byte(text), nil)
		var faults *asset.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%.30q: %v", text, err)
			continue
		}
		if got := faults.List[0].String(); !strings.Contains(got, want) || faults.List[0].Mend == "" {
			t.Errorf("%.30q: %s; want %s", text, got, want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	f.Add([]byte(script), true)
	f.Add([]byte(`"DepotBuild" { FileMapping { LocalPath a***b\** DepotPath . Recursive 1 } }`), false)
	f.Fuzz(func(t *testing.T, data []byte, at bool) {
		var from fs.FS
		if at {
			from = content
		}
		s, err := Convert(data, from)
		if err != nil {
			if asset.CodeOf(err) != asset.CodeConfiguration {
				t.Fatal(err)
			}
			return
		}
		m := asset.PackagingManifest{AssetPackID: "x", DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyOnDemand}, FileSelectors: s.Selectors}
		text, err := m.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := asset.ParsePackagingManifest(text); err != nil && len(text) <= asset.MaxManifest {
			t.Fatalf("%s becomes %s: %v", data, text, err)
		}
	})
}
