package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "larder"
)

// source is one directory of Go files, for all systems and build tags together.
type source struct {
	path  string // below the module: "internal/fsx"
	files []file
}

type file struct {
	name    string // below the module
	pkg     string
	test    bool
	doc     string // the package doc comment, "" if none
	imports []string
	clock   bool // calls time.Now, time.Since or time.Until
}

// product reports whether f is part of what Larder ships or what its users import.
func (s source) product(f file) bool { return !f.test && !testsOnly[s.path] }

func readTree(t *testing.T) []source {
	t.Helper()
	dirs := map[string][]file{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != root && (base == "testdata" || base[0] == '.' || base[0] == '_') {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || base[0] == '.' || base[0] == '_' {
			return nil
		}
		tree, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v", err)
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f := readFile(filepath.ToSlash(rel), tree)
		dirs[path.Dir(f.name)] = append(dirs[path.Dir(f.name)], f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []source
	for dir, files := range dirs {
		all = append(all, source{path: dir, files: files})
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.path, b.path) })
	return all
}

func readFile(name string, tree *ast.File) file {
	f := file{name: name, pkg: tree.Name.Name, test: strings.HasSuffix(name, "_test.go"), doc: tree.Doc.Text()}
	for _, spec := range tree.Imports {
		if imp, err := strconv.Unquote(spec.Path.Value); err == nil {
			f.imports = append(f.imports, imp)
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
			f.clock = f.clock || slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name)
		}
		return true
	})
	return f
}

// ours gives the path below the module of an import of ours.
func ours(imp string) (string, bool) { return strings.CutPrefix(imp, module+"/") }

// outside reports whether imp comes from another module.
func outside(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return strings.Contains(first, ".")
}

// report fails the test once for each fault.
func report(t *testing.T, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Error(f)
	}
}

func TestTreeIsFound(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	if len(readTree(t)) < 2 {
		t.Fatal("found hardly any packages; the other tests would prove nothing")
	}
}
