package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

func TestEveryLayoutGivesTheSameBundle(t *testing.T) {
	app, ext := classic(), downloader()
	app["CFBundleName"] = "Spiel für alle"
	layouts := map[string]files{
		"XML in Contents": {"Contents/Info.plist": asXML(app), "Contents/MacOS/game.x": "",
			"Contents/Extensions/dl.appex/Contents/Info.plist": asXML(ext), "Contents/Extensions/dl.appex/Contents/MacOS/dl.x": ""},
		"flat XML":        {"Info.plist": asXML(app), "game.x": "", "PlugIns/dl.appex/Info.plist": asXML(ext), "PlugIns/dl.appex/dl.x": ""},
		"binary":          {"Info.plist": asBinary(app), "bin/game.x": "", "Extensions/dl.appex/Info.plist": asBinary(ext), "Extensions/dl.appex/bin/dl.x": ""},
		"JSON":            {"Info.json": asJSON(app), "bin/game.x": "", "Contents/PlugIns/dl.appex/Info.json": asJSON(ext), "Contents/PlugIns/dl.appex/dl.x": ""},
		"JSON with a BOM": {"Contents/Info.json": "\ufeff" + asJSON(app), "game.x": "", "Extensions/dl.appex/Info.json": asJSON(ext), "Extensions/dl.appex/dl.x": ""},
		"a directory of the executable's name first": {"Info.json": asJSON(app), "game/level1": "", "bin/game.x": "",
			"Extensions/dl.appex/Info.json": asJSON(ext), "Extensions/dl.appex/dl.x": ""},
		"an extension of another kind beside": {"Info.json": asJSON(app), "game.x": "", "Extensions/dl.appex/Info.json": asJSON(ext), "Extensions/dl.appex/dl.x": "",
			"Extensions/a.appex/Info.json": `{"NSExtension": {}}`, "Extensions/b.appex/Info.json": `{"EXAppExtensionAttributes": {"EXExtensionPointIdentifier": "com.apple.widget-extension"}}`,
			"Extensions/README": "", "PlugIns": "a file"},
	}
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			dir := write(t, layout)
			b, err := Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{b.Executable, b.Extension.Executable} {
				if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() || !strings.HasPrefix(path, dir) {
					t.Errorf("executable %q: %v", path, err)
				}
			}
			if filepath.Dir(filepath.Dir(b.Extension.Executable)) == dir || !strings.HasSuffix(b.Extension.Dir, "dl.appex") {
				t.Errorf("extension: %+v", b.Extension)
			}
			b.Executable, b.Extension.Executable, b.Extension.Dir = "", "", ""
			want := &Bundle{Dir: dir, ID: "org.example.game", Name: "Spiel für alle", Version: Version{1, 2, 0}, Build: "42", Group: "group.org.example.game",
				ManifestURL: "https://assets.example.org/manifest.json",
				Restrictions: &Restrictions{DownloadAllowance: 1000, EssentialDownloadAllowance: 2000,
					DomainAllowList: []string{"*.example.org", "127.0.0.1"}},
				MaxInstallSize: 3000, EssentialMaxInstallSize: 4000, EssentialFailure: FailureOpen, FinishedFile: FinishedKeep,
				Extension: &Extension{ID: "org.example.game.downloader"}}
			if diff := cmp.Diff(want, b); diff != "" {
				t.Error(diff)
			}
			if !b.Stocked() {
				t.Error("not stocked")
			}
		})
	}
}

