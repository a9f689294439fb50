package extension

import (
	"encoding/json"
	"errors"
	"fmt"
)

var errSyntax = errors.New("it is not valid JSON")

// A scanner walks the JSON text of a frame and tells where values begin and end.
// It takes no memory for what it passes, holds the grammar of RFC 8259 as
// encoding/json does, and refuses more than MaxNesting levels.
type scanner struct {
	f     *frame
	pos   int
	depth int
}

func (s *scanner) peek() byte {
	if s.pos >= s.f.n {
		return 0
	}
	return s.f.at(s.pos)
}

func (s *scanner) space() {
	for {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// take skips white space and passes c, if c comes next.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// value passes one value and gives its span.
func (s *scanner) value() (span, error) {
	s.space()
	from := s.pos
	var err error
	switch c := s.peek(); {
	case c == '{':
		err = s.object(nil)
	case c == '[':
		err = s.array(nil)
	case c == '"':
		err = s.text()
	case c == 't':
		err = s.word("true")
	case c == 'f':
		err = s.word("false")
	case c == 'n':
		err = s.word("null")
	default:
		err = s.number()
	}
	return span{from, s.pos}, err
}

// object passes an object; visit, if any, sees each member in order.
func (s *scanner) object(visit func(key string, value span) error) error {
	return s.nested('{', '}', func() error {
		s.space()
		from := s.pos
		if err := s.text(); err != nil {
			return err
		}
		key := span{from, s.pos}
		if !s.take(':') {
			return errSyntax
		}
		value, err := s.value()
		if err != nil || visit == nil {
			return err
		}
		return visit(s.f.key(key), value)
	})
}

// array passes an array; visit, if any, sees each element in order.
func (s *scanner) array(visit func(value span) error) error {
	return s.nested('[', ']', func() error {
		value, err := s.value()
		if err != nil || visit == nil {
			return err
		}
		return visit(value)
	})
}

func (s *scanner) nested(open, shut byte, item func() error) error {
	if !s.take(open) {
		return errSyntax
	}
	if s.depth++; s.depth > MaxNesting {
		return fmt.Errorf("it is nested more than %d levels deep", MaxNesting)
	}
	defer func() { s.depth-- }()
	if s.take(shut) {
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if s.take(shut) {
			return nil
		}
		if !s.take(',') {
			return errSyntax
		}
	}
}

func (s *scanner) text() error {
	if s.peek() != '"' {
		return errSyntax
	}
	for s.pos++; s.pos < s.f.n; s.pos++ {
		switch c := s.f.at(s.pos); {
		case c == '"':
			s.pos++
			return nil
		case c < ' ':
			return errSyntax
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		}
	}
	return errSyntax
}

// escape passes the part of an escape after the backslash, but for its last byte.
func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			s.pos++
			if c := s.peek(); (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return errSyntax
			}
		}
		return nil
	}
	return errSyntax
}

func (s *scanner) word(w string) error {
	for i := range len(w) {
		if s.peek() != w[i] {
			return errSyntax
		}
		s.pos++
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return errSyntax
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return errSyntax
		}
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	from := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > from
}

// end reports whether only white space is left.
func (s *scanner) end() bool {
	s.space()
	return s.pos == s.f.n
}

// key gives an object's key; one too long to be ours is "".
func (f *frame) key(s span) string {
	if s.len() > 256 {
		return ""
	}
	var k string
	if json.Unmarshal(f.bytes(s), &k) != nil {
		return ""
	}
	return k
}

// decode reads the value at s into v, if it is at most limit bytes.
func (f *frame) decode(s span, limit int, v any) error {
	if s.len() > limit {
		return fmt.Errorf("it is %d bytes; %d are allowed", s.len(), limit)
	}
	return json.Unmarshal(f.bytes(s), v)
}
