package asset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a JSON document that a person wrote.
const (
	// MaxManifest bounds a packaging manifest, in bytes: it is metadata of a pack,
	// which has no more.
	MaxManifest = 1 << 20
	// MaxDownloadManifest bounds a download manifest: 10,000 packs fit well.
	MaxDownloadManifest = 8 << 20
	maxDepth            = 64
)

// node is a value in a JSON document with the place where it stands, so that a
// fault can name both. Each key stands in members once.
type node struct {
	kind    string // "object", "array", "string", "number", "boolean" or "null"
	key     string // of a member
	path    string // from the document to here
	line    int
	text    string // of a string, number or boolean
	members []*node
	items   []*node
}

func (n *node) member(key string) *node {
	for _, m := range n.members {
		if m.key == key {
			return m
		}
	}
	return nil
}

// value is what stands there, for a person.
func (n *node) value() string {
	switch n.kind {
	case "object":
		if len(n.members) == 0 {
			return "{}"
		}
		keys := make([]string, len(n.members))
		for i, m := range n.members {
			keys[i] = m.key
		}
		return "{" + strings.Join(keys, ", ") + "}"
	case "array":
		return fmt.Sprintf("[%d values]", len(n.items))
	case "null":
		return "null"
	}
	return n.text
}

// readJSON reads one document, in which "//" begins a comment that ends with the
// line. A document that is not JSON, or is longer than limit bytes, has one fault
// and no node.
func readJSON(op string, data []byte, limit int) (*node, *Faults) {
	faults := &Faults{Op: op}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // some editors of Windows begin so
	switch {
	case len(data) > limit:
		faults.Add(Fault{Problem: fmt.Sprintf("it is longer than %d bytes", limit), Mend: "shorten it; patterns can stand for many files, and files of a pack for userInfo"})
		return nil, faults
	case !utf8.Valid(data):
		faults.Add(Fault{Problem: "it is not UTF-8", Mend: "save it as UTF-8"})
		return nil, faults
	}
	r := reader{data: withoutComments(data), faults: faults, line: 1}
	r.dec = json.NewDecoder(bytes.NewReader(r.data))
	r.dec.UseNumber()
	n, err := r.read("", "", 0)
	if err == nil {
		if _, more := r.dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something stands after its end")
		}
	}
	if err != nil {
		problem := strings.TrimPrefix(err.Error(), "json: ")
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			problem = "it ends too early"
		}
		at := r.dec.InputOffset()
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			at = syntax.Offset
		}
		faults.Add(Fault{Line: r.lineAt(at), Problem: "it is not JSON: " + problem, Mend: `write JSON; "//" comments are accepted`})
		return nil, faults
	}
	return n, faults
}

// withoutComments puts spaces in the place of comments, so that all else stays
// where it is.
func withoutComments(data []byte) []byte {
	out, inString := bytes.Clone(data), false
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && c == '/' && i+1 < len(out) && out[i+1] == '/':
			for ; i < len(out) && out[i] != '\n'; i++ {
				out[i] = ' '
			}
		}
	}
	return out
}

type reader struct {
	data   []byte
	dec    *json.Decoder
	faults *Faults
	line   int // of the byte at
	at     int64
}

// lineAt is the line of a byte. Calls go forward only.
func (r *reader) lineAt(offset int64) int {
	offset = min(offset, int64(len(r.data)))
	if offset > r.at {
		r.line += bytes.Count(r.data[r.at:offset], []byte("\n"))
		r.at = offset
	}
	return r.line
}

func (r *reader) read(key, path string, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	token, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &node{key: key, path: path, line: r.lineAt(r.dec.InputOffset())}
	switch v := token.(type) {
	case string:
		n.kind, n.text = "string", v
	case json.Number:
		n.kind, n.text = "number", v.String()
	case bool:
		n.kind, n.text = "boolean", fmt.Sprint(v)
	case nil:
		n.kind = "null"
	case json.Delim:
		if v == '[' {
			err = r.readItems(n, depth)
		} else {
			err = r.readMembers(n, depth)
		}
	}
	return n, err
}

func (r *reader) readItems(n *node, depth int) error {
	n.kind = "array"
	for r.dec.More() {
		item, err := r.read("", fmt.Sprintf("%s[%d]", n.path, len(n.items)), depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := r.dec.Token()
	return err
}

func (r *reader) readMembers(n *node, depth int) error {
	n.kind = "object"
	seen := map[string]bool{}
	for r.dec.More() {
		token, err := r.dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		m, err := r.read(key, strings.TrimPrefix(n.path+"."+key, "."), depth+1)
		if err != nil {
			return err
		}
		if seen[key] {
			r.faults.add(m, "the key stands there twice", "remove one of the two")
			continue
		}
		seen[key] = true
		n.members = append(n.members, m)
	}
	_, err := r.dec.Token()
	return err
}

// canonical is the value in its shortest form, with the keys of objects in order:
// equal for equal values.
func (n *node) canonical() json.RawMessage {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer) {
	switch n.kind {
	case "object":
		members := slices.Clone(n.members)
		slices.SortFunc(members, func(x, y *node) int { return strings.Compare(x.key, y.key) })
		b.WriteByte('{')
		for i, m := range members {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(quoted(m.key))
			b.WriteByte(':')
			m.write(b)
		}
		b.WriteByte('}')
	case "array":
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case "string":
		b.Write(quoted(n.text))
	case "null":
		b.WriteString("null")
	default:
		b.WriteString(n.text)
	}
}

// quoted is a JSON string, without the escapes that only HTML needs.
func quoted(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimRight(b.Bytes(), "\n")
}

func (e *Faults) isA(n *node, kind, article string) bool {
	if n.kind == kind {
		return true
	}
	e.add(n, fmt.Sprintf("it is not %s %s", article, kind), fmt.Sprintf("write %s %s here", article, kind))
	return false
}

func (e *Faults) isObject(n *node) bool { return e.isA(n, "object", "an") }
func (e *Faults) isArray(n *node) bool  { return e.isA(n, "array", "an") }
func (e *Faults) isString(n *node) bool { return e.isA(n, "string", "a") }

// known finds fault with every member whose key is none of these.
func (e *Faults) known(n *node, keys ...string) {
	for _, m := range n.members {
		if slices.Contains(keys, m.key) {
			continue
		}
		mend := "remove it"
		if len(keys) > 0 {
			mend += "; the keys are " + strings.Join(keys, ", ")
		}
		for _, key := range keys {
			if strings.EqualFold(strings.TrimSuffix(key, "s"), strings.TrimSuffix(m.key, "s")) {
				mend = fmt.Sprintf("write %q", key)
			}
		}
		e.add(m, "there is no such key", mend)
	}
}

// needs gives a member that must be there, or nil and a fault.
func (e *Faults) needs(n *node, key, mend string) *node {
	m := n.member(key)
	if m == nil {
		e.Add(Fault{Line: n.line, Key: strings.TrimPrefix(n.path+"."+key, "."), Problem: "it is missing", Mend: mend})
	}
	return m
}
