package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"larder/asset"
)

// reasonCodes are all Why constants there are, read from their source so that a
// new one cannot be left out.
func reasonCodes(t *testing.T) (out []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../asset/status.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 && strings.HasPrefix(spec.Names[0].Name, "Why") {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				code, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, code)
			}
		}
		return true
	})
	if len(out) < 20 {
		t.Fatalf("only %d reasons were found: %v", len(out), out)
	}
	return out
}

func TestEveryReasonIsToldInTheWordsOfTheAPI(t *testing.T) {
	for _, code := range reasonCodes(t) {
		r := &asset.Reason{Code: code, Message: "the words of " + code + ", as they are", Unblock: "what would end " + code, Since: time.Unix(1, 0)}
		one := asset.DownloadStatus{Identifier: "one", State: asset.StateWaiting, Reason: r}
		two, three := one, one
		two.Identifier, three.Identifier = "two", "three"
		three.Reason = &asset.Reason{Code: code, Message: r.Message, Unblock: "something else", Since: r.Since}
		app := asset.AppStatus{ID: "org.example.game", Downloads: []asset.DownloadStatus{one, two, three}, Gate: asset.Gate{Open: true}}
		lines := overview(asset.Status{Apps: []asset.AppStatus{app}}, 0)
		at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "one") })
		want := []string{r.Message, r.Message, "→ " + r.Unblock, r.Message, "→ " + three.Reason.Unblock}
		if at < 0 || len(lines) != at+len(want) {
			t.Errorf("%s: the status has the lines\n%s", code, strings.Join(lines, "\n"))
			continue
		}
		for n, words := range want {
			if !strings.HasSuffix(lines[at+n], words) {
				t.Errorf("%s: line %q; want it to end with %q", code, lines[at+n], words)
			}
		}
		for _, kind := range []asset.EventType{asset.EventPaused, asset.EventFailed} {
			line := eventLine(asset.Event{Type: kind, App: app.ID, Download: &one})
			if !strings.HasSuffix(line, r.Message+" ("+r.Unblock+")") {
				t.Errorf("%s: --watch tells %q of it", code, line)
			}
		}
	}
}
