package bundle

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// icon is the absolute path of the file that CFBundleIconFile names, when it is
// one that every desktop can draw: a PNG or SVG file inside the bundle, at its
// root or in Resources. An icon of another kind (.icns) is no fault and no icon.
func icon(root *os.Root, abs string, info dict) string {
	name, ok := info.string("CFBundleIconFile")
	if !ok || strings.ContainsAny(name, `/\`) {
		return ""
	}
	names := []string{name + ".svg", name + ".png"}
	if ext := strings.ToLower(path.Ext(name)); ext == ".svg" || ext == ".png" {
		names = []string{name}
	}
	for _, dir := range []string{".", "Contents/Resources", "Resources"} {
		for _, name := range names {
			at := path.Join(dir, name)
			if st, err := root.Stat(at); err == nil && st.Mode().IsRegular() {
				return filepath.Join(abs, filepath.FromSlash(at))
			}
		}
	}
	return ""
}
