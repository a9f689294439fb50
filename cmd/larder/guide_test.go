//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// The pages whose blocks are run. A block "console" holds commands after "$ ", each
// with what it prints, where "…" stands for anything; a block with a path in its
// first line is that file; what only a test needs stands in a comment "<!-- run".
var guidePages = []string{"configure-an-app", "write-an-extension", "essential-downloads", "test-and-debug", "sign-a-site", "host-packs", "packs", "serve", "managed-packs"}

func TestTheGuideDoesWhatItSays(t *testing.T) {
	dir := t.TempDir()
	for _, page := range guidePages {
		text, err := os.ReadFile("../../doc/guide/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		script, err := guideScript(string(text))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, page+".txtar"), []byte(script), 0o644)
		}
		if err != nil {
			t.Fatalf("%s: %v", page, err)
		}
	}
	runScripts(t, dir)
}

// guideScript makes a testscript of a page.
func guideScript(page string) (string, error) {
	var script, files strings.Builder
	blocks, commands := regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$|^<!-- run\n(.*?)^-->$").FindAllStringSubmatch(page, -1), 0
	for n, b := range blocks {
		info, body := strings.Fields(b[1]), b[2]
		switch {
		case b[3] != "":
			script.WriteString(b[3])
		case len(info) == 2:
			fmt.Fprintf(&script, "page block%d %s\n", n, info[1])
			fmt.Fprintf(&files, "-- block%d --\n%s", n, body)
		case len(info) == 1 && info[0] == "console":
			for _, c := range strings.Split(body, "$ ")[1:] {
				command, output, _ := strings.Cut(c, "\n")
				fmt.Fprintf(&script, "prints shown%d %s\n", commands, "'"+strings.ReplaceAll(command, "'", "''")+"'")
				fmt.Fprintf(&files, "-- shown%d --\n%s", commands, output)
				commands++
			}
		case len(info) > 0:
			return "", fmt.Errorf("a block %q is neither run nor a file", b[1])
		}
	}
	if commands == 0 {
		return "", fmt.Errorf("no command is in the page")
	}
	return script.String() + files.String(), nil
}

// page BLOCK PATH: write a file of the page, with this test's server for the page's.
func pageCommand(ts *testscript.TestScript, _ bool, args []string) {
	path, text := ts.MkAbs(args[1]), onThisMachine(ts, ts.ReadFile(args[0]))
	mode := os.FileMode(0o644)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.RemoveAll(path))
	ts.Check(os.WriteFile(path, []byte(text), mode))
}

func onThisMachine(ts *testscript.TestScript, text string) string {
	text = strings.ReplaceAll(text, "https://assets.example.org", worldOf(ts).server.URL)
	if serving := ts.Getenv("SERVE"); serving != "" {
		text = strings.ReplaceAll(text, "127.0.0.1:8765", strings.TrimPrefix(serving, "http://"))
	}
	return strings.ReplaceAll(text, `"assets.example.org"`, `"127.0.0.1"`)
}

// The first command of a page starts the service and says so, whichever it is.
var startLine = regexp.MustCompile(`(?m)^larder: started the background service.*\n`)

var exitLine = regexp.MustCompile(`(?m)^\[exit code (\d+)\]\n`)

