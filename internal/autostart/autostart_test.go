package autostart

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/internal/dirs"
)

var update = flag.Bool("update", false, "write the golden files")

// system records what a keeper is told, and answers.
type system struct {
	calls []string
	fail  func(call string) (string, error)
}

func (s *system) exec(_ context.Context, name string, args ...string) ([]byte, error) {
	call := strings.Join(append([]string{name}, args...), " ")
	s.calls = append(s.calls, call)
	if s.fail != nil {
		out, err := s.fail(call)
		return []byte(out), err
	}
	return nil, nil
}

// fixed is a configuration with the same paths on each machine.
func fixed(data string) Config {
	c := Config{Program: "/opt/larder/larder", Data: data, Home: "/home/ann", User: `DESK\ann`, UID: 501,
		Dirs: dirs.Dirs{Data: "/home/ann/.local/share/larder", Run: "/run/user/501/larder/0123456789abcdef"}}
	if data != "" {
		c.Dirs = dirs.Dirs{Data: data, Run: data + "/run"}
	}
	return c
}

// inFolder is a configuration inside a temporary folder.
func inFolder(t *testing.T, s *system) Config {
	dir := t.TempDir()
	c := Config{Program: filepath.Join(dir, "larder"), Home: dir, User: "ann", Exec: s.exec,
		Dirs: dirs.Dirs{Data: filepath.Join(dir, "data"), Run: filepath.Join(dir, "run")}}
	if err := os.WriteFile(c.Program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, goos string, c Config) *Login {
	t.Helper()
	l, err := New(goos, c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const hard = `/srv/ann's $larder 100% "x" \y & <z>`

func TestWhatIsWrittenForEachSystem(t *testing.T) {
	golden := func(name string, text []byte) {
		t.Helper()
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for kind, data := range map[string]string{"plain": "", "data": hard} {
		c := fixed(data)
		if data != "" {
			c.Program = `/opt/my tools/larder`
		}
		units := systemd{c}.files()
		golden(kind+".service", units[0].text)
		golden(kind+".socket", units[1].text)
		golden(kind+".plist", launchd{c}.files()[0].text)
		golden(kind+"-task.xml", plain(t, scheduler{c}.files()[0].text))
	}
	golden("packaged.service", PackagedUnit("/usr/bin/larder"))
}

// plain is UTF-16 as schtasks wants it, as UTF-8.
func plain(t *testing.T, text []byte) []byte {
	t.Helper()
	if !bytes.HasPrefix(text, []byte{0xff, 0xfe}) || len(text)%2 != 0 {
		t.Fatal("the task is not little-endian UTF-16 with a byte order mark")
	}
	units := make([]uint16, 0, len(text)/2)
	for i := 2; i < len(text); i += 2 {
		units = append(units, uint16(text[i])|uint16(text[i+1])<<8)
	}
	return []byte(string(utf16.Decode(units)))
}

func TestXMLIsWellFormedWhateverThePath(t *testing.T) {
	for name, text := range map[string][]byte{
		"agent": launchd{fixed(hard)}.files()[0].text, "task": plain(t, scheduler{fixed(hard)}.files()[0].text),
	} {
		d := xml.NewDecoder(bytes.NewReader(bytes.ReplaceAll(text, []byte("UTF-16"), []byte("UTF-8"))))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func TestSystemdAcceptsTheUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("systemd-analyze is missing: install systemd")
		}
		t.Skip("systemd-analyze is missing")
	}
	for name, data := range map[string]string{"plain": "", "data": filepath.Join(t.TempDir(), `ann's $x 100% "y"`)} {
		c := inFolder(t, new(system))
		c.Data = data
		l := open(t, "linux", c)
		if err := l.Install(t.Context()); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("systemd-analyze", append([]string{"--user", "--man=no", "verify"}, l.Files()...)...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		ours := false
		for line := range strings.Lines(string(out)) {
			ours = ours || strings.Contains(line, "larder")
		}
		if err != nil || ours {
			t.Errorf("%s: systemd-analyze verify: %v\n%s", name, err, out)
		}
	}
}

func TestSystemdIsToldToStartAtLoginAndOnACall(t *testing.T) {
	s := new(system)
	c := inFolder(t, s)
	c.ConfigHome = filepath.Join(c.Home, "config")
	l := open(t, "linux", c)
	for range 2 {
		s.calls = nil
		if err := l.Install(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"systemctl --user show-environment",
			"systemd-analyze --user --man=no verify " + strings.Join(l.Files(), " "),
			"systemctl --user daemon-reload", "systemctl --user reset-failed larder.*", "systemctl --user enable larder.socket larder.service",
			"systemctl --user restart larder.socket", "systemctl --user start larder.service"}
		if diff := cmp.Diff(want, s.calls); diff != "" {
			t.Error(diff)
		}
	}
	if want := filepath.Join(c.ConfigHome, "systemd", "user", "larder.service"); l.Files()[0] != want || !l.Installed() {
		t.Errorf("the unit is %s (installed: %v), want %s", l.Files()[0], l.Installed(), want)
	}
	for range 2 {
		if err := l.Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(l.Files()[0])); len(left) > 0 || l.Installed() {
		t.Errorf("left behind: %v", left)
	}
}

func TestUninstallWithoutAManagerLeavesNothing(t *testing.T) {
	s := new(system)
	c := inFolder(t, s)
	l := open(t, "linux", c)
	if err := l.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants := filepath.Join(filepath.Dir(l.Files()[0]), "default.target.wants")
	if err := errors.Join(os.Mkdir(wants, 0o755), os.Symlink(l.Files()[0], filepath.Join(wants, "larder.service"))); err != nil {
		t.Fatal(err)
	}
	s.fail = func(string) (string, error) { return "Failed to connect to bus\n", errors.New("exit status 1") }
	if err := l.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(wants); len(left) > 0 || l.Installed() {
		t.Errorf("left behind: %v", left)
	}
}

func TestWithoutAManagerNothingIsWrittenAndTheAdviceIsPlain(t *testing.T) {
	for name, cause := range map[string]error{"a manager": errors.New("exit status 1"), "systemd": exec.ErrNotFound} {
		s := &system{fail: func(string) (string, error) { return "Failed to connect to bus: No such file\n", cause }}
		l := open(t, "linux", inFolder(t, s))
		err := l.Install(t.Context())
		if asset.CodeOf(err) != asset.CodeConnectionInvalid || !strings.Contains(asset.AsError(err).Help, "larder service run") {
			t.Errorf("without %s: %v", name, err)
		}
		if l.Installed() {
			t.Errorf("without %s something was written", name)
		}
	}
}

func TestAProgramThatIsGoneIsRefused(t *testing.T) {
	c := inFolder(t, new(system))
	c.Program += "-gone"
	if err := open(t, "linux", c).Install(t.Context()); asset.CodeOf(err) != asset.CodeConfiguration {
		t.Errorf("got %v, want code 1000", err)
	}
}

func TestControlCharactersInPathsAreRefused(t *testing.T) {
	c := inFolder(t, new(system))
	c.Data = "/tmp/a\nExecStartPre=/bin/evil"
	if _, err := New("linux", c); asset.CodeOf(err) != asset.CodeConfiguration {
		t.Errorf("got %v, want code 1000", err)
	}
}

func TestDataDirectoriesHaveEntriesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, goos := range []string{"linux", "darwin"} {
		for _, data := range []string{"", "/srv/one", "/srv/two"} {
			for _, f := range open(t, goos, fixed(data)).Files() {
				if seen[f] {
					t.Errorf("%s is written for two data directories", f)
				}
				seen[f] = true
			}
		}
	}
}

func TestLaunchdAndTheTaskSchedulerAreTold(t *testing.T) {
	for goos, want := range map[string][]string{
		"darwin":  {"launchctl bootout gui/0/larder.service", "launchctl enable gui/0/larder.service", "launchctl bootstrap gui/0 FILE", "launchctl bootout gui/0/larder.service"},
		"windows": {"schtasks /Create /F /TN Larder /XML FILE", "schtasks /Run /TN Larder", "schtasks /Delete /F /TN Larder"},
	} {
		s := new(system)
		l := open(t, goos, inFolder(t, s))
		if err := errors.Join(l.Install(t.Context()), l.Uninstall(t.Context())); err != nil {
			t.Fatal(err)
		}
		var did []string
		for _, call := range s.calls {
			if !strings.Contains(call, " print ") && !strings.Contains(call, "/Query") && !strings.HasPrefix(call, "plutil") {
				did = append(did, strings.ReplaceAll(call, l.Files()[0], "FILE"))
			}
		}
		if !slices.Equal(did, want) {
			t.Errorf("%s: told %q, want %q", goos, did, want)
		}
		if l.Installed() {
			t.Errorf("%s: %s was left behind", goos, l.Files()[0])
		}
	}
}

func TestStateIsToldInAFewWords(t *testing.T) {
	s := &system{fail: func(call string) (string, error) {
		if strings.Contains(call, " show ") {
			return "ActiveState=active\nSubState=running\nFragmentPath=/x\nUnitFileState=enabled\n", nil
		}
		return "", nil
	}}
	l := open(t, "linux", inFolder(t, s))
	if got := l.State(t.Context()); got != "enabled, active (running)" {
		t.Errorf("State = %q", got)
	}
	s.fail = func(string) (string, error) { return "Failed to connect", errors.New("exit status 1") }
	if got := l.State(t.Context()); !strings.Contains(got, "no systemd user manager") {
		t.Errorf("State without a manager = %q", got)
	}
}
