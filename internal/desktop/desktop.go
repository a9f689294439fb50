// Package desktop gives an app a place in the menus of a Linux desktop: one entry
// under the person's own applications folder, whose Exec is "larder launch ID".
//
// It promises entries that follow the Desktop Entry Specification whatever an
// app's name holds, and to replace or remove only an entry of the same app and
// data directory. It knows no menus of macOS or Windows, and does not tell the
// desktop, which watches the folder. The command line calls it when it installs,
// updates or uninstalls an app.
package desktop

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"larder/asset"
	"larder/internal/fsx"
)

// Entry is what stands in a menu.
type Entry struct {
	App     asset.AppID
	Name    string
	Icon    string   // absolute path, or ""
	Program string   // absolute path of the larder binary
	Args    []string // before "launch": --data DIR
	Data    string   // the data directory that the app is installed in
}

// maxName is how many characters of a name a menu gets.
const maxName = 120

// Folder is where entries belong: $XDG_DATA_HOME/applications, or its default
// below home.
func Folder(home, dataHome string) string {
	if !filepath.IsAbs(dataHome) {
		dataHome = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dataHome, "applications")
}

func path(folder string, app asset.AppID) string {
	return filepath.Join(folder, "larder-"+string(app)+".desktop")
}

// Write makes or replaces the entry in folder and gives its path. An entry that
// another data directory made stays, and is CodeState.
func (e Entry) Write(folder string) (string, error) {
	name := path(folder, e.App)
	owner, err := ownerOf(name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", failed("write menu entry", name, err)
	case err == nil && owner != e.Data:
		return "", &asset.Error{Code: asset.CodeState, Op: "write menu entry", Subject: name, Message: "it belongs to another data directory", Help: "remove it yourself, or leave the entry out"}
	}
	err = fsx.MkdirAll(fsx.OS(), folder, 0o755)
	if err == nil {
		err = fsx.WriteFile(fsx.OS(), name, e.text(), 0o644)
	}
	if err != nil {
		return "", failed("write menu entry", name, err)
	}
	return name, nil
}

// Exists reports whether folder has an entry of this app that data made.
func Exists(folder string, app asset.AppID, data string) bool {
	owner, err := ownerOf(path(folder, app))
	return err == nil && owner == data
}

// Remove removes the entry that data made for an app; a missing one, or that of
// another data directory, is no error.
func Remove(folder string, app asset.AppID, data string) error {
	if !Exists(folder, app, data) {
		return nil
	}
	if err := os.Remove(path(folder, app)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("remove menu entry", path(folder, app), err)
	}
	return nil
}

const dataKey = "X-Larder-Data="

func (e Entry) text() []byte {
	var b bytes.Buffer
	b.WriteString("[Desktop Entry]\nType=Application\n")
	fmt.Fprintf(&b, "Name=%s\n", value(e.shown()))
	fmt.Fprintf(&b, "TryExec=%s\n", value(e.Program))
	fmt.Fprintf(&b, "Exec=%s\n", value(commandLine(append(append([]string{e.Program}, e.Args...), "launch", string(e.App)))))
	if e.Icon != "" {
		fmt.Fprintf(&b, "Icon=%s\n", value(e.Icon))
	}
	fmt.Fprintf(&b, "Terminal=false\nStartupNotify=true\n%s%s\n", dataKey, value(e.Data))
	return b.Bytes()
}

// shown is the name without what would break a line or a menu.
func (e Entry) shown() string {
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(e.Name, "")))
	if name == "" {
		return string(e.App)
	}
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName-1]) + "…"
	}
	return name
}

// value escapes a string as the specification's section on values says.
func value(s string) string {
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(s)
	if rest, ok := strings.CutPrefix(s, " "); ok {
		return `\s` + rest
	}
	return s
}

// commandLine quotes arguments as its section on Exec says; value comes on top.
func commandLine(args []string) string {
	quote := strings.NewReplacer(`"`, `\"`, "`", "\\`", `$`, `\$`, `\`, `\\`, `%`, `%%`)
	for i, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'\\><~|&;$*?#()`%") {
			args[i] = `"` + quote.Replace(arg) + `"`
		}
	}
	return strings.Join(args, " ")
}

// ownerOf is the data directory that made an entry, "" for an entry of others.
func ownerOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if escaped, ok := strings.CutPrefix(lines.Text(), dataKey); ok {
			return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r", `\s`, " ").Replace(escaped), nil
		}
	}
	return "", lines.Err()
}

func failed(op, name string, err error) error {
	return &asset.Error{Code: asset.CodeConfiguration, Op: op, Subject: name, Message: "it cannot be changed", Err: err, Help: "check that the folder is yours"}
}
