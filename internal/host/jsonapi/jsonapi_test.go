package jsonapi

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

var spec = Spec{Fields: map[string][]string{"packs": {"name", "size"}}, Include: []string{"app"}, Filter: map[string][]string{"state": {"A", "B"}, "name": nil},
	Sort: []string{"name", "-name"}, List: true}

func TestAQueryIsKnownInEveryPartOrRefusedWithItsName(t *testing.T) {
	for _, c := range []struct{ query, want string }{ // want: the parameter to blame; "" for none
		{"", ""},
		{"fields[packs]=name,size&include=app&filter[state]=A,B&filter[name]=x&sort=-name&limit=200&cursor=abc", ""},
		{"include=app&include=app", ""},
		{"include=app,owner", "include"},
		{"include=", "include"},
		{"fields[packs]=colour", "fields[packs]"},
		{"fields[apps]=name", "fields[apps]"},
		{"fields=name", "fields"},
		{"filter[state]=C", "filter[state]"},
		{"filter[colour]=red", "filter[colour]"},
		{"sort=size", "sort"},
		{"sort=name,-name", "sort"},
		{"limit=0", "limit"},
		{"limit=201", "limit"},
		{"limit=x", "limit"},
		{"limit=1&limit=2", "limit"},
		{"cursor=" + strings.Repeat("x", 201), "cursor"},
		{"filter[name]=" + strings.Repeat("x", 201), "filter[name]"},
		{"exists[x]=1", "exists[x]"},
		{strings.Repeat("include=app&", 100_000), ""},
		{"include=" + strings.Repeat("app,", 100_000), ""},
		{"%zz", ""},
	} {
		_, err := Read(c.query, spec)
		var f *Fault
		bad := c.want != "" || len(c.query) > MaxQuery || c.query == "%zz"
		if bad != errors.As(err, &f) {
			t.Errorf("%.60s: %v", c.query, err)
			continue
		}
		blamed := ""
		if f != nil && f.Source != nil {
			blamed = f.Source.Parameter
		}
		if f != nil && (blamed != c.want || f.HTTP() != 400 || len(f.Detail) > 400) {
			t.Errorf("%.60s: %+v", c.query, f)
		}
	}
}

func TestPagesHaveEachMemberOnce(t *testing.T) {
	var all []string
	for i := range 25 {
		all = append(all, fmt.Sprint(i))
	}
	q := Query{Limit: 10}
	var seen []string
	for range 5 {
		page, p := Page(q, all, func(s string) string { return s })
		seen = append(seen, page...)
		if p.Total != 25 || p.Limit != 10 {
			t.Errorf("%+v", p)
		}
		if q.After = p.NextCursor; q.After == "" {
			break
		}
	}
	if !slices.Equal(seen, all) {
		t.Errorf("the pages have %v", seen)
	}
}

func TestABodyIsReadAsAWholeOrRefused(t *testing.T) {
	good := `{"data": {"type": "packs", "attributes": {"name": "x"}, "relationships": {"app": {"data": {"type": "apps", "id": "1"}}}}}`
	read := func(text string) (*Entity, error) {
		return ReadEntity(strings.NewReader(text), "packs", "", []string{"name"}, []string{"app"})
	}
	e, err := read(good)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := e.Required("name", &name); err != nil || name != "x" {
		t.Error(name, err)
	}
	if id, err := e.Relation("app", "apps"); err != nil || id != "1" {
		t.Error(id, err)
	}
	for n := range len(good) {
		if _, err := read(good[:n]); err == nil {
			t.Errorf("the first %d bytes were taken", n)
		}
	}
	for text, status := range map[string]int{
		"": 400, "null": 400, "[]": 400, `{"data": []}`: 400, `{"data": {"type": "apps"}}`: 409, `{"data": {"type": "packs", "id": "1"}}`: 409,
		`{"data": {"type": "packs", "attributes": {"size": 1}}}`: 409, `{"data": {"type": "packs", "relationships": {"owner": {}}}}`: 409,
		`{"data": {"type": "packs", "attributes": [1]}}`: 400, `{"data": {"type": 1}}`: 400,
		`{"data": {"type": "packs", "attributes": {"name": "` + strings.Repeat("x", MaxBody) + `"}}}`: 400,
	} {
		_, err := read(text)
		var f *Fault
		if !errors.As(err, &f) || f.HTTP() != status || len(f.Detail) > 400 {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("fields[packs]=name&include=app&filter[state]=A&sort=-name&limit=1&cursor=x")
	f.Add(url.QueryEscape("filter[name]") + "=%00")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := Read(raw, spec)
		if err == nil && (q.Limit < 1 || q.Limit > maxLimit || len(q.Include) > len(spec.Include)) {
			t.Errorf("%+v", q)
		}
	})
}

func FuzzReadEntity(f *testing.F) {
	f.Add(`{"data": {"type": "packs", "attributes": {"name": null}, "relationships": {"app": {"data": null}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ReadEntity(strings.NewReader(text), "packs", "", []string{"name"}, []string{"app"})
		if err != nil {
			return
		}
		var s string
		_, _ = e.Attribute("name", &s)
		_, _ = e.Relation("app", "apps")
	})
}
