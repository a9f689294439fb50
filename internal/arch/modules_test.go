package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// home says which packages may import a module, or one package tree of it.
// Tests of a package may import what the package may.
type home struct {
	product []string // packages whose product files may
	tests   []string // packages whose test files may; {"*"}: any
}

var anyTest = home{tests: []string{"*"}}

var homes = map[string]home{
	"modernc.org/sqlite":            {product: []string{"internal/db"}},
	"github.com/spf13/cobra":        {product: []string{"cmd/larder"}},
	"github.com/vbauerster/mpb/v8":  {product: []string{"cmd/larder"}},
	"github.com/micromdm/plist":     {product: []string{"internal/bundle"}},
	"github.com/godbus/dbus/v5":     {product: []string{"internal/device"}},
	"github.com/Microsoft/go-winio": {product: []string{"internal/localapi"}},
	"github.com/minio/minio-go/v7":  {product: []string{"internal/bucket"}, tests: []string{"internal/bucket", "internal/bucket/buckettest"}},
	"github.com/klauspost/compress": {product: []string{"pack"}},
	"github.com/buildbarn/go-cdc":   {product: []string{"pack"}},
	"golang.org/x/sys": {
		product: []string{"cmd/larder", "internal/service", "internal/fence", "internal/localapi", "internal/device", "internal/front", "internal/fsx", "internal/purge"},
		tests:   []string{"*"},
	},
	"golang.org/x/crypto/acme":                          {product: []string{"internal/host/certificate"}},
	"github.com/golang-jwt/jwt/v5":                      {product: []string{"internal/host/access"}},
	"github.com/tetratelabs/wazero":                     {product: []string{"internal/fence"}},
	"golang.org/x/time":                                 {product: impure()},
	"golang.org/x/text":                                 {product: []string{"internal/language"}},
	"github.com/theupdateframework/go-tuf/v2":           {product: []string{"internal/trust"}},
	"github.com/sigstore/sigstore":                      {product: []string{"internal/trust"}}, // go-tuf's signers
	"github.com/secure-systems-lab/go-securesystemslib": {product: []string{"internal/trust"}}, // key files sealed by a passphrase

	"github.com/rogpeppe/go-internal/lockedfile": {product: []string{"internal/fsx"}},
	"github.com/rogpeppe/go-internal/testscript": anyTest,
	"github.com/google/go-cmp":                   anyTest,
	"pgregory.net/rapid":                         anyTest,
	"github.com/getkin/kin-openapi":              {tests: []string{"internal/localapi", "internal/host", "internal/host/api"}},
}

// inherited lists, for each public package, every outside module that an app
// gets with it, through us and on any system. An app must not inherit our
// database. Before adding one, ask whether the app needs it.
var inherited = map[string][]string{
	"asset":     nil,
	"extension": nil,
	"pack":      {"github.com/klauspost/compress", "github.com/buildbarn/go-cdc", "golang.org/x/sys", "github.com/rogpeppe/go-internal"},
	"client":    {"github.com/Microsoft/go-winio", "golang.org/x/sys", "golang.org/x/text", "github.com/rogpeppe/go-internal"},
}

func impure() []string {
	return slices.DeleteFunc(slices.Concat(floors...), func(p string) bool { return slices.Contains(pure, p) })
}

func TestModulesStayAtHome(t *testing.T) {
	for _, s := range readTree(t) {
		report(t, checkHomes(s))
	}
}

func checkHomes(s source) (faults []string) {
	for _, f := range s.files {
		for _, imp := range f.imports {
			if !outside(imp) {
				continue
			}
			key, h, ok := homeOf(imp)
			inTest := !s.product(f) && (slices.Contains(h.tests, "*") || slices.Contains(h.tests, s.path))
			switch {
			case !ok:
				faults = append(faults, fmt.Sprintf("%s imports %s, which has no home: give it one in internal/arch/modules_test.go", f.name, imp))
			case slices.Contains(h.product, s.path) || inTest:
			case h.product == nil:
				faults = append(faults, fmt.Sprintf("%s imports %s, which is for tests only (of packages: %s)", f.name, imp, strings.Join(h.tests, ", ")))
			default:
				faults = append(faults, fmt.Sprintf("%s imports %s; %s lives in %s: call that package instead",
					f.name, imp, key, strings.Join(h.product, ", ")))
			}
		}
	}
	return faults
}

