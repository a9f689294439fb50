//go:build unix

package packing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"larder/asset"
)

// world writes files ("a/b"), empty directories ("a/"), links ("a -> b"),
// executables ("a*") and pipes ("a|") and gives the directory.
func world(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		name, target, link := strings.Cut(name, " -> ")
		full := filepath.Join(dir, strings.TrimRight(name, "*|"))
		must(os.MkdirAll(filepath.Dir(full), 0o755))
		switch {
		case link:
			must(os.Symlink(target, full))
		case strings.HasSuffix(name, "/"):
			must(os.MkdirAll(full, 0o755))
		case strings.HasSuffix(name, "|"):
			must(syscall.Mkfifo(full, 0o644))
		case strings.HasSuffix(name, "*"):
			must(os.WriteFile(full, []byte(name), 0o755))
		default:
			must(os.WriteFile(full, []byte(name), 0o644))
		}
	}
	return dir
}

// choose writes a manifest with these selectors and selects by it.
func choose(t *testing.T, dir, more string, selectors ...string) (*Selection, error) {
	t.Helper()
	file := filepath.Join(dir, "manifest.json")
	text := fmt.Sprintf(`{"assetPackID": "x", "downloadPolicy": {"onDemand": {}}, "platforms": [], %s "fileSelectors": [`+"\n%s\n]}", more, strings.Join(selectors, ",\n"))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Select(t.Context(), m)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func listed(s *Selection) string {
	var out []string
	for _, item := range s.Items {
		line := item.Path
		if item.From != item.Path {
			line += "<" + item.From
		}
		if item.Target != "" {
			line += " -> " + item.Target
		}
		out = append(out, line+map[string]string{"directory": "/", "executable": "*"}[string(item.Kind)])
	}
	return strings.Join(out, " ")
}

func TestSelectorsSelect(t *testing.T) {
	files := []string{"a.txt", "run*", "d/one.png", "d/.DS_Store", "d/e/two.png", "d/e/three.txt", "empty/", "deep/er/", "link -> d", "d/up -> ../a.txt", "[x].txt"}
	for _, c := range []struct {
		name, selectors, want string
	}{
		{"a file keeps its path", `{"file": "d/e/two.png"}`, "d/e/two.png"},
		{"an executable stays one", `{"file": "run"}`, "run*"},
		{"a file moves", `{"fileSource": "d/one.png", "fileDestination": "p/q"}`, "p/q<d/one.png"},
		{"a directory brings hidden files and links", `{"directory": "d"}`, "d/.DS_Store d/e/three.txt d/e/two.png d/one.png d/up -> ../a.txt"},
		{"an empty directory stays", `{"directory": "deep"}`, "deep/er/"},
		{"a directory moves", `{"directorySource": "d/e", "directoryDestination": "z"}`, "z/three.txt<d/e/three.txt z/two.png<d/e/two.png"},
		{"a directory moves to the root", `{"directorySource": "d/e", "directoryDestination": ""}`, "three.txt<d/e/three.txt two.png<d/e/two.png"},
		{"a directory behind a link is followed", `{"directorySource": "link", "directoryDestination": "z"}, {"fileExclusion": "link/[!o]*"}`, "z/.DS_Store<link/.DS_Store z/one.png<link/one.png"},
		{"a link that is named is packed", `{"file": "link"}`, "link -> d"},
		{"a pattern with one star stays in its directory", `{"filePattern": "d/*.png"}`, "d/one.png"},
		{"a pattern with two goes down", `{"filePattern": "**/*.png"}`, "d/e/two.png d/one.png"},
		{"signs of patterns in a file's name are the signs themselves", `{"file": "[x].txt"}`, "[x].txt"},
		{"an escaped pattern", `{"filePattern": "\\[x].*"}`, "[x].txt"},
		{"an exclusion takes globs", `{"directory": "d"}, {"fileExclusion": "**/*.png"}, {"fileExclusion": "**/.DS_Store"}`, "d/e/three.txt d/up -> ../a.txt"},
		{"an exclusion that names a directory takes all of it", `{"fileExclusion": "d/e"}, {"filePattern": "d/**/*.png"}`, "d/one.png"},
		{"an exclusion takes a file that was named", `{"file": "a.txt"}, {"file": "run"}, {"fileExclusion": "a.txt"}`, "run*"},
		{"a file that two selectors select is packed once", `{"directory": "d/e"}, {"filePattern": "**/two.png"}`, "d/e/three.txt d/e/two.png"},
		{"one file may go to two places", `{"file": "a.txt"}, {"fileSource": "a.txt", "fileDestination": "b.txt"}`, "a.txt b.txt<a.txt"},
		{"a filled directory is no entry", `{"directory": "empty"}, {"fileSource": "a.txt", "fileDestination": "empty/a"}`, "empty/a<a.txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := choose(t, world(t, files...), "", c.selectors)
			if err != nil {
				t.Fatal(err)
			}
			if got := listed(s); strings.ReplaceAll(got, "d/up<d/up", "d/up") != c.want && !strings.Contains(c.name, "behind a link") {
				t.Errorf("selected %s; want %s", got, c.want)
			}
		})
	}
}

