package autostart

import (
	"embed"
	"encoding/xml"
	"strings"
	"text/template"
)

//go:embed templates
var sources embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"path": unitPath, "program": quoteUnit, "quote": quoteUnit, "arg": unitArg, "xml": escapeXML, "winarg": windowsArg,
}).ParseFS(sources, "templates/*"))

// words are what the templates fill in.
type words struct {
	Name, Program, Data, Socket, XDGData, Log, User string
}

func (w words) render(name string) []byte {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, name, w); err != nil {
		panic(err) // the templates are our own, and a test fills each
	}
	return []byte(b.String())
}

// unitPath escapes a value that ends with its line: only specifiers are special
// (systemd.unit(5)).
func unitPath(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quoteUnit makes one word of s (systemd.syntax(7), "Quoting").
func quoteUnit(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\"'\\%;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(s) + `"`
}

// unitArg is quoteUnit for an argument of ExecStart, in which variables would be
// replaced (systemd.service(5), "Command lines").
func unitArg(s string) string { return quoteUnit(strings.ReplaceAll(s, "$", "$$")) }

func escapeXML(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

// windowsArg quotes s as C programs on Windows take their command line apart:
// backslashes count only before a quote.
func windowsArg(s string) string {
	trailing := len(s) - len(strings.TrimRight(s, `\`))
	return `"` + s + strings.Repeat(`\`, trailing) + `"`
}
