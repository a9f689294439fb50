package bundle

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEachFaultNamesFileKeyValueAndMend(t *testing.T) {
	restrictions := func(o obj) obj { return o["BAInitialDownloadRestrictions"].(obj) }
	cases := map[string]struct {
		change func(app obj)
		want   []string
	}{
		"identity missing": {func(o obj) {
			o["CFBundleIdentifier"] = "org..game"
			delete(o, "CFBundleVersion")
			delete(o, "CFBundleExecutable")
		}, []string{
			`Info.json: CFBundleIdentifier "org..game": it has an empty part between dots; use reverse-DNS form, for example org.example.game`,
			`Info.json: CFBundleVersion: it is missing; add it, and change it with every build: 42`,
			`Info.json: CFBundleExecutable: it is missing; add the file name of the executable`,
		}},
		"version": {func(o obj) { o["CFBundleShortVersionString"] = "1.2-beta"; o["CFBundleVersion"] = 42 }, []string{
			`Info.json: CFBundleShortVersionString "1.2-beta": its part 2 is not an integer of at most nine digits; write one to three integers with dots between them: 1.2.0`,
			`Info.json: CFBundleVersion "42": it is a whole number, not a string; write it as a string`,
		}},
		"texts": {func(o obj) {
			o["CFBundleName"] = "a\x1b[31m"
			o["BAAppGroupID"] = ""
			o["CFBundleDisplayName"] = strings.Repeat("ä", 5000)
		}, []string{
			`Info.json: CFBundleName "a�[31m": it holds characters that cannot be printed; remove them`,
			`Info.json: CFBundleDisplayName "` + strings.Repeat("ä", 40) + `…": it is longer than 8,192 bytes; make it shorter`,
			`Info.json: BAAppGroupID: it is empty; give it a value, or leave the key out if it is optional`,
		}},
		"default group too long": {func(o obj) { o["CFBundleIdentifier"] = strings.Repeat("a", 150) }, []string{
			`Info.json: BAAppGroupID "group.` + strings.Repeat("a", 74) + `…": it is longer than 155 bytes; set it: use reverse-DNS form, for example group.org.example.game`,
			`Extensions/dl.appex/Info.json: CFBundleIdentifier "org.example.game.downloader": it is not the app's identifier with a suffix; use ` + strings.Repeat("a", 150) + `.downloader`,
		}},
		"urls are redacted": {func(o obj) { o["BAManifestURL"] = "http://me:secret@example.org/m?token=1#f" }, []string{
			`Info.json: BAManifestURL "http://…@example.org/m…": its url holds a user name or password; use an absolute https URL (http only for this machine), at most 8,192 bytes`,
		}},
		"http manifest, wrong sizes": {func(o obj) {
			o["BAManifestURL"] = "http://assets.example.org/"
			o["BAMaxInstallSize"] = "3000"
			o["BAEssentialMaxInstallSize"] = -1
			restrictions(o)["BADownloadAllowance"] = 1.5
			restrictions(o)["BAEssentialDownloadAllowance"] = json.Number("9223372036854775808")
		}, []string{
			`Info.json: BAManifestURL "http://assets.example.org/": its url is not https (http is for loopback hosts only); use an absolute https URL (http only for this machine), at most 8,192 bytes`,
			`Info.json: BAMaxInstallSize "3000": it is a string, not a whole number; give the number of bytes; 0 if there are none`,
			`Info.json: BAEssentialMaxInstallSize "-1": it is negative; give the number of bytes; 0 if there are none`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadAllowance "1.5": it is not a whole number up to 9223372036854775807; give the number of bytes; 0 if there are none`,
			`Info.json: BAInitialDownloadRestrictions.BAEssentialDownloadAllowance "9223372036854775808": it is not a whole number up to 9223372036854775807; give the number of bytes; 0 if there are none`,
		}},
		"restrictions without children": {func(o obj) { o["BAInitialDownloadRestrictions"] = obj{} }, []string{
			`Info.json: BAInitialDownloadRestrictions.BADownloadAllowance: it is missing; give the number of bytes; 0 if there are none`,
			`Info.json: BAInitialDownloadRestrictions.BAEssentialDownloadAllowance: it is missing; give the number of bytes; 0 if there are none`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList: it is missing; list the host names that assets and manifest come from`,
		}},
		"only a manifest URL": {func(o obj) {
			for _, k := range []string{"BAInitialDownloadRestrictions", "BAMaxInstallSize", "BAEssentialMaxInstallSize"} {
				delete(o, k)
			}
		}, []string{
			`Info.json: BAMaxInstallSize: it is missing; give the number of bytes; 0 if there are none`,
			`Info.json: BAEssentialMaxInstallSize: it is missing; give the number of bytes; 0 if there are none`,
			`Info.json: BAInitialDownloadRestrictions: it is missing; add it, with BADownloadAllowance, BAEssentialDownloadAllowance and BADownloadDomainAllowList`,
		}},
		"an extension and no keys": {func(o obj) {
			for _, k := range []string{"BAInitialDownloadRestrictions", "BAMaxInstallSize", "BAEssentialMaxInstallSize", "BAManifestURL"} {
				delete(o, k)
			}
		}, []string{
			`Info.json: BAManifestURL: it is missing; add the URL of the app's manifest`,
			`Info.json: BAMaxInstallSize: it is missing; give the number of bytes; 0 if there are none`,
			`Info.json: BAEssentialMaxInstallSize: it is missing; give the number of bytes; 0 if there are none`,
			`Info.json: BAInitialDownloadRestrictions: it is missing; add it, with BADownloadAllowance, BAEssentialDownloadAllowance and BADownloadDomainAllowList`,
		}},
		"domains": {func(o obj) {
			restrictions(o)["BADownloadDomainAllowList"] = []any{"", "*", "a.*.org", "https://a.org", "a.org:443", "-a.org", "bücher.example", "1.2.3", 7, "assets.example.org"}
		}, []string{
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.0: it is empty; remove it, or write a host name`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.1 "*": a wildcard stands elsewhere than as the first label; write *.example.com for all subdomains of example.com`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.2 "a.*.org": a wildcard stands elsewhere than as the first label; write *.example.com for all subdomains of example.com`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.3 "https://a.org": it is more than a host name; leave out scheme, port and path`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.4 "a.org:443": it is more than a host name; leave out scheme, port and path`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.5 "-a.org": it is not a host name; write it as DNS knows it, for example assets.example.com (xn-- form for other alphabets)`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.6 "bücher.example": it is not a host name; write it as DNS knows it, for example assets.example.com (xn-- form for other alphabets)`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.7 "1.2.3": it looks like an IP address and is none; write the address in full`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList.8 "7": it is a whole number, not a string; write a host name`,
		}},
		"an empty list": {func(o obj) { restrictions(o)["BADownloadDomainAllowList"] = []any{} }, []string{
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList: it is empty; list the host names that assets and manifest come from`,
		}},
		"wrong shapes": {func(o obj) {
			restrictions(o)["BADownloadDomainAllowList"] = "*.example.org"
			o["BAHasManagedAssetPacks"] = 1
			o["LarderEssentialFailurePolicy"] = nil
		}, []string{
			`Info.json: BAHasManagedAssetPacks "1": it is a whole number, not true or false; write <true/> or <false/> (true or false in JSON)`,
			`Info.json: BAInitialDownloadRestrictions.BADownloadDomainAllowList "*.example.org": it is a string, not a list; list the host names that assets and manifest come from`,
			`Info.json: LarderEssentialFailurePolicy: it is null, not a string; write it as a string`,
		}},
		"restrictions are a list": {func(o obj) { o["BAInitialDownloadRestrictions"] = []any{1} }, []string{
			`Info.json: BAInitialDownloadRestrictions "list of 1": it is a list, not a dictionary; write a dictionary with BADownloadAllowance, BAEssentialDownloadAllowance and BADownloadDomainAllowList`,
		}},
		"manifest host not listed": {func(o obj) { o["BAManifestURL"] = "https://example.org:8443/m" }, []string{
			`Info.json: BAManifestURL "https://example.org:8443/m": its host is not on BADownloadDomainAllowList, so the manifest could not be fetched before the first launch; add example.org to the list`,
		}},
		"misspelt and misplaced keys": {func(o obj) {
			o["BAManifestUrl"] = "x"
			o["baAppGroupID"] = "x"
			o["BAColour"] = obj{}
			o["BADownloadAllowance"] = 1
			o["LarderHostUrl"] = "https://u:p@h/"
			o["Larder"] = true
			restrictions(o)["BAMaxInstallSize"] = 1
			restrictions(o)["DownloadAllowance"] = 1
		}, []string{
			`Info.json: BAInitialDownloadRestrictions.BAMaxInstallSize "1": it is in the wrong place; move it out of BAInitialDownloadRestrictions`,
			`Info.json: BAInitialDownloadRestrictions.DownloadAllowance "1": there is no such key; did you mean BADownloadAllowance?`,
			`Info.json: BAColour "dictionary of 0": there is no such key; remove it`,
			`Info.json: BADownloadAllowance "1": it is in the wrong place; move it into BAInitialDownloadRestrictions`,
			`Info.json: BAManifestUrl "x": there is no such key; did you mean BAManifestURL?`,
			`Info.json: Larder "true": there is no such key; remove it`,
			`Info.json: LarderHostUrl "https://…@h/": there is no such key; did you mean LarderHostURL?`,
			`Info.json: baAppGroupID "x": there is no such key; did you mean BAAppGroupID?`,
		}},
		"hosted with the keys of others": {func(o obj) {
			o["BAUsesAppleHosting"] = true
			delete(o, "BAMaxInstallSize")
		}, []string{
			`Info.json: BAHasManagedAssetPacks: a hosted app has managed asset packs; set it to true, or set BAUsesAppleHosting to false`,
			`Info.json: LarderHostURL: it is missing, and BAUsesAppleHosting is true; add the URL of the Larder host`,
			`Info.json: BAManifestURL "https://assets.example.org/manifest.json": a hosted app must not have it (managed §3.4); leave it out, or set BAUsesAppleHosting to false`,
			`Info.json: BAInitialDownloadRestrictions "dictionary of 3": a hosted app must not have it (managed §3.4); leave it out, or set BAUsesAppleHosting to false`,
			`Info.json: BAEssentialMaxInstallSize "4000": a hosted app must not have it (managed §3.4); leave it out, or set BAUsesAppleHosting to false`,
		}},
		"mirrors": {func(o obj) {
			o["LarderHostURL"] = []any{"https://a.example", "http://b.example", 7, "https://a.example/"}
		}, []string{
			`Info.json: LarderHostURL "http://b.example": its url is not https (http is for loopback hosts only); use an absolute https URL (http only for this machine), at most 8,192 bytes`,
			`Info.json: LarderHostURL "7": it is a whole number, not a string; write it as a string`,
			`Info.json: LarderHostURL "https://a.example/": it stands there twice; name each host once`,
		}},
		"no mirrors": {func(o obj) { o["LarderHostURL"] = []any{} }, []string{
			`Info.json: LarderHostURL: it names no host, or more than 8; name one to 8 hosts, in the order in which they are to be asked`,
		}},
		"our own keys": {func(o obj) {
			o["LarderTrustedRoot"] = "trust/root.json"
			o["LarderEssentialFailurePolicy"] = "waits"
			o["LarderFinishedFilePolicy"] = "Strict"
			o["LarderHostURL"] = "https://host.example/a?b=c"
		}, []string{
			`Info.json: LarderHostURL "https://host.example/a…": it holds a query or a fragment; end it with the host or a path`,
			`Info.json: LarderEssentialFailurePolicy "waits": it is not a policy; did you mean wait?`,
			`Info.json: LarderFinishedFilePolicy "Strict": it is not a policy; did you mean strict?`,
			`Info.json: LarderTrustedRoot "trust/root.json": it cannot be read: no such file or directory; name the root.json that "larder keys init" made, copied into the bundle`,
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			app, fs := classic(), classicFiles()
			c.change(app)
			fs["Info.json"] = asJSON(app)
			wantFaults(t, fs, c.want)
		})
	}
}

