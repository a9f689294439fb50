package arch

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEachPackageSaysOnceWhatItPromises(t *testing.T) {
	for _, s := range readTree(t) {
		report(t, checkDoc(s))
	}
}

// checkDoc counts in the test files only where a package has nothing else.
func checkDoc(s source) (faults []string) {
	product := false
	for _, f := range s.files {
		product = product || !f.test
	}
	docs := 0
	for _, f := range s.files {
		if f.test == product || f.doc == "" {
			continue
		}
		docs++
		if want := "Package " + f.pkg + " "; f.pkg != "main" && !strings.HasPrefix(f.doc, want) {
			faults = append(faults, fmt.Sprintf("%s: its package doc comment does not begin with %q", f.name, want))
		}
	}
	if docs != 1 {
		faults = append(faults, fmt.Sprintf("%s has %d package doc comments; one file must say what it promises, what it does not, and who calls it", s.path, docs))
	}
	return faults
}

// A clone must build and read alike everywhere: no file may name the place it
// was written on, nor a host that packages were fetched from.
func TestNoFileNamesARegistryOrThisMachine(t *testing.T) {
	foreign := regexp.MustCompile(strings.Join(foreignNames(t), "|"))
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin"):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > 1<<20 {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil || bytes.IndexByte(data, 0) >= 0 {
			return err
		}
		for i, line := range bytes.Split(data, []byte("\n")) {
			if m := foreign.Find(line); m != nil {
				t.Errorf("%s:%d names %q", filepath.ToSlash(name), i+1, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// foreignNames gives patterns, put together here so that this file holds none
// of them. Short paths such as /src say nothing about a machine and are left out.
func foreignNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, h := range []string{"proxy.golang", "registry.npmjs", "files.pythonhosted", "pypi", "crates"} {
		names = append(names, `\b`+regexp.QuoteMeta(h)+`\.(org|io)\b`)
	}
	for _, p := range strings.FieldsFunc(strings.TrimSpace(string(runGo(t, nil, "env", "GOPROXY"))), func(r rune) bool { return r == ',' || r == '|' }) {
		if u, err := url.Parse(p); err == nil && u.Host != "" {
			names = append(names, `\b`+regexp.QuoteMeta(u.Host)+`\b`)
		}
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	home, _ := os.UserHomeDir()
	for _, dir := range []string{here, home} {
		if strings.Count(filepath.ToSlash(filepath.Clean(dir)), "/") >= 2 {
			names = append(names, `(^|[^\w./-])`+regexp.QuoteMeta(dir)+`\b`)
		}
	}
	return names
}
