package fence

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	esys "github.com/tetratelabs/wazero/experimental/sys"
)

func buildModule(t *testing.T, out string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", out, "./testdata/wasm")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// The paths of a module are judged before anything of the system's is in the way.
func TestAModuleReachesItsTwoDirectoriesOnly(t *testing.T) {
	dir := t.TempDir()
	container, inbox, other := filepath.Join(dir, "container"), filepath.Join(dir, "inbox", "app"), filepath.Join(dir, "inbox", "other")
	for _, d := range []string{container, inbox, other} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "file"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"good": "file", "bad": "../inbox/other/file", "abs": filepath.Join(other, "file"), "dir": "../inbox/other"} {
		if err := os.Symlink(target, filepath.Join(container, name)); err != nil {
			t.Skip(err)
		}
	}
	g, err := newGuestFS(Spec{Path: "/x.wasm", Container: container, Inbox: inbox})
	if err != nil {
		t.Fatal(err)
	}
	open := func(p string) bool {
		f, errno := g.OpenFile(p, esys.O_RDONLY, 0)
		if errno == 0 {
			f.Close()
		}
		return errno == 0
	}
	for _, p := range []string{".", "container", "inbox", "container/file", "inbox/app/file", "container/good", "container/../container/file"} {
		if !open(p) {
			t.Errorf("%s cannot be opened", p)
		}
	}
	for _, p := range []string{"..", "../x", "inbox/other", "inbox/other/file", "container/bad", "container/abs", "container/dir", "container/dir/file", "container/dir/../other/file",
		"container/../inbox/other/file", "containers", "partial"} {
		if open(p) {
			t.Errorf("%s was opened", p)
		}
	}
	for name, errno := range map[string]esys.Errno{
		"rename out": g.Rename("container/file", "inbox/other/new"), "rename in": g.Rename("inbox/other/file", "container/new"),
		"through a link": g.Rename("container/file", "container/dir/new"), "unlink": g.Unlink("inbox/other/file"),
		"link": g.Link("inbox/other/file", "container/new"), "symlink": g.Symlink("file", "container/new"), "mkdir": g.Mkdir("new", 0o700),
		"chmod": g.Chmod("container/bad", 0o777), "utimens": g.Utimens("container/bad", 0, 0), "rmdir": g.Rmdir("inbox"),
	} {
		if errno == 0 {
			t.Errorf("%s worked", name)
		}
	}
	if errno := g.Rename("inbox/app/file", "container/moved"); errno != 0 {
		t.Errorf("inbox to container: %v", errno)
	}
	if got := (Spec{Path: "/x.wasm", Container: container, Inbox: inbox}).Guest(filepath.Join(inbox, "a b")); got != "/inbox/app/a b" {
		t.Errorf("Guest gave %q", got)
	}
}

func TestWhatIsNoModuleIsToldInALine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.wasm")
	if err := os.WriteFile(file, []byte("\x00asm\x01\x00\x00\x00garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := runModule(Spec{Path: file, Container: t.TempDir()}.withDefaults())
	if err == nil || !strings.Contains(firstLine(err), "the module is not valid") {
		t.Error(err)
	}
	if err := os.Truncate(file, maxModule+1); err != nil {
		t.Fatal(err)
	}
	if _, err := readModule(file); err == nil {
		t.Error("a module beyond the bound was read")
	}
}
