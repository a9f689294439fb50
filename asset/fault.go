package asset

import (
	"fmt"
	"strings"
	"unicode"
)

// Fault is one thing that is wrong with a document that a person wrote.
type Fault struct {
	Line    int    `json:"line,omitempty"`  // from 1; 0 where no line is to blame
	Key     string `json:"key,omitempty"`   // path of the key: "fileSelectors[2].file"; empty for the whole document
	Value   string `json:"value,omitempty"` // what stands there, shortened; empty when nothing does
	Problem string `json:"problem"`
	Mend    string `json:"mend"` // what to do
}

// String gives `line 3: key "value": problem; mend` on one line.
func (f Fault) String() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", f.Line)
	}
	switch {
	case f.Key != "" && f.Value != "":
		fmt.Fprintf(&b, "%s %q: ", f.Key, f.Value)
	case f.Key != "":
		b.WriteString(f.Key + ": ")
	case f.Value != "":
		fmt.Fprintf(&b, "%q: ", f.Value)
	}
	return b.String() + f.Problem + "; " + f.Mend
}

// maxFaults is how many faults of one document are told; more help nobody.
const maxFaults = 100

// Faults is the error of a document with faults: a configuration error (1000) that
// has all of them, at most 100, in the order in which they were found.
type Faults struct {
	Op      string
	List    []Fault
	Omitted int // faults beyond the hundredth
}

// Error tells the first fault and how many more there are.
func (e *Faults) Error() string { return e.Unwrap().Error() }

// Unwrap gives the faults as the one error that crosses an API.
func (e *Faults) Unwrap() error {
	out := &Error{Code: CodeConfiguration, Op: e.Op, Message: "it has no faults"}
	if len(e.List) > 0 {
		first := e.List[0]
		out.Help, first.Mend = first.Mend, ""
		out.Message = strings.TrimSuffix(first.String(), "; ")
	}
	if more := len(e.List) + e.Omitted - 1; more > 0 {
		out.Message += fmt.Sprintf(" (and %d more)", more)
	}
	return out
}

// Add notes a fault.
func (e *Faults) Add(f Fault) {
	if len(e.List) == maxFaults {
		e.Omitted++
		return
	}
	f.Key, f.Value = shown(f.Key, 200), shown(f.Value, 80)
	e.List = append(e.List, f)
}

func (e *Faults) add(n *node, problem, mend string) {
	e.Add(Fault{Line: n.line, Key: n.path, Value: n.value(), Problem: problem, Mend: mend})
}

// Check adds a fault of a key if problem is an error: for readers that judge more
// than the form of a document.
func (e *Faults) Check(key, value string, problem error) {
	if problem != nil {
		e.Add(Fault{Key: key, Value: value, Problem: problem.Error(), Mend: "correct it where the document was made"})
	}
}

func (e *Faults) orNil() error {
	if len(e.List) == 0 {
		return nil
	}
	return e
}

// shown is s cut to at most limit runes, with nothing that could steer a terminal.
func shown(s string, limit int) string {
	r := []rune(strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	if len(r) > limit {
		r = append(r[:limit], '…')
	}
	for i := range r {
		if !unicode.IsGraphic(r[i]) {
			r[i] = unicode.ReplacementChar
		}
	}
	return string(r)
}
