package bundle

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheIconIsAPictureInsideTheBundle(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.png")
	if err := os.WriteFile(outside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ names, has, want string }{
		{"icon.png", "icon.png", "icon.png"},
		{"icon", "Contents/Resources/icon.png", "Contents/Resources/icon.png"},
		{"icon", "Resources/icon.svg", "Resources/icon.svg"},
		{"icon", "icon.icns", ""},
		{"icon.icns", "icon.icns", ""},
		{"../outside.png", "icon.png", ""},
		{"link.png", "icon.png", ""},
		{"missing.png", "icon.png", ""},
		{"folder.png", "folder.png/x", ""},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, filepath.FromSlash(c.has))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, "link.png")); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		if c.want != "" {
			want = filepath.Join(dir, filepath.FromSlash(c.want))
		}
		if got := icon(root, dir, dict{m: map[string]any{"CFBundleIconFile": c.names}, faults: &faultList{}}); got != want {
			t.Errorf("CFBundleIconFile %q with %s: %q, want %q", c.names, c.has, got, want)
		}
		root.Close()
	}
}
