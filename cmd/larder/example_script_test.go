//go:build unix

package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// example NAME: copy the example, and build its program into its bundle.
func exampleCommand(ts *testscript.TestScript, _ bool, args []string) {
	from, to := filepath.Join(repository, "examples", args[0]), ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		at := filepath.Join(to, strings.TrimPrefix(name, from))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		return os.WriteFile(at, text, 0o644)
	}))
	build := exec.Command("go", "build", "-o", filepath.Join(to, "bundle", "bin", args[0]), "./examples/"+args[0])
	build.Dir = repository
	if text, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("building %s: %v\n%s", args[0], err, text)
	}
}

// repository is the root of this repository.
var repository = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}()
