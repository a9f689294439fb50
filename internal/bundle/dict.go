package bundle

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const maxString = 8192 // no key of a bundle needs more than the longest URL

// dict is a dictionary of an Info file that knows where it stands, so that each
// fault names file and key. Values are string, int64, number, bool, []byte,
// time.Time, nil, []any and map[string]any.
type dict struct {
	file   string
	path   string // "" at the root, else the dotted path and a dot
	m      map[string]any
	faults *faultList
}

// number is a number that is no int64: a fraction, or too large. It holds the text.
type number string

func (d dict) fault(key, value, problem, mend string) {
	d.faults.add(Fault{File: d.file, Key: d.path + key, Value: value, Problem: problem, Mend: mend})
}

func (d dict) has(key string) bool { _, ok := d.m[key]; return ok }

// need is a fault when key is missing.
func (d dict) need(key, mend string) bool {
	if !d.has(key) {
		d.fault(key, "", "it is missing", mend)
		return false
	}
	return true
}

// text is the value of key as shown in a fault.
func (d dict) text(key string) string { return show(d.m[key]) }

func (d dict) wrongType(key, want, mend string) {
	d.fault(key, d.text(key), fmt.Sprintf("it is %s, not %s", kind(d.m[key]), want), mend)
}

// mustString is string, and a fault when key is missing.
func (d dict) mustString(key, mend string) (string, bool) {
	if !d.need(key, mend) {
		return "", false
	}
	return d.string(key)
}

// string is false when key is missing, or wrong, which is then a fault.
func (d dict) string(key string) (string, bool) {
	v, ok := d.m[key]
	if !ok {
		return "", false
	}
	s, ok := v.(string)
	switch {
	case !ok:
		d.wrongType(key, "a string", "write it as a string")
	case s == "":
		d.fault(key, "", "it is empty", "give it a value, or leave the key out if it is optional")
	case len(s) > maxString:
		d.fault(key, d.text(key), "it is longer than 8,192 bytes", "make it shorter")
	case strings.ContainsFunc(s, func(r rune) bool { return !printable(r) }):
		d.fault(key, d.text(key), "it holds characters that cannot be printed", "remove them")
	default:
		return s, true
	}
	return "", false
}

func (d dict) bool(key string) (value, ok bool) {
	v, there := d.m[key]
	if !there {
		return false, false
	}
	if value, ok = v.(bool); !ok {
		d.wrongType(key, "true or false", "write <true/> or <false/> (true or false in JSON)")
	}
	return value, ok
}

// size reads a number of bytes.
func (d dict) size(key string) (int64, bool) {
	v, ok := d.m[key]
	if !ok {
		return 0, false
	}
	switch n := v.(type) {
	case int64:
		if n >= 0 {
			return n, true
		}
		d.fault(key, d.text(key), "it is negative", mendSize)
	case number:
		d.fault(key, d.text(key), "it is not a whole number up to 9223372036854775807", mendSize)
	default:
		d.wrongType(key, "a whole number", mendSize)
	}
	return 0, false
}

func (d dict) dict(key, mend string) (dict, bool) {
	v, ok := d.m[key]
	if !ok {
		return dict{}, false
	}
	m, ok := v.(map[string]any)
	if !ok {
		d.wrongType(key, "a dictionary", mend)
		return dict{}, false
	}
	return dict{file: d.file, path: d.path + key + ".", m: m, faults: d.faults}, true
}

func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case number:
		return "another number"
	case bool:
		return "a truth value"
	case []any:
		return "a list"
	case map[string]any:
		return "a dictionary"
	case []byte:
		return "data"
	case time.Time:
		return "a date"
	}
	return "null"
}

func show(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return fmt.Sprintf("list of %d", len(v))
	case map[string]any:
		return fmt.Sprintf("dictionary of %d", len(v))
	case []byte:
		return fmt.Sprintf("%d bytes", len(v))
	case time.Time:
		return v.Format(time.RFC3339)
	}
	return ""
}

// normal turns what the plist and JSON parsers give into the values of a dict.
func normal(v any, binary bool) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = normal(e, binary)
		}
	case []any:
		for i, e := range v {
			v[i] = normal(e, binary)
		}
	case uint64:
		// Binary lists hold signed 64-bit integers, which arrive here unsigned.
		if binary || v <= 1<<63-1 {
			return int64(v)
		}
		return number(strconv.FormatUint(v, 10))
	case float32:
		return number(strconv.FormatFloat(float64(v), 'g', -1, 32))
	case float64:
		return number(strconv.FormatFloat(v, 'g', -1, 64))
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n
		}
		return number(v)
	}
	return v
}
