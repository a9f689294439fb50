// Package conformance holds one test per rule of Apple's classic Background
// Assets (classic §1–§7), of its managed asset packs (managed §0–§5), per complaint about
// them (managed §10), and per call of ours where Apple is silent (design
// §12). Each drives a real service over its sockets: real processes as apps and
// extensions, a real web server, a real database. It promises that
// doc/conformance.md says what those tests test; it does not look inside the
// service, and tests of single parts stand beside those parts.
package conformance

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write doc/conformance.md anew")

// row is the first line of a row's test: the section it keeps faith with, the
// rule there in our words, and what Larder does. TestPage reads it from the
// source, so all three are literals. Rows run side by side.
func row(t *testing.T, section, rule, ours string) {
	t.Helper()
	t.Parallel()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("this is %s: %s\nhere: %s", section, rule, ours)
		}
	})
}

const page = "../../doc/conformance.md"

// leastRows is how many rows there were once; none is lost without a word.
const leastRows = 230

type line struct{ section, rule, ours, test string }

func TestPage(t *testing.T) {
	lines := read(t)
	if len(lines) < leastRows {
		t.Errorf("%d rows; %d are asked for", len(lines), leastRows)
	}
	want := write(lines)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("doc/conformance.md is stale; go test ./internal/conformance -run TestPage -update writes it anew")
	}
}

// read finds the rows in the source, and holds each test's name to its section.
func read(t *testing.T) (lines []line) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "TestClassic_") && !strings.HasPrefix(f.Name.Name, "TestManaged_") && !strings.HasPrefix(f.Name.Name, "TestDesign_") {
				continue
			}
			l, ok := rowOf(f)
			if !ok {
				t.Errorf("%s does not begin with row(t, section, rule, ours)", f.Name.Name)
				continue
			}
			if prefix := prefixOf(l.section); !strings.HasPrefix(f.Name.Name, prefix) {
				t.Errorf("%s speaks of %s; its name has to begin with %s", f.Name.Name, l.section, prefix)
			}
			lines = append(lines, l)
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(rank(a.section), rank(b.section)), cmp.Compare(a.test, b.test))
	})
	return lines
}

func rowOf(f *ast.FuncDecl) (line, bool) {
	if len(f.Body.List) == 0 {
		return line{}, false
	}
	x, ok := f.Body.List[0].(*ast.ExprStmt)
	if !ok {
		return line{}, false
	}
	call, ok := x.X.(*ast.CallExpr)
	if !ok || len(call.Args) != 4 {
		return line{}, false
	}
	if name, ok := call.Fun.(*ast.Ident); !ok || name.Name != "row" {
		return line{}, false
	}
	var words [3]string
	for i, a := range call.Args[1:] {
		lit, ok := a.(*ast.BasicLit)
		if !ok {
			return line{}, false
		}
		var err error
		if words[i], err = strconv.Unquote(lit.Value); err != nil || words[i] == "" {
			return line{}, false
		}
	}
	return line{words[0], words[1], words[2], f.Name.Name}, true
}

// prefixOf gives TestClassic_4_3_ for "classic §4.3".
func prefixOf(section string) string {
	document, number, _ := strings.Cut(section, " §")
	if document == "" {
		return "no document named"
	}
	return "Test" + strings.ToUpper(document[:1]) + document[1:] + "_" + strings.ReplaceAll(number, ".", "_") + "_"
}

// rank orders sections as the documents do.
func rank(section string) string {
	document, number, _ := strings.Cut(section, " §")
	for part := range strings.SplitSeq(number, ".") {
		document += fmt.Sprintf(" %4s", part)
	}
	return document
}

func write(lines []line) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Conformance

Every rule of Apple's Background Assets that Larder keeps, and every call of ours where Apple is silent or says
two things ("our call"). "classic §4.3" and "managed §1.5" are sections of our reading of Apple's public documents, on downloads
that an extension names and on asset packs; "managed §10" are complaints about Apple's, and what we do instead; "design §12" is our list of calls. Each row has a test in [internal/conformance](../internal/conformance) that drives a real service over its sockets.

This page is generated from those tests: %sgo test ./internal/conformance -run TestPage -update%s. It has %d rows.
`, "`", "`", len(lines))
	section := ""
	for n, l := range lines {
		if l.section != section {
			section = l.section
			fmt.Fprintf(&b, "\n## %s\n\n| row | rule | Larder | test |\n|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| %d | %s | %s | `%s` |\n", n+1, cell(l.rule), cell(l.ours), l.test)
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
