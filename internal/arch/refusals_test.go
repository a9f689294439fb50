package arch

import (
	"strings"
	"testing"
)

// The checks must be able to fail: each row is a tree that they refuse, or the
// nearest one that they let pass.
func TestChecksRefuseWhatTheyShould(t *testing.T) {
	one := func(path, name, imp string) source {
		return source{path: path, files: []file{{name: path + "/" + name, test: strings.HasSuffix(name, "_test.go"), imports: []string{imp}}}}
	}
	for _, c := range []struct {
		name  string
		check func(source) []string
		tree  source
		want  string // part of the one fault; empty: none
	}{
		{"up", checkFloors, one("internal/queue", "q.go", "larder/internal/apps"), "stands above it"},
		{"up in a test", checkFloors, one("internal/queue", "q_test.go", "larder/internal/apps"), "stands above it"},
		{"down", checkFloors, one("internal/apps", "a.go", "larder/internal/queue"), ""},
		{"own package from its external test", checkFloors, one("internal/apps", "a_test.go", "larder/internal/apps"), ""},
		{"service meets host", checkFloors, one("internal/service", "s.go", "larder/internal/host"), "neighbour"},
		{"host meets service", checkFloors, one("internal/host", "h.go", "larder/internal/service"), "neighbour"},
		{"new package", checkFloors, one("internal/cellar", "c.go", "os"), "stands on no floor"},
		{"child of a known package", checkFloors, one("internal/queue/rows", "r.go", "os"), "stands on no floor"},
		{"product uses a test package", checkFloors, one("internal/transfer", "t.go", "larder/internal/fault"), "tests only"},
		{"test uses a test package", checkFloors, one("internal/transfer", "t_test.go", "larder/internal/fault"), ""},
		{"test package looks up", checkFloors, one("internal/conformance", "c.go", "larder/internal/service"), ""},
		{"example uses a public package", checkFloors, one("examples/go-extension", "main.go", "larder/extension"), ""},
		{"example uses an internal package", checkFloors, one("examples/go-extension", "main.go", "larder/internal/fsx"), "public packages only"},

		{"pure and os", checkPure, one("internal/policy", "p.go", "os"), "is pure"},
		{"pure and os/exec", checkPure, one("internal/policy", "p.go", "os/exec"), "is pure"},
		{"pure and fsx", checkPure, one("internal/lifecycle", "l.go", "larder/internal/fsx"), "is pure"},
		{"pure and net/url", checkPure, one("internal/policy", "p.go", "net/url"), ""},
		{"pure and net/http", checkPure, one("internal/policy", "p.go", "net/http"), "is pure"},
		{"asset and net/http", checkPure, one("asset", "a.go", "net/http"), ""},
		{"pure and the clock", checkPure, source{path: "internal/policy", files: []file{{name: "internal/policy/p.go", clock: true}}}, "reads the clock"},
		{"test of a pure package", checkPure, one("internal/policy", "p_test.go", "os"), ""},

		{"module at home", checkHomes, one("internal/db", "db.go", "modernc.org/sqlite"), ""},
		{"module abroad", checkHomes, one("internal/queue", "q.go", "modernc.org/sqlite"), "lives in internal/db"},
		{"module abroad in a test", checkHomes, one("internal/queue", "q_test.go", "modernc.org/sqlite"), "lives in internal/db"},
		{"module without a home", checkHomes, one("internal/queue", "q.go", "example.com/grab"), "has no home"},
		{"test module in a test", checkHomes, one("asset", "a_test.go", "github.com/google/go-cmp/cmp"), ""},
		{"test module in product code", checkHomes, one("asset", "a.go", "github.com/google/go-cmp/cmp"), "tests only"},
		{"test module in a test package", checkHomes, one("internal/fault", "f.go", "github.com/google/go-cmp/cmp"), ""},
		{"name that only begins like a home", checkHomes, one("internal/db", "db.go", "modernc.org/sqlite3"), "has no home"},
		{"pure package takes a limiter", checkHomes, one("internal/policy", "p.go", "golang.org/x/time/rate"), "lives in"},

		{"no doc", checkDoc, source{path: "pack", files: []file{{name: "pack/a.go", pkg: "pack"}}}, "0 package doc comments"},
		{"two docs", checkDoc, source{path: "pack", files: []file{
			{name: "pack/a.go", pkg: "pack", doc: "Package pack is."}, {name: "pack/b.go", pkg: "pack", doc: "Package pack was."}}}, "2 package doc comments"},
		{"doc of another name", checkDoc, source{path: "pack", files: []file{{name: "pack/a.go", pkg: "pack", doc: "Package peck is."}}}, "does not begin"},
		{"doc beside a test", checkDoc, source{path: "pack", files: []file{
			{name: "pack/a.go", pkg: "pack", doc: "Package pack is."}, {name: "pack/a_test.go", pkg: "pack", test: true}}}, ""},
		{"command", checkDoc, source{path: "cmd/larder", files: []file{{name: "cmd/larder/main.go", pkg: "main", doc: "Command larder stocks."}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.check(c.tree)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("refused: %q", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got %q; want one fault with %q", got, c.want)
			}
		})
	}
}