// prints SHOWN COMMAND: run a command of the page and hold it to what it shows: both
// outputs, a line "^C" that interrupts it, and a line "[exit code N]" when it is not 0.
func printsCommand(ts *testscript.TestScript, _ bool, args []string) {
	shown, command, code := onThisMachine(ts, ts.ReadFile(args[0])), onThisMachine(ts, args[1]), "0"
	if m := exitLine.FindStringSubmatch(shown); m != nil {
		code, shown = m[1], exitLine.ReplaceAllString(shown, "")
	}
	if rest, dir, ok := strings.Cut(command, " ./"); ok && strings.HasPrefix(command, "go build -o ") {
		goBuild(ts, strings.TrimPrefix(rest, "go build -o "), dir)
		return
	}
	if before, ok := strings.CutSuffix(shown, "^C\n"); ok {
		shown, command = before+"…\n", "rm -f shown.out; "+command+" >shown.out 2>&1 & until test -s shown.out; do sleep 0.02; done; kill -INT $!; wait $!; code=$?; cat shown.out; exit $code"
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = scriptEnv(ts)
	out, _ := cmd.CombinedOutput()
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != code {
		ts.Fatalf("%s: exit code %s, the page says %s\n%s", command, got, code, out)
	}
	if !matches(shown, string(startLine.ReplaceAll(out, nil))) {
		ts.Fatalf("%s prints\n%s\nthe page says\n%s", command, out, shown)
	}
	ts.Logf("$ %s\n%s", command, out)
}

// scriptEnv is the environment of what a script runs.
func scriptEnv(ts *testscript.TestScript) (env []string) {
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LARDER_DATA", "DBUS_SYSTEM_BUS_ADDRESS", "URL"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// matches compares output with what a page shows of it: white space as it comes,
// "…" for anything.
func matches(shown, out string) bool {
	var expr strings.Builder
	expr.WriteString(`(?s)^\s*`)
	for _, word := range strings.Fields(strings.ReplaceAll(shown, "…", " … ")) {
		if word == "…" {
			expr.WriteString(`.*?`)
		} else {
			expr.WriteString(regexp.QuoteMeta(word) + `\s*`)
		}
	}
	return regexp.MustCompile(expr.String() + `$`).MatchString(out)
}

// goBuild builds a program whose files lie in the script's folder as if they lay in
// this module.
func goBuild(ts *testscript.TestScript, out, dir string) {
	root, err := filepath.Abs("../..")
	ts.Check(err)
	overlay := map[string]map[string]string{"Replace": {}}
	sources, err := filepath.Glob(filepath.Join(ts.MkAbs(dir), "*.go"))
	ts.Check(err)
	for _, file := range sources {
		overlay["Replace"][filepath.Join(root, "guide-"+dir, filepath.Base(file))] = file
	}
	text, err := json.Marshal(overlay)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("overlay.json"), text, 0o644))
	ts.Check(os.RemoveAll(ts.MkAbs(out)))
	cmd := exec.Command("go", "build", "-overlay", ts.MkAbs("overlay.json"), "-o", ts.MkAbs(out), "./guide-"+dir)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("go build: %v\n%s", err, text)
	}
}

// loader PATH: put the test extension there.
func loaderCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("#!"+worldOf(ts).extension+"\n"), 0o755))
}

// What is named in passing must be there too, also in pages that cannot be run here.
func TestTheGuideNamesOnlyCommandsAndFlagsThatThereAre(t *testing.T) {
	pages, err := filepath.Glob("../../doc/guide/*.md")
	if err != nil || len(pages) <= len(guidePages) {
		t.Fatalf("%v, %v", pages, err)
	}
	named := regexp.MustCompile("`(larder [^`]*)`|(?m)^(?:\\$ )?(larder .*)$")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			line, _, _ := strings.Cut(m[1]+m[2], "#")
			words := strings.Fields(line)[1:]
			if words[0] == "…" {
				continue // output
			}
			if fault := unknownCommand(words); fault != "" {
				t.Errorf("%s: %q: %s", filepath.Base(page), line, fault)
			}
		}
	}
}

func unknownCommand(words []string) string {
	cmd, rest, err := (&cli{}).root().Find(words)
	switch {
	case err != nil:
		return err.Error()
	case cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-"):
		return "there is no command " + rest[0]
	}
	for _, word := range rest {
		switch name, ok := strings.CutPrefix(word, "--"); {
		case word == "--":
			return ""
		case ok && cmd.Flag(name) == nil && cmd.InheritedFlags().Lookup(name) == nil:
			return "there is no flag " + word
		case !ok && len(word) == 2 && word[0] == '-' && shorthand(cmd, word[1:]):
			return "there is no flag " + word
		}
	}
	return ""
}

func shorthand(cmd *cobra.Command, name string) (missing bool) {
	return cmd.Flags().ShorthandLookup(name) == nil && cmd.InheritedFlags().ShorthandLookup(name) == nil
}
