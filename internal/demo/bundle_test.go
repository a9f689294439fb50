package demo

import (
	"os"
	"path/filepath"
	"testing"

	"larder/internal/bundle"
)

func TestTheBundleHasNoFaultsAndItsProgramsAreTheLarder(t *testing.T) {
	dir := t.TempDir()
	larder := filepath.Join(dir, "larder")
	if err := os.WriteFile(larder, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "Demo.app")
	if err := writeBundle(at, larder, "http://127.0.0.1:4242", 300, 700); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Read(at)
	if err != nil {
		t.Fatal(err)
	}
	if b.ID != appID || b.ManifestURL != "http://127.0.0.1:4242/manifest.json" || b.Restrictions.DownloadAllowance != 700 || b.EssentialMaxInstallSize != 300 {
		t.Errorf("bundle: %+v", b)
	}
	for path, role := range map[string]string{b.Executable: AppName, b.Extension.Executable: ExtensionName} {
		if Role(path) == nil || Role(role) == nil {
			t.Errorf("%s plays no role", path)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "program" {
			t.Errorf("%s is not the larder: %q, %v", path, data, err)
		}
	}
	if Role(larder) != nil || Role("") != nil {
		t.Error("the larder itself plays a role")
	}
}