func homeOf(imp string) (string, home, bool) {
	for _, key := range slices.Sorted(maps.Keys(homes)) {
		if imp == key || strings.HasPrefix(imp, key+"/") {
			return key, homes[key], true
		}
	}
	return "", home{}, false
}

// goMod is the part of "go mod edit -json" that we read.
type goMod struct {
	Require []struct {
		Path, Version string
		Indirect      bool
	}
}

func readGoMod(t *testing.T, file string) goMod {
	t.Helper()
	var m goMod
	if err := json.Unmarshal(runGo(t, nil, "mod", "edit", "-json", file), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEachRequiredModuleHasAHomeAndEachHomeAModule(t *testing.T) {
	used := map[string]bool{}
	for _, r := range readGoMod(t, filepath.Join(root, "go.mod")).Require {
		if r.Indirect {
			continue
		}
		found := false
		for key := range homes {
			if key == r.Path || strings.HasPrefix(key, r.Path+"/") {
				used[key], found = true, true
			}
		}
		if !found {
			t.Errorf("go.mod requires %s, which has no home: give it one in internal/arch/modules_test.go", r.Path)
		}
	}
	for key := range homes {
		if !used[key] {
			t.Errorf("internal/arch/modules_test.go has a home for %s, which go.mod does not require", key)
		}
	}
}

func TestAppsInheritOnlyWhatIsListed(t *testing.T) {
	args := []string{"list", "-e", "-deps", "-json=ImportPath,Module,Deps"}
	for _, p := range public {
		if _, err := os.Stat(filepath.Join(root, p)); err == nil {
			args = append(args, "./"+p)
		}
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			from, deps := listDeps(t, system, args)
			for _, p := range public {
				seen := map[string]bool{module: true, "": true} // "": the standard library
				for _, dep := range deps[p] {
					mod := from[dep]
					if !seen[mod] && !slices.Contains(inherited[p], mod) {
						t.Errorf("an app that imports %s on %s inherits %s (package %s); keep it out, or list it in internal/arch/modules_test.go",
							p, system, mod, dep)
					}
					seen[mod] = true
				}
			}
		})
	}
}

// listDeps gives the module of each package, and all that each public package
// needs.
func listDeps(t *testing.T, system string, args []string) (from map[string]string, deps map[string][]string) {
	t.Helper()
	from, deps = map[string]string{}, map[string][]string{}
	out := json.NewDecoder(bytes.NewReader(runGo(t, []string{"GOOS=" + system, "GOARCH=arm64", "CGO_ENABLED=0"}, args...)))
	for {
		var p struct {
			ImportPath string
			Module     *struct{ Path string }
			Deps       []string
		}
		if err := out.Decode(&p); errors.Is(err, io.EOF) {
			return from, deps
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module != nil {
			from[p.ImportPath] = p.Module.Path
		}
		if path, ok := ours(p.ImportPath); ok {
			deps[path] = p.Deps
		}
	}
}

// modernc's SQLite is translated against one exact libc; another builds and
// then fails in strange ways.
func TestLibcIsTheOneThatSQLiteWasMadeWith(t *testing.T) {
	const libc = "modernc.org/libc"
	version := func(m goMod) string {
		for _, r := range m.Require {
			if r.Path == libc {
				return r.Version
			}
		}
		return ""
	}
	file := strings.TrimSpace(string(runGo(t, nil, "list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite")))
	want := version(readGoMod(t, file))
	got := strings.TrimSpace(string(runGo(t, nil, "list", "-m", "-f", "{{.Version}}", libc)))
	if want == "" || got != want {
		t.Errorf("the build uses %s %q; the required modernc.org/sqlite wants exactly %q", libc, got, want)
	}
}

func runGo(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if args[0] == "list" { // its patterns are relative to the module's root
		cmd.Dir = root
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}
