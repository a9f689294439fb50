package depot

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"larder/asset"
)

// Bounds of a script.
const (
	MaxScript = 1 << 20 // bytes
	maxDepth  = 32
)

// pair is a key with a text, or with pairs in braces.
type pair struct {
	key   string
	text  string
	block []pair
	group bool // block counts, though it may be empty
	line  int
}

// is compares keys as Steam does.
func (p pair) is(key string) bool { return strings.EqualFold(p.key, key) }

func fault(line int, problem, mend string) error {
	return &asset.Faults{Op: opRead, List: []asset.Fault{{Line: line, Problem: problem, Mend: mend}}}
}

const opRead = "read depot script"

// parse reads the pairs of a script. Backslashes are backslashes: Steam's tool
// reads "D:\game\" as a path, not as an escaped quote.
func parse(data []byte) ([]pair, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch {
	case len(data) > MaxScript:
		return nil, fault(0, fmt.Sprintf("it is longer than %d bytes", MaxScript), "name a depot build script")
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return nil, fault(0, "it is not UTF-8 text", "save it as UTF-8")
	}
	s := &scanner{text: string(data), line: 1}
	pairs, err := s.pairs(0)
	if err == nil && s.next().kind == '}' {
		err = fault(s.line, `"}" without "{"`, "remove it")
	}
	return pairs, err
}

// token is '"' for a text, '{', '}', or 0 at the end.
type token struct {
	kind   byte
	text   string
	quoted bool
	line   int
}

type scanner struct {
	text   string
	at     int
	line   int
	peeked *token
	open   bool // a quote was never closed
}

func (s *scanner) next() token {
	if t := s.peeked; t != nil {
		s.peeked = nil
		return *t
	}
	s.skip()
	t := token{line: s.line}
	if s.at == len(s.text) {
		return t
	}
	switch c := s.text[s.at]; c {
	case '{', '}':
		s.at++
		t.kind = c
	case '"':
		rest := s.text[s.at+1:]
		end := strings.IndexByte(rest, '"')
		if end < 0 {
			s.open, end = true, len(rest)
			rest += `"`
		}
		t.kind, t.text, t.quoted = '"', rest[:end], true
		s.line += strings.Count(t.text, "\n")
		s.at = min(s.at+end+2, len(s.text))
	default:
		end := strings.IndexAny(s.text[s.at:], " \t\r\n\"{}")
		if end < 0 {
			end = len(s.text) - s.at
		}
		t.kind, t.text = '"', s.text[s.at:s.at+end]
		s.at += end
	}
	return t
}

// skip passes over blanks and comments.
func (s *scanner) skip() {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '\n':
			s.line++
			s.at++
		case c == ' ' || c == '\t' || c == '\r':
			s.at++
		case strings.HasPrefix(s.text[s.at:], "//"):
			if end := strings.IndexByte(s.text[s.at:], '\n'); end >= 0 {
				s.at += end
			} else {
				s.at = len(s.text)
			}
		default:
			return
		}
	}
}

// pairs reads up to "}" or the end, which it leaves.
func (s *scanner) pairs(depth int) ([]pair, error) {
	if depth > maxDepth {
		return nil, fault(s.line, fmt.Sprintf("it is nested more than %d deep", maxDepth), "name a depot build script")
	}
	var out []pair
	for {
		key := s.next()
		switch {
		case s.open:
			return nil, fault(key.line, "a quote is never closed", `write the second '"'`)
		case key.kind == 0 || key.kind == '}':
			s.peeked = &key
			return out, nil
		case key.kind == '{':
			return nil, fault(key.line, `"{" without a key`, "write the key before it")
		case !key.quoted && strings.HasPrefix(key.text, "#"):
			return nil, fault(key.line, fmt.Sprintf("%q takes in another file, which is not followed", key.text), "put that file's text in its place")
		case !key.quoted && strings.HasPrefix(key.text, "["):
			return nil, fault(key.line, fmt.Sprintf("%q is a condition, which a packaging manifest cannot have", key.text), "write a script for each platform")
		}
		value := s.next()
		p := pair{key: key.text, text: value.text, line: key.line}
		switch {
		case s.open:
			return nil, fault(value.line, "a quote is never closed", `write the second '"'`)
		case value.kind == '{':
			p.group = true
			var err error
			if p.block, err = s.pairs(depth + 1); err != nil {
				return nil, err
			}
			if s.next().kind != '}' {
				return nil, fault(value.line, `"{" is never closed`, `write the "}"`)
			}
		case value.kind != '"':
			return nil, fault(key.line, fmt.Sprintf("%q has no value", key.text), "write one behind it")
		}
		out = append(out, p)
	}
}
