package jsonapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Spec says what a query may hold.
type Spec struct {
	// Fields has the fields of each type that the answer may hold.
	Fields map[string][]string
	// Include names relationships that may be included.
	Include []string
	// Filter names what may be filtered by, with the values there are; nil takes any.
	Filter map[string][]string
	Sort   []string
	// List is set for lists, which have a limit and pages.
	List bool
}

// Query is a query that was understood.
type Query struct {
	Fields  map[string][]string
	Include []string
	Filter  map[string][]string
	Sort    string // with "-" before it for descending; empty: none
	Limit   int
	After   string // the ID after which the page begins; empty: the first page
}

// Bounds of a query: what is longer cannot be meant.
const (
	MaxQuery = 16 << 10 // bytes
	maxLimit = 200
	maxValue = 200
)

// Read reads a raw query.
func Read(raw string, spec Spec) (Query, error) {
	q := Query{Fields: map[string][]string{}, Filter: map[string][]string{}, Limit: 50}
	if len(raw) > MaxQuery {
		return q, Parameter(CodeParameter, "", "the query has %d bytes; at most %d are read", len(raw), MaxQuery)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, Parameter(CodeParameter, "", "the query cannot be read: it is not encoded as a URL's query is")
	}
	for name, given := range values {
		if err := q.read(name, list(given), spec); err != nil {
			return q, err
		}
	}
	return q, nil
}

// list takes values apart that stand in one, with commas between.
func list(given []string) (out []string) {
	for _, s := range given {
		for v := range strings.SplitSeq(s, ",") {
			if !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return out
}

func (q *Query) read(name string, given []string, spec Spec) error {
	family, key, _ := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	var known []string
	switch {
	case name == "include" && spec.Include != nil:
		q.Include, known = given, spec.Include
	case name == "sort" && spec.Sort != nil:
		if len(given) != 1 {
			return Parameter(CodeInvalid, name, "one order can be asked for, and there are %d", len(given))
		}
		q.Sort, known = given[0], spec.Sort
	case name == "limit" && spec.List:
		n, err := strconv.Atoi(given[0])
		if err != nil || n < 1 || n > maxLimit || len(given) > 1 {
			return Parameter(CodeInvalid, name, "%q is not a number from 1 to %d", clip(given[0]), maxLimit)
		}
		q.Limit = n
		return nil
	case name == "cursor" && spec.List:
		if len(given) != 1 || len(given[0]) > maxValue || given[0] == "" {
			return Parameter(CodeInvalid, name, "it was not given out here")
		}
		q.After = given[0]
		return nil
	case family == "fields" && spec.Fields[key] != nil:
		q.Fields[key], known = given, spec.Fields[key]
	case family == "filter" && has(spec.Filter, key):
		q.Filter[key], known = given, spec.Filter[key]
		for _, v := range given {
			if len(v) > maxValue {
				return Parameter(CodeInvalid, name, "a value has %d bytes", len(v))
			}
		}
		if known == nil {
			return nil
		}
	default:
		return Parameter(CodeIllegal, name, "%q is not known here", clip(name))
	}
	for _, v := range given {
		if !slices.Contains(known, v) {
			return Parameter(CodeInvalid, name, "%q is not one of %s", clip(v), strings.Join(known, ", "))
		}
	}
	return nil
}

func has(m map[string][]string, key string) bool {
	_, ok := m[key]
	return ok
}

// Matches reports whether a value passes a filter, which lets everything pass that it
// was not asked about.
func (q Query) Matches(filter string, values ...string) bool {
	want, asked := q.Filter[filter]
	return !asked || slices.ContainsFunc(values, func(v string) bool { return slices.Contains(want, v) })
}

// Page cuts the page out of a list, whose members id tells apart, and describes it. A cursor
// whose member is gone begins anew.
func Page[T any](q Query, all []T, id func(T) string) ([]T, Paging) {
	from := 0
	if q.After != "" {
		from = slices.IndexFunc(all, func(v T) bool { return id(v) == q.After }) + 1
	}
	p := Paging{Total: len(all), Limit: q.Limit}
	rest := all[from:]
	if len(rest) > q.Limit {
		rest = rest[:q.Limit]
		p.NextCursor = id(rest[len(rest)-1])
	}
	return rest, p
}