func TestAppsThatNeedLessAreValid(t *testing.T) {
	plain := func(more obj) obj {
		out := obj{"CFBundleIdentifier": "org.example.game", "CFBundleShortVersionString": "1", "CFBundleVersion": "1", "CFBundleExecutable": "game"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	managed := classic()
	managed["BAHasManagedAssetPacks"] = true
	none := classic()
	none["BAInitialDownloadRestrictions"].(obj)["BADownloadAllowance"] = 0
	none["BAHasManagedAssetPacks"] = true
	cases := map[string]struct {
		info  obj
		check func(*Bundle) bool
	}{
		"no BA keys":                {plain(nil), func(b *Bundle) bool { return !b.Stocked() && b.Restrictions == nil && b.Name == "org.example.game" }},
		"the app's own BA words":    {plain(obj{"BASE_URL": "x", "BANNER": "y", "Basis": 1}), func(b *Bundle) bool { return true }},
		"managed without extension": {managed, func(b *Bundle) bool { return b.Stocked() && b.Extension == nil }},
		"an allowance of 0":         {none, func(b *Bundle) bool { return b.Restrictions.DownloadAllowance == 0 }},
		"a group of its own":        {plain(obj{"BAAppGroupID": "group.x"}), func(b *Bundle) bool { return b.Group == "group.x" }},
		"display name before name":  {plain(obj{"CFBundleName": "a", "CFBundleDisplayName": "b"}), func(b *Bundle) bool { return b.Name == "b" }},
		"false switches":            {plain(obj{"BAUsesAppleHosting": false, "BAHasManagedAssetPacks": false}), func(b *Bundle) bool { return !b.Stocked() }},
		"mirrors": {plain(obj{"BAUsesAppleHosting": true, "BAHasManagedAssetPacks": true, "LarderHostURL": []any{"https://a.example/", "https://b.example/x"}}),
			func(b *Bundle) bool {
				return b.HostURL == "https://a.example" && len(b.Mirrors) == 1 && b.Mirrors[0] == "https://b.example/x"
			}},
		"hosted, http for loopback, wait": {plain(obj{"BAUsesAppleHosting": true, "BAHasManagedAssetPacks": true, "LarderHostURL": "http://127.0.0.1:8080/x/", "LarderEssentialFailurePolicy": "wait"}),
			func(b *Bundle) bool {
				return b.Stocked() && b.HostURL == "http://127.0.0.1:8080/x" && b.EssentialFailure == FailureWait
			}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b, err := Read(write(t, files{"Info.json": asJSON(c.info), "game.x": ""}))
			if err != nil {
				t.Fatal(err)
			}
			if !c.check(b) {
				t.Errorf("%+v", b)
			}
		})
	}
}

func TestNoBundleAtAllIsATypedError(t *testing.T) {
	cases := map[string]string{
		"nothing there":   filepath.Join(t.TempDir(), "none"),
		"a file":          filepath.Join(write(t, files{"f": ""}), "f"),
		"no Info file":    write(t, files{"game.x": "", "Contents": "a file"}),
		"a NUL in a path": "a\x00b",
	}
	for name, dir := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Read(dir)
			var e *asset.Error
			if !errors.As(err, &e) || e.Code != asset.CodeNotFound || e.Help == "" {
				t.Fatalf("got %v", err)
			}
			b, faults := Check(dir)
			if b != nil || len(faults) != 1 || faults[0].Code != asset.CodeNotFound || faults[0].Mend == "" {
				t.Fatalf("got %v %v", b, faults)
			}
		})
	}
}

func TestFaultsAreOneErrorWithTheirCode(t *testing.T) {
	fs := classicFiles()
	app := classic()
	app["LarderTrustedRoot"] = "root.json"
	fs["Info.json"] = asJSON(app)
	b, err := Read(write(t, fs))
	var faults *Faults
	if b != nil || !errors.As(err, &faults) || len(faults.List) != 1 || asset.CodeOf(err) != asset.CodeSignature {
		t.Fatalf("got %v, %v", b, err)
	}
	delete(app, "CFBundleVersion")
	fs["Info.json"] = asJSON(app)
	_, err = Read(write(t, fs))
	if asset.CodeOf(err) != asset.CodeConfiguration || !strings.Contains(err.Error(), "CFBundleVersion: it is missing") || !strings.Contains(err.Error(), "(and 1 more)") {
		t.Fatalf("got %v", err)
	}
}