func TestFaultsOfFiles(t *testing.T) {
	dl := func(change func(obj)) string { o := downloader(); change(o); return asJSON(o) }
	gone := "" // removes a file
	cases := map[string]struct {
		change files
		want   []string
	}{
		"several Info files": {files{"Info.plist": asXML(classic()), "Contents/Info.json": asJSON(classic())}, []string{
			`Info.plist: Contents/Info.json is there too; that one is read and this one ignored; remove one of them`,
			`Info.json: Contents/Info.json is there too; that one is read and this one ignored; remove one of them`,
		}},
		"Info.json is a directory": {files{"Info.json": gone, "Info.json/x": "y"}, []string{
			`Info.json: it is not a regular file; make it a readable file of the bundle, at most 1 MiB`,
		}},
		"Info.json is garbage": {files{"Info.json": `{"a": tru}`}, []string{
			`Info.json: it is not JSON we read: invalid character '}' in literal true (expecting 'e'); write one JSON object`,
		}},
		"Info.json is cut": {files{"Info.json": `{"a": [1, {"b"`}, []string{
			`Info.json: it is not JSON we read: unexpected EOF; write one JSON object`,
		}},
		"Info.json is a list": {files{"Info.json": `[1]`}, []string{
			`Info.json: its outermost value is not a dictionary; write one JSON object`,
		}},
		"Info.json goes on": {files{"Info.json": asJSON(classic()) + "{}"}, []string{
			`Info.json: it is not JSON we read: something follows the object; write one JSON object`,
		}},
		"a key twice in JSON": {files{"Info.json": strings.Replace(asJSON(classic()), `"BADownloadAllowance":1000`, `"BADownloadAllowance":1,"BADownloadAllowance":1000`, 1)}, []string{
			`Info.json: BAInitialDownloadRestrictions.BADownloadAllowance: it is there twice; remove one of them`,
		}},
		"a key twice in XML": {files{"Info.json": gone, "Info.plist": strings.Replace(asXML(classic()), `<key>BADownloadAllowance</key>`, `<key>BADownloadAllowance</key><integer>0</integer><key>BADownloadAllowance</key>`, 1)}, []string{
			`Info.plist: BAInitialDownloadRestrictions.BADownloadAllowance: it is there twice; remove one of them`,
		}},
		"a negative number in a binary list": {files{"Info.json": gone, "Info.plist": asBinary(with(classic(), "BAMaxInstallSize", -5))}, []string{
			`Info.plist: BAMaxInstallSize "-5": it is negative; give the number of bytes; 0 if there are none`,
		}},
		"an integer of unsigned 64 bits in XML": {files{"Info.json": gone, "Info.plist": strings.Replace(asXML(classic()), `<integer>3000<`, `<integer>18446744073709551615<`, 1)}, []string{
			`Info.plist: BAMaxInstallSize "18446744073709551615": it is not a whole number up to 9223372036854775807; give the number of bytes; 0 if there are none`,
		}},
		"an integer beyond 64 bits in XML": {files{"Info.json": gone, "Info.plist": strings.Replace(asXML(classic()), `<integer>2000<`, `<integer>99999999999999999999<`, 1)}, []string{
			`Info.plist: BAInitialDownloadRestrictions.BAEssentialDownloadAllowance "99999999999999999999": it is not an integer of 64 bits; write a whole number of at most 64 bits`,
		}},
		"other types of plists": {files{"Info.json": gone, "Info.plist": strings.NewReplacer("<integer>3000</integer>", "<real>3000.5</real>", "<integer>4000</integer>", "<date>2026-01-02T03:04:05Z</date>",
			"<string>42</string>", "<data>AAAA</data>").Replace(asXML(classic()))}, []string{
			`Info.plist: CFBundleVersion "3 bytes": it is data, not a string; write it as a string`,
			`Info.plist: BAMaxInstallSize "3000.5": it is not a whole number up to 9223372036854775807; give the number of bytes; 0 if there are none`,
			`Info.plist: BAEssentialMaxInstallSize "2026-01-02T03:04:05Z": it is a date, not a whole number; give the number of bytes; 0 if there are none`,
		}},
		"no executable": {files{"bin/game.x": gone}, []string{
			`Info.json: CFBundleExecutable "game": there is no such file; put it at the root, in Contents/MacOS or in bin`,
		}},
		"executable is a directory": {files{"bin/game.x": gone, "bin/game/x": "y"}, []string{
			`Info.json: CFBundleExecutable "game": bin/game is not a regular file; put the executable there`,
		}},
		"executable is a path": {files{"Info.json": asJSON(with(classic(), "CFBundleExecutable", "../bin/game"))}, []string{
			`Info.json: CFBundleExecutable "../bin/game": it is a path, not a file name; give the name alone; it is looked for at the root, in Contents/MacOS and in bin`,
		}},
		"no extension": {files{"Extensions/dl.appex/Info.json": gone, "Extensions/dl.appex/dl.x": gone}, []string{
			`Info.json: BAManifestURL "https://assets.example.org/manifest.json": the bundle has no usable downloader extension to ask about it; add Extensions/NAME.appex with EXExtensionPointIdentifier com.apple.background-asset-downloader-extension, or set BAHasManagedAssetPacks`,
		}},
		"an extension point with the plural": {files{"Extensions/dl.appex/Info.json": dl(func(o obj) {
			o["EXAppExtensionAttributes"] = obj{"EXExtensionPointIdentifier": "com.apple.background-assets-downloader-extension"}
		})}, []string{
			`Info.json: BAManifestURL "https://assets.example.org/manifest.json": the bundle has no usable downloader extension to ask about it; add Extensions/NAME.appex with EXExtensionPointIdentifier com.apple.background-asset-downloader-extension, or set BAHasManagedAssetPacks`,
			`Extensions/dl.appex/Info.json: EXAppExtensionAttributes.EXExtensionPointIdentifier "com.apple.background-assets-downloader-extension": there is no such extension point; did you mean com.apple.background-asset-downloader-extension?`,
		}},
		"an extension with faults of its own": {files{"Extensions/dl.appex/dl.x": gone, "Extensions/dl.appex/Info.json": dl(func(o obj) {
			o["CFBundleIdentifier"] = "org.example.game2.downloader"
			o["BAManifestURL"] = "https://a.example.org/?secret"
		})}, []string{
			`Extensions/dl.appex/Info.json: CFBundleExecutable "dl": there is no such file; put it at the root, in Contents/MacOS or in bin`,
			`Extensions/dl.appex/Info.json: CFBundleIdentifier "org.example.game2.downloader": it is not the app's identifier with a suffix; use org.example.game.downloader`,
			`Extensions/dl.appex/Info.json: BAManifestURL "https://a.example.org/…": asset keys of an extension are not read (classic §1); move it to the app's Info file`,
		}},
		"two downloader extensions": {files{"PlugIns/b.appex/Info.json": asJSON(downloader())}, []string{
			`PlugIns/b.appex/Info.json: EXAppExtensionAttributes.EXExtensionPointIdentifier "com.apple.background-asset-downloader-extension": a second downloader extension; Extensions/dl.appex/Info.json is the first; keep one of them`,
		}},
		"an empty appex": {files{"Extensions/a.appex/x": "y"}, []string{
			`Extensions/a.appex: it holds no Info.plist and no Info.json; add one, or remove the directory`,
		}},
		"faults of app and extension together": {files{"Info.json": "{", "Extensions/dl.appex/dl.x": gone}, []string{
			`Info.json: it is not JSON we read: unexpected EOF; write one JSON object`,
			`Extensions/dl.appex/Info.json: CFBundleExecutable "dl": there is no such file; put it at the root, in Contents/MacOS or in bin`,
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fs := classicFiles()
			for name, content := range c.change {
				if fs[name] = content; content == gone {
					delete(fs, name)
				}
			}
			wantFaults(t, fs, c.want)
		})
	}
}

