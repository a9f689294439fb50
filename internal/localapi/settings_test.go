package localapi

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The schema, openapi.yaml and the structs name the same settings.
func TestTheSchemaOfSettingsIsThatOfTheStructs(t *testing.T) {
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(settingsSchema, &schema); err != nil {
		t.Fatal(err)
	}
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		def, all, change string
		now, set         any
	}{
		{"settings", "Settings", "SettingsChange", &Settings{}, &SettingsChange{}},
		{"appSettings", "AppSettings", "AppSettingsChange", &AppSettings{}, &AppSettingsChange{}},
	} {
		want := fields(c.now)
		slices.Sort(want)
		change := fields(c.set)
		slices.Sort(change)
		if diff := cmp.Diff(want, change); diff != "" {
			t.Errorf("%s: what can be read and what can be changed differ:\n%s", c.def, diff)
		}
		for name, got := range map[string][]string{
			"settings.schema.json": keys(schema.Defs[c.def].Properties),
			c.all:                  keys(doc.Components.Schemas[c.all].Value.Properties),
			c.change:               keys(doc.Components.Schemas[c.change].Value.Properties),
		} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s of %s:\n%s", c.def, name, diff)
			}
		}
	}
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
