package localapi

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestTheStoreInTheDocumentWorks(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is needed")
		}
		t.Skip("no python3 on this machine")
	}
	page, err := os.ReadFile("../../doc/local-api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(page), "```python\n")
	script, _, _ = strings.Cut(script, "```")
	w := newWorld(t)
	run := func() string {
		cmd := exec.Command(python, "-c", script, w.dirs.OwnerSocket(), "/bundles/game")
		cmd.Env = append(os.Environ(), "PYTHONUTF8=1")
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if got, want := run(), "0 of 2 bytes \n1 of 2 bytes \n2 of 2 bytes \nready to launch\n"; got != want {
		t.Errorf("the store printed\n%s\nwant\n%s", got, want)
	}
	w.failWith(noApp("bundle"))
	if got := run(); got != "there is no such app\n" {
		t.Errorf("after an error the store printed %q", got)
	}
}