func TestNothingIsFollowedOutOfTheBundle(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege here")
	}
	out := write(t, files{"game.x": "", "Info.json": asJSON(downloader()), "dl.x": ""})
	const leaves = "path escapes from parent"
	cases := map[string]struct {
		change files
		want   []string
	}{
		"Info.json": {files{"Info.json": "->" + out + "/Info.json"}, []string{
			`Info.json: it cannot be read: ` + leaves + `; make it a readable file of the bundle, at most 1 MiB`}},
		"executable": {files{"bin/game.x": "->" + out + "/game"}, []string{
			`Info.json: CFBundleExecutable "game": bin/game cannot be read: ` + leaves + `; put the file itself there, not a link that leaves the bundle`}},
		"Extensions": {files{"Extensions": "->" + filepath.Dir(out)}, []string{
			`Info.json: BAManifestURL "https://assets.example.org/manifest.json": the bundle has no usable downloader extension to ask about it; add Extensions/NAME.appex with EXExtensionPointIdentifier com.apple.background-asset-downloader-extension, or set BAHasManagedAssetPacks`,
			`Extensions: it cannot be read: ` + leaves + `; make it a readable directory of the bundle`}},
		"no exec bit": {files{"bin/game": ""}, []string{`Info.json: CFBundleExecutable "game": bin/game is not executable; chmod +x it`}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fs := classicFiles()
			for name := range c.change {
				for _, old := range []string{name, name + ".x"} {
					delete(fs, old)
				}
				if name == "Extensions" {
					maps.DeleteFunc(fs, func(k, _ string) bool { return strings.HasPrefix(k, "Extensions/") })
				}
			}
			maps.Copy(fs, c.change)
			wantFaults(t, fs, c.want)
		})
	}
	t.Run("a link inside is fine", func(t *testing.T) {
		fs := classicFiles()
		fs["game"] = "->bin/game"
		wantFaults(t, fs, nil)
	})
}

