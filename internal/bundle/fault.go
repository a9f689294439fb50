package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"larder/asset"
)

const (
	maxFaults = 1000 // a real bundle has a handful; a hostile one must not make us print for ever
	maxValue  = 80   // bytes of a value that are shown
)

// Fault is one thing wrong with a bundle. All texts are printable, on one line,
// and safe to log: URLs come without userinfo and query.
type Fault struct {
	Code    asset.Code `json:"code"`            // configuration, or signature
	File    string     `json:"file"`            // inside the bundle, with slashes
	Key     string     `json:"key,omitempty"`   // dotted path of the key; empty when the file as a whole is wrong
	Value   string     `json:"value,omitempty"` // what stands there, shortened; empty when nothing does
	Problem string     `json:"problem"`
	Mend    string     `json:"mend"`
}

// String gives "file: key "value": problem; mend" on one line.
func (f Fault) String() string {
	s := f.File + ":"
	if f.Key != "" {
		s += " " + f.Key
	}
	if f.Value != "" {
		s += fmt.Sprintf(" %q", f.Value)
	}
	if f.Key != "" || f.Value != "" {
		s += ":"
	}
	return s + " " + f.Problem + "; " + f.Mend
}

// Faults is the error of a bundle that is wrong. It unwraps to an *asset.Error
// whose code is that of the faults (configuration when they differ).
type Faults struct {
	Dir  string
	List []Fault // never empty
}

// Error tells the first fault and how many more there are.
func (e *Faults) Error() string { return e.Unwrap().Error() }

// Unwrap gives the faults as the one error that crosses an API.
func (e *Faults) Unwrap() error {
	out := &asset.Error{Code: e.List[0].Code, Op: "read bundle", Subject: clean(e.Dir, maxValue),
		Message: e.List[0].String(), Help: "larder app check lists all faults"}
	for _, f := range e.List {
		if f.Code != out.Code {
			out.Code = asset.CodeConfiguration
		}
	}
	if n := len(e.List) - 1; n > 0 {
		out.Message += fmt.Sprintf(" (and %d more)", n)
	}
	return out
}

type faultList struct {
	list    []Fault
	dropped int
}

func (l *faultList) add(f Fault) {
	if l.full() {
		l.dropped++
		return
	}
	if f.Code == 0 {
		f.Code = asset.CodeConfiguration
	}
	f.File, f.Key, f.Value = clean(f.File, 4*maxValue), clean(f.Key, 4*maxValue), clean(redact(f.Value), maxValue)
	f.Problem, f.Mend = clean(f.Problem, 8*maxValue), clean(f.Mend, 8*maxValue)
	l.list = append(l.list, f)
}

func (l *faultList) full() bool { return len(l.list) >= maxFaults }

func (l *faultList) append(other *faultList) {
	for _, f := range other.list {
		l.add(f)
	}
	l.dropped += other.dropped
}

func (l *faultList) all() []Fault {
	if l.dropped == 0 {
		return l.list
	}
	last := l.list[len(l.list)-1].File
	return append(l.list, Fault{Code: asset.CodeConfiguration, File: last,
		Problem: fmt.Sprintf("%d more faults are not listed", l.dropped), Mend: "mend the listed ones and check again"})
}

// clean shortens s to about limit bytes and replaces what could break a line or
// steer a terminal.
func clean(s string, limit int) string {
	if len(s) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		if printable(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// printable leaves out controls and marks of direction, and keeps the joiners
// that some alphabets and emoji need.
func printable(r rune) bool { return unicode.IsGraphic(r) || r == '\u200c' || r == '\u200d' }

// redact takes query, fragment and userinfo out of what may be a URL, well
// formed or not.
func redact(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i] + "…"
	}
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		scheme := ""
		if i := strings.Index(s[:at], "://"); i >= 0 {
			scheme = s[:i+3]
		}
		s = scheme + "…@" + s[at+1:]
	}
	return s
}

// cause is the reason of a file error without its path.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
