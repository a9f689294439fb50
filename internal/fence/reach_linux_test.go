package fence

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAScriptReachesItsInterpreterAndWhatThatWasInstalledWith(t *testing.T) {
	dir := t.TempDir()
	home, prefix, venv, bundle := filepath.Join(dir, "home"), filepath.Join(dir, "opt", "snake-3"), filepath.Join(dir, "venv"), filepath.Join(dir, "bundle")
	t.Setenv("HOME", home)
	put := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(prefix, "bin", "snake3"), "\x7fELF")
	link("snake3", filepath.Join(prefix, "bin", "snake"))
	link(filepath.Join(prefix, "bin", "snake"), filepath.Join(venv, "bin", "snake"))
	put(filepath.Join(home, "bin", "mine"), "\x7fELF")
	put(filepath.Join(home, ".local", "bin", "yours"), "\x7fELF")
	put(filepath.Join(dir, "s", "shim"), "#!"+filepath.Join(dir, "s", "shim")+"\n")
	for _, c := range []struct {
		first  string // line of the script
		in     []string
		absent []string
		fault  string
	}{
		{first: "#!" + prefix + "/bin/snake", in: []string{prefix}},
		{first: "#!/usr/bin/env snake", in: []string{prefix, venv, "/usr"}},
		{first: "#!/usr/bin/env -S A=1 snake -x", in: []string{prefix, venv}},
		{first: "#! /usr/bin/env mine", in: []string{filepath.Join(home, "bin", "mine")}, absent: []string{home}},
		{first: "#!/usr/bin/env yours", in: []string{filepath.Join(home, ".local", "bin", "yours")}, absent: []string{home, filepath.Join(home, ".local")}},
		{first: "#!/usr/bin/env nosuch", fault: `interpreter "nosuch" is not in PATH`},
		{first: "#!snake", fault: "names no interpreter by its full path"},
		{first: "#!", fault: "names no interpreter by its full path"},
		{first: "#!" + filepath.Join(dir, "s", "shim"), fault: "more than 4 deep"},
		{first: "#!/no/such/file", fault: "no such file"},
		{first: "\x7fELF", in: []string{bundle}},
	} {
		put(filepath.Join(bundle, "loader"), c.first+"\nrest\n")
		path := strings.Join([]string{filepath.Join(venv, "bin"), filepath.Join(home, "bin"), filepath.Join(home, ".local", "bin"), "relative"}, ":")
		r, err := reachOf(Spec{Path: filepath.Join(bundle, "loader"), Container: filepath.Join(dir, "c"), Env: []string{"PATH=" + path}}.withDefaults())
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%q: %v; want %q", c.first, err, c.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.first, err)
		}
		for _, p := range c.in {
			if !slices.Contains(r.Execute, p) {
				t.Errorf("%q: %s is not in %q", c.first, p, r.Execute)
			}
		}
		for _, p := range c.absent {
			if slices.Contains(r.Execute, p) {
				t.Errorf("%q: %s is in %q", c.first, p, r.Execute)
			}
		}
	}
}

func TestABundleAroundTheContainerIsNotReached(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "loader")
	if err := os.WriteFile(file, []byte("x"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := reachOf(Spec{Path: file, Container: filepath.Join(dir, "data", "c")}.withDefaults())
	if err != nil || slices.Contains(r.Execute, dir) || !slices.Contains(r.Execute, file) {
		t.Errorf("%v, %q", err, r.Execute)
	}
}

func TestProcessTable(t *testing.T) {
	p, ok := parseStat([]byte("42 (a) R 1 (x) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 100 0 0"))
	if want := (process{parent: 7, threads: 3}); !ok || p != want {
		t.Errorf("%+v, %v", p, ok)
	}
	self := slices.ContainsFunc(processes(), func(p process) bool {
		return p.pid == os.Getpid() && p.parent == os.Getppid() && p.threads > 0 && !p.dead
	})
	if !self {
		t.Error("we are not among the processes")
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (init) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 100 0 0"))
	f.Add([]byte("1 ("))
	f.Add([]byte(") R "))
	f.Fuzz(func(t *testing.T, stat []byte) { parseStat(stat) })
}