func TestHugeListsOfFaultsAreCut(t *testing.T) {
	app, fs := classic(), classicFiles()
	for i := range 3000 {
		app[fmt.Sprintf("BAWrong%d\n", i)] = true
	}
	fs["Info.json"] = asJSON(app)
	_, faults := Check(write(t, fs))
	if n := len(faults); n != maxFaults+1 || faults[n-1].Problem != "2000 more faults are not listed" {
		t.Fatalf("%d faults, last %v", n, faults[n-1])
	}
}

func TestFilesBeyondOneMebibyteAreRefused(t *testing.T) {
	dir := write(t, files{"Info.plist": ""})
	if err := os.Truncate(filepath.Join(dir, "Info.plist"), 1<<40); err != nil {
		t.Skip(err)
	}
	_, faults := Check(dir)
	if len(faults) != 1 || faults[0].Problem != "it is larger than 1 MiB" {
		t.Fatal(faults)
	}
}

func with(o obj, key string, value any) obj { o[key] = value; return o }

func wantFaults(t *testing.T, fs files, want []string) {
	t.Helper()
	_, faults := Check(write(t, fs))
	var got []string
	for _, f := range faults {
		got = append(got, f.String())
		if f.Code == 0 || f.File == "" || f.Problem == "" || f.Mend == "" {
			t.Errorf("fault is not complete: %+v", f)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
