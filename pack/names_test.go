package pack

import (
	"io"
	"slices"
	"strings"
	"testing"

	"larder/asset"
)

func TestBuildRefusesWhatSomeSystemCannotHold(t *testing.T) {
	file := node{kind: KindFile, data: []byte("x")}
	bad := func(code asset.Code, f forest) func(*testing.T) {
		return func(t *testing.T) {
			_, err := Build(t.Context(), io.Discard, f.tree(), BuildOptions{})
			wantCode(t, err, code)
		}
	}
	for _, path := range []string{"", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a/", "./a", `a\b`, "C:/x", "a:b", "nul", "NUL.txt", "com1", "Lpt9.x",
		"COM¹.txt", "con .x", "a.", "a ", "dir./x", "what?", "a*", "a|b", "<a>", `"a"`, "bell\a", "del\x7f", "new\nline", "nul\x00", "bad\xff", "aux/x",
		strings.Repeat("n", maxName+1), strings.Repeat("d/", maxPath/2) + "x", "conin$"} {
		t.Run("path "+path[:min(20, len(path))], bad(asset.CodeConfiguration, forest{path: file}))
	}
	for _, target := range []string{"", "/etc/passwd", "../../x", "../../../etc/passwd", "sub/../../..", "x/../y", "a//b", "./a", `..\..\x`, "nul", "a/", "../", "bad\xff", strings.Repeat("a/", maxPath)} {
		t.Run("target "+target[:min(20, len(target))], bad(asset.CodeConfiguration, forest{"d/link": {kind: KindLink, target: target}}))
	}
	for name, f := range map[string]forest{
		"case":                {"Readme": file, "README": file},
		"case of directories": {"Data/a": file, "data/b": file},
		"case far apart":      {"A/x": file, "M/x": file, "a/y": file},
		"file and directory":  {"a": file, "a/b": file, "a-b": file},
		"case file directory": {"a": file, "A/b": file},
		"empty and not":       {"a": {kind: KindDirectory}, "a/b": file},
		"below a link":        {"a": {kind: KindLink, target: "b"}, "a/c": file},
		"unicode case":        {"ÄRGER": file, "ärger": file},
		"kelvin":              {"\u212a": file, "k": file},
	} {
		t.Run(name, bad(asset.CodePathCollision, f))
	}
	t.Run("twice", func(t *testing.T) {
		tree := forest{"a": file}.tree()
		tree.Sources = append(tree.Sources, tree.Sources[0])
		_, err := Build(t.Context(), io.Discard, tree, BuildOptions{})
		wantCode(t, err, asset.CodePathCollision)
	})
	for name, e := range map[string]Entry{
		"no kind":             {Path: "a"},
		"directory with size": {Path: "a", Kind: KindDirectory, Size: 1},
		"file with target":    {Path: "a", Kind: KindFile, Target: "b"},
		"negative size":       {Path: "a", Kind: KindFile, Size: -1},
		"huge size":           {Path: "a", Kind: KindFile, Size: maxPayload + 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Build(t.Context(), io.Discard, Tree{Sources: []Source{{Entry: e}}}, BuildOptions{})
			wantCode(t, err, asset.CodeConfiguration)
		})
	}
}

func TestOrdinaryNamesAreAccepted(t *testing.T) {
	for _, path := range []string{"a", ".hidden", "..a", "a..b", "con1", "company.txt", "nullable", "com10", "lpt", "a b", "日本/語.txt", "straße", "a~1", "$x", "x%20", "#", "a/.git"} {
		if msg := checkPath(path); msg != "" {
			t.Errorf("%q: %s", path, msg)
		}
	}
	for _, target := range []string{"x", "..", "../x", "sub/x", "../d", ".hidden"} {
		if msg := checkTarget("d/link", target); msg != "" {
			t.Errorf("→ %q: %s", target, msg)
		}
	}
}

func TestADirectorysContentFollowsItAtOnce(t *testing.T) {
	paths := []string{"a.b", "a/z", "a", "a-b", "a/b/c", "a/b", "b", "a/b-c", ""}
	slices.SortFunc(paths, comparePaths)
	want := []string{"", "a", "a/b", "a/b/c", "a/b-c", "a/z", "a-b", "a.b", "b"}
	if !slices.Equal(paths, want) {
		t.Errorf("got %q; want %q", paths, want)
	}
}
