package desktop

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

var update = flag.Bool("update", false, "write the golden files")

var entries = map[string]Entry{
	"plain": {App: "org.example.game", Name: "Game", Program: "/usr/bin/larder", Data: "/home/ann/.local/share/larder"},
	"hard": {App: "org.example.hard", Name: "  Né \\ 100% $HOME `x` \"q\"\nExec=evil\x00\x1b[0m", Icon: "/srv/an icon.png", Program: "/opt/my tools/larder",
		Args: []string{"--data", "/srv/100% $x `y` \"z\" \\"}, Data: "/srv/100% $x `y` \"z\" \\"},
}

func TestEntriesAreWhatTheyWere(t *testing.T) {
	for name, e := range entries {
		golden := filepath.Join("testdata", name+".desktop")
		if *update {
			if err := os.WriteFile(golden, e.text(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(e.text())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheDesktopsOwnCheckerAcceptsEntries(t *testing.T) {
	checker, err := exec.LookPath("desktop-file-validate")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("desktop-file-validate is missing: install desktop-file-utils")
	}
	if err != nil {
		t.Skip("desktop-file-validate is missing (Debian: desktop-file-utils)")
	}
	for name := range entries {
		if out, err := exec.Command(checker, filepath.Join("testdata", name+".desktop")).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// What an app calls itself must not become a key of its own.
func FuzzNoNameBreaksOut(f *testing.F) {
	for _, e := range entries {
		f.Add(e.Name, e.Data)
	}
	f.Fuzz(func(t *testing.T, name, data string) {
		text := string(Entry{App: "org.example.game", Name: name, Program: "/usr/bin/larder", Args: []string{"--data", data}, Data: data}.text())
		var keys []string
		for line := range strings.Lines(text) {
			key, _, _ := strings.Cut(line, "=")
			keys = append(keys, key)
		}
		want := []string{"[Desktop Entry]\n", "Type", "Name", "TryExec", "Exec", "Terminal", "StartupNotify", "X-Larder-Data"}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	})
}

func TestOnlyTheOwnEntryIsReplacedAndRemoved(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "applications")
	e := entries["hard"]
	name, err := e.Write(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write(folder); err != nil {
		t.Error("writing again:", err)
	}
	other := e
	other.Data = "/srv/other"
	if _, err := other.Write(folder); asset.CodeOf(err) != asset.CodeState {
		t.Errorf("another data directory's entry was replaced: %v", err)
	}
	if err := Remove(folder, e.App, other.Data); err != nil || !Exists(folder, e.App, e.Data) {
		t.Errorf("another data directory removed the entry (%v)", err)
	}
	for range 2 {
		if err := Remove(folder, e.App, e.Data); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(name); err == nil {
		t.Error("the entry is still there")
	}
}

func TestTheFolderHonoursXDG(t *testing.T) {
	for dataHome, want := range map[string]string{"": "/home/ann/.local/share/applications", "/xdg": "/xdg/applications", "relative": "/home/ann/.local/share/applications"} {
		if got := filepath.ToSlash(Folder("/home/ann", dataHome)); got != want {
			t.Errorf("XDG_DATA_HOME=%q: %s, want %s", dataHome, got, want)
		}
	}
}
