package demo

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"larder/asset"
	packsite "larder/internal/site"
)

// appID is the demo app's identifier.
const appID asset.AppID = "example.larder.demo"

// The names that the larder binary plays the demo app and its extension under.
// An extension is given no arguments, so its name is all that tells it.
const (
	AppName       = "larder-demo-app"
	ExtensionName = "larder-demo-extension"
)

const plistHead = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`

// pair is a key of a property list and its value: a string, an int64, a bool, a
// []string or a []pair.
type pair struct {
	key   string
	value any
}

// writeBundle makes the app bundle at dir: two property lists, and the program
// twice under the names above. The sizes are bytes on the wire.
func writeBundle(dir, program, site string, essential, later int64) error {
	appex := filepath.Join(dir, "Extensions", "Loader.appex")
	err := os.MkdirAll(appex, 0o755)
	if err != nil {
		return err
	}
	app := []pair{
		{"CFBundleIdentifier", string(appID)},
		{"CFBundleName", "Larder Demo"},
		{"CFBundleShortVersionString", "1.0.0"},
		{"CFBundleVersion", "1"},
		{"CFBundleExecutable", executable(AppName)},
		{"BAManifestURL", site + "/" + manifestName},
		{"BAInitialDownloadRestrictions", []pair{
			{"BADownloadAllowance", later},
			{"BAEssentialDownloadAllowance", essential + maxManifest},
			{"BADownloadDomainAllowList", []string{"127.0.0.1"}},
		}},
		{"BAMaxInstallSize", later},
		{"BAEssentialMaxInstallSize", essential},
	}
	loader := []pair{
		{"CFBundleIdentifier", string(appID) + ".loader"},
		{"CFBundleExecutable", executable(ExtensionName)},
		{"EXAppExtensionAttributes", []pair{{"EXExtensionPointIdentifier", "com.apple.background-asset-downloader-extension"}}},
	}
	for _, f := range []struct {
		dir, executable string
		info            []pair
	}{{dir, executable(AppName), app}, {appex, executable(ExtensionName), loader}} {
		if err := os.WriteFile(filepath.Join(f.dir, "Info.plist"), []byte(plistHead+plist(f.info)+"</plist>\n"), 0o644); err != nil {
			return err
		}
		if err := place(program, filepath.Join(f.dir, f.executable)); err != nil {
			return err
		}
	}
	return nil
}

// executable is the file name of a program on this system.
func executable(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return name
}

// writePacksBundle makes the bundle of the app with an asset pack, which has no extension.
func writePacksBundle(dir, program, site string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	info := []pair{
		{"CFBundleIdentifier", string(packsApp)},
		{"CFBundleName", "Larder Packs"},
		{"CFBundleShortVersionString", "1.0.0"},
		{"CFBundleVersion", "1"},
		{"CFBundleExecutable", executable(AppName)},
		{"BAHasManagedAssetPacks", true},
		{"BAManifestURL", site + "/" + packsite.ManifestPath(packsApp, "production")},
		{"BAInitialDownloadRestrictions", []pair{
			{"BADownloadAllowance", int64(4 * mapSize)},
			{"BAEssentialDownloadAllowance", int64(4 * mapSize)},
			{"BADownloadDomainAllowList", []string{"127.0.0.1"}},
		}},
		{"BAMaxInstallSize", int64(4 * mapSize)},
		{"BAEssentialMaxInstallSize", int64(4 * mapSize)},
	}
	if err := os.WriteFile(filepath.Join(dir, "Info.plist"), []byte(plistHead+plist(info)+"</plist>\n"), 0o644); err != nil {
		return err
	}
	return place(program, filepath.Join(dir, executable(AppName)))
}

func plist(value any) string {
	var b strings.Builder
	text := func(tag, s string) {
		b.WriteString("<" + tag + ">")
		_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
		b.WriteString("</" + tag + ">\n")
	}
	switch v := value.(type) {
	case string:
		text("string", v)
	case bool:
		fmt.Fprintf(&b, "<%t/>\n", v)
	case int64:
		text("integer", strconv.FormatInt(v, 10))
	case []string:
		b.WriteString("<array>\n")
		for _, s := range v {
			text("string", s)
		}
		b.WriteString("</array>\n")
	case []pair:
		b.WriteString("<dict>\n")
		for _, p := range v {
			text("key", p.key)
			b.WriteString(plist(p.value))
		}
		b.WriteString("</dict>\n")
	}
	return b.String()
}

// place puts the program at path: a hard link, since a bundle may not have links
// that lead out of it, and a copy where the file system makes none.
func place(program, path string) error {
	if err := os.Link(program, path); err == nil {
		return nil
	}
	from, err := os.Open(program)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	return err
}
