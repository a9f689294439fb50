package bundle

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const maxToken = 64 << 10

// node is an open element on the way to the current one.
type node struct {
	name     string
	children int
	key      string          // of a dict: the last key
	keys     map[string]bool // of a dict: all keys so far
}

// tokenReader bounds the bytes of one token, so that a tag of a hundred thousand
// attributes ends early. The decoder reads byte by byte from it.
type tokenReader struct {
	*bytes.Reader
	left int
}

func (r *tokenReader) ReadByte() (byte, error) {
	if r.left--; r.left < 0 {
		return 0, fmt.Errorf("it holds a tag or text of more than %d bytes", maxToken)
	}
	return r.Reader.ReadByte()
}

// guardXML walks the tokens of an XML property list and refuses what a later
// parser could stumble over: depth, number of values, entity declarations,
// several roots, elements inside leaves, and integers beyond 64 bits, which it
// names by path.
func guardXML(data []byte) (doubles []string, err error) {
	in := &tokenReader{Reader: bytes.NewReader(data)}
	dec := xml.NewDecoder(in)
	stack := []node{{name: "document"}}
	var text []byte
	for values := 0; ; {
		in.left = maxToken
		tok, err := dec.Token()
		if err == io.EOF {
			return doubles, nil
		}
		if err != nil {
			return doubles, fmt.Errorf("it is not a property list: %w", err)
		}
		top := &stack[len(stack)-1]
		switch t := tok.(type) {
		case xml.Directive:
			if !bytes.HasPrefix(t, []byte("DOCTYPE plist")) || bytes.IndexByte(t, '[') >= 0 {
				return doubles, errors.New("it declares something beside the usual DOCTYPE plist")
			}
		case xml.StartElement:
			if values++; values > maxValues {
				return doubles, errValues
			}
			if len(stack) > maxDepth {
				return doubles, errDepth
			}
			if err := enter(top, t.Name.Local); err != nil {
				return doubles, err
			}
			stack = append(stack, node{name: t.Name.Local})
			text = text[:0]
		case xml.CharData:
			if top.name == "key" || top.name == "integer" {
				text = append(text, t...)
			}
		case xml.EndElement:
			stack = stack[:len(stack)-1]
			parent := &stack[len(stack)-1]
			switch top.name {
			case "key":
				parent.key = string(text)
				if parent.keys[parent.key] && len(doubles) < maxFaults {
					doubles = append(doubles, pathOf(stack))
				}
				if parent.keys == nil {
					parent.keys = map[string]bool{}
				}
				parent.keys[parent.key] = true
			case "integer":
				if s := strings.TrimSpace(string(text)); !isInteger(s) {
					return doubles, &keyError{key: pathOf(stack), value: s, problem: "it is not an integer of 64 bits"}
				}
			}
		}
	}
}

func enter(parent *node, name string) error {
	parent.children++
	switch {
	case parent.name == "dict" || parent.name == "array":
	case parent.name != "document" && parent.name != "plist":
		return fmt.Errorf("its <%s> holds another element", clean(parent.name, maxValue))
	case parent.children > 1:
		return fmt.Errorf("it holds a second <%s>", clean(name, maxValue))
	}
	return nil
}

// isInteger says what the library can take: both signed and unsigned 64 bits.
func isInteger(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	if strings.HasPrefix(s, "-") {
		_, err = strconv.ParseInt(s, 10, 64)
	}
	return err == nil
}

func pathOf(stack []node) string {
	var parts trail
	for _, n := range stack {
		switch n.name {
		case "dict":
			parts = append(parts, n.key)
		case "array":
			parts = append(parts, strconv.Itoa(n.children-1))
		}
	}
	return parts.String()
}
