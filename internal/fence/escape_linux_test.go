//go:build !race

package fence

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/internal/fence/escape"
)

const nobody = 65534

// All escapes are tried once more by a user without rights.
func TestTheFenceOfAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user; this is an ordinary one already")
	}
	dir := openDir(t)
	self := filepath.Join(dir, "fence.test")
	copyFile(t, "/proc/self/exe", self)
	cmd := exec.Command(self, "-test.v", "-test.run", "^TestEscapes$")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "\nPASS") {
		t.Error(err)
	}
}

// openDir is a temporary directory that belongs to nobody; t.TempDir lies in one of
// root's.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "larder-fence-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// levels are those that the escapes are tried at, best first.
var levels = []string{"", "landlock+seccomp", "landlock"}

func TestEscapes(t *testing.T) {
	tries := []string{Files, Attributes, TCP, UDP, escape.DNS, UnixSockets, AbstractSockets, Trace, Signals, Sight, Survivors, Processes, Memory, escape.MemoryFiles}
	for _, layers := range levels {
		for _, language := range []string{"go", "python"} {
			t.Run(fmt.Sprintf("%s/%s", orBest(layers), language), func(t *testing.T) {
				for _, try := range tries {
					w := newWorld(t)
					got := w.run(t, try, language, layers)
					held := !strings.Contains(got.out, "ESCAPED") && !w.harmed(t, try)
					t.Logf("%-16s %-8s %s", try, map[bool]string{true: "held", false: "NOT HELD"}[held], got.end.Why)
					promised := slices.Contains(got.level.Holds, escape.HeldAs(try))
					if promised && !held {
						t.Errorf("%s got out of %q:\n%s", try, got.level.Name, got.out)
					}
					if !strings.Contains(got.out, "held") && !strings.Contains(got.out, "ESCAPED") && got.end.Why == "" && try != Survivors {
						t.Errorf("%s did not try: %+v %s", try, got.end, got.out)
					}
					if try == Memory && !strings.Contains(got.end.Why, "MiB of memory; 256 MiB are allowed") {
						t.Errorf("the cause is not told: %+v %s", got.end, got.out)
					}
				}
			})
		}
	}
}

func orBest(layers string) string {
	if layers == "" {
		return "best"
	}
	return layers
}

// world is a bundle, a container and an inbox, and what lies outside of them.
type world struct {
	*escape.World
	bundle, container, inbox, outside string
	env                               []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	group := filepath.Join(dir, "data", "groups", "g")
	w := &world{World: escape.Surround(t, dir), bundle: filepath.Join(dir, "bundle"), container: filepath.Join(group, "container"), inbox: filepath.Join(group, "inbox", "app")}
	w.outside = w.Vars["OUTSIDE"]
	other := filepath.Join(group, "inbox", "other")
	for _, d := range []string{w.bundle, w.container, w.inbox, other} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{filepath.Join(other, "theirs"), filepath.Join(w.inbox, "arrived")} {
		if err := os.WriteFile(f, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.Vars["BUNDLE"], w.Vars["OTHER"] = w.bundle, other
	w.env = []string{"PATH=/usr/bin:/bin"}
	for name, value := range w.Vars {
		w.env = append(w.env, name+"="+value)
	}
	return w
}

func (w *world) harmed(t *testing.T, name string) bool { return w.Harmed(t, name, w.container) }

type outcome struct {
	out   string
	end   Ending
	level Level
}

// program puts the hostile program into the bundle and gives its path.
func (w *world) program(t *testing.T, language string) string {
	t.Helper()
	path := filepath.Join(w.bundle, "hostile")
	if language == "python" {
		if _, err := os.Stat("/usr/bin/python3"); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("python3 is needed:", err)
			}
			t.Skip("no /usr/bin/python3 here")
		}
		path += ".py"
		if err := os.WriteFile(path, escape.Python, 0o755); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Symlink(executable(t), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func executable(t *testing.T) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// run runs the hostile program to its end, or for three minutes.
func (w *world) run(t *testing.T, name, language, layers string) (o outcome) {
	t.Helper()
	return w.runProgram(t, w.program(t, language), append(w.env, "ESCAPE="+name), layers)
}

func (w *world) runProgram(t *testing.T, path string, env []string, layers string) (o outcome) {
	t.Helper()
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := Start(Spec{Path: path, Bundle: w.bundle, Container: w.container, Inbox: w.inbox, Env: env, Layers: layers, Stdin: null, Stdout: out, Stderr: out})
	out.Close()
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(3*time.Minute, p.Kill)
	defer timer.Stop()
	text, _ := io.ReadAll(io.LimitReader(r, 1<<20))
	return outcome{string(text), p.Ending(), p.Level()}
}