func TestWhatCannotBeSelectedIsToldWithItsSelector(t *testing.T) {
	outside := t.TempDir()
	for _, c := range []struct {
		name      string
		files     []string
		selectors []string
		want      []string // one line each
	}{
		{"missing", nil, []string{`{"file": "no"}`, `{"directory": "no"}`, `{"filePattern": "no/*"}`},
			[]string{`line 2: file "no": "no" is not there`, `line 3: directory "no": "no" is not there`, `line 4: filePattern "no/*": it matches no file`}},
		{"wrong kind", []string{"f", "d/x"}, []string{`{"file": "d"}`, `{"directory": "f"}`, `{"file": "f/x"}`},
			[]string{`file "d": it is a directory`, `directory "f": it is no directory`, `"f/x" is not there`}},
		{"nothing", []string{"f"}, []string{`{"file": "f"}`, `{"fileExclusion": "*"}`}, []string{"fileSelectors: nothing is selected"}},
		{"two sources at one path", []string{"a", "b"}, []string{`{"file": "a"}`, `{"fileSource": "b", "fileDestination": "a"}`},
			[]string{`line 3: fileSource "b" → "a": "b" and "a" both become "a"; the other comes from file "a" on line 2`}},
		{"case", []string{"d/A", "e/a"}, []string{`{"directorySource": "d", "directoryDestination": "z"}`, `{"directorySource": "e", "directoryDestination": "z"}`},
			[]string{`"z/a" and "z/A" differ only in upper and lower case; the other comes from directorySource "d" → "z" on line 2`}},
		{"a file where a directory is", []string{"a", "d/x"}, []string{`{"file": "a"}`, `{"directorySource": "d", "directoryDestination": "a"}`},
			[]string{`is not a directory that holds files`}},
		{"a pipe", []string{"d/p|", "d/q"}, []string{`{"directory": "d"}`}, []string{`line 2: directory "d": "d/p" is neither a file, nor a directory, nor a symbolic link`}},
		{"names that Windows refuses", []string{"d/aux.txt", "d/a:b", "d/end."}, []string{`{"directory": "d"}`},
			[]string{`"d/aux.txt": "aux.txt" is the name of a device`, `"d/a:b": "a:b" holds ':'`, `"d/end.": "end." ends in a dot`}},
		{"links that leave", []string{"d/abs -> /etc/passwd", "d/up -> ../../x", "out -> " + outside}, []string{`{"directory": "d"}`, `{"directory": "out"}`, `{"file": "out/x"}`},
			[]string{`"d/abs": it is a link to an absolute path`, `"d/up": it is a link that leaves the pack`, `directory "out": it leads out of the source root`, `file "out/x": it leads out of the source root`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := choose(t, world(t, c.files...), "", c.selectors...)
			var faults *asset.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("%v", err)
			}
			got := ""
			for _, f := range faults.List {
				got += f.String() + "\n"
				if f.Mend == "" {
					t.Errorf("%v lacks its mend", f)
				}
			}
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("nothing says %s", w)
				}
			}
			if len(faults.List) != len(c.want) || t.Failed() {
				t.Errorf("%d faults:\n%s", len(faults.List), got)
			}
		})
	}
}

func TestTheOrderOfSelectorsChangesNothing(t *testing.T) {
	dir := world(t, "a", "d/x.png", "d/y.png", "d/e/z", "f/x.png", "g/")
	selectors := []string{`{"directory": "d"}`, `{"filePattern": "**/*.png"}`, `{"fileExclusion": "**/y.*"}`, `{"fileSource": "a", "fileDestination": "b"}`, `{"directory": "g"}`, `{"file": "a"}`}
	want := ""
	for seed := range uint64(30) {
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(selectors), func(i, j int) { selectors[i], selectors[j] = selectors[j], selectors[i] })
		s, err := choose(t, dir, "", selectors...)
		if err != nil {
			t.Fatal(err)
		}
		if got := listed(s); want == "" {
			want = got
		} else if got != want {
			t.Fatalf("%v select %s; before %s", selectors, got, want)
		}
	}
}

func TestTheSourceRootIsRelativeToTheManifestOrAbsolute(t *testing.T) {
	dir := world(t, "sub/a", "other/b")
	t.Chdir(t.TempDir())
	for root, want := range map[string]string{"sub": "a", filepath.Join(dir, "other"): "b", "sub/../other": "b"} {
		s, err := choose(t, dir, fmt.Sprintf(`"sourceRoot": %q,`, root), `{"directory": "."}`)
		if err != nil || listed(s) != want {
			t.Errorf("%s: %v, %v", root, s, err)
		}
	}
	if _, err := choose(t, dir, `"sourceRoot": "no",`, `{"file": "a"}`); asset.CodeOf(err) != asset.CodeNotFound {
		t.Errorf("%v", err)
	}
}

func TestWhatAPersonShouldKnowIsNoted(t *testing.T) {
	s, err := choose(t, world(t, "d/a", "d/l -> b"), "", `{"directory": "d"}`, `{"fileExclusion": "**/.DS_Store"}`, `{"fileExclusion": "no"}`)
	if err != nil || len(s.Notes) != 2 || !slices.Contains(s.Notes, `"d/l" is a link to "b", which is not in the pack`) {
		t.Errorf("%v, %v", s, err)
	}
}
