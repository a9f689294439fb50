package localapi

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"larder/asset"
)

func TestBadBodiesAreRefusedByName(t *testing.T) {
	w := newWorld(t)
	const install, settings, launch, simulate = "POST /v1/apps", "PATCH /v1/settings", "POST /v1/apps/org.example.game/launch", "POST /v1/simulate"
	for _, tt := range []struct {
		name, call, body string
		status           int
		says             string
	}{
		{"empty", install, "", 400, "no body"},
		{"spaces", install, " \n ", 400, "no body"},
		{"garbage", install, "bundle=/b", 400, "not JSON"},
		{"cut off", install, `{"bundle":"/b"`, 400, "not JSON"},
		{"trailing garbage", install, `{"bundle":"/b"} x`, 400, "not JSON"},
		{"two objects", install, `{"bundle":"/b"}{"bundle":"/c"}`, 400, "not JSON"},
		{"array", install, `["/b"]`, 400, "not a JSON object"},
		{"null", install, `null`, 400, "not a JSON object"},
		{"string", install, `"/b"`, 400, "not a JSON object"},
		{"huge", install, `{"bundle":"/` + strings.Repeat("x", maxBody) + `"}`, 413, "1 MiB"},
		{"deeply nested", install, `{"bundle":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, 400, ""},
		{"nested", install, `{"bundle":{"bundle":"/b"}}`, 400, "field bundle"},
		{"unknown field", install, `{"bundle":"/b","force":true}`, 400, `"force"`},
		{"other case", install, `{"Bundle":"/b"}`, 400, `"Bundle"`},
		{"twice", install, `{"bundle":"/b","bundle":"/c"}`, 400, "twice"},
		{"twice by escape", install, `{"bundle":"/b","bundl\u0065":"/c"}`, 400, "twice"},
		{"null field", install, `{"bundle":null}`, 400, "null"},
		{"wrong type", install, `{"bundle":7}`, 400, "field bundle"},
		{"not UTF-8", install, "{\"bundle\":\"/\xff\"}", 400, "UTF-8"},
		{"relative bundle", install, `{"bundle":"game"}`, 400, "absolute"},
		{"no bundle", install, `{"context":"production"}`, 400, "absolute"},
		{"zero byte", install, `{"bundle":"/b\u0000"}`, 400, "absolute"},
		{"unknown context", install, `{"bundle":"/b","context":"beta"}`, 400, "context"},
		{"no setting", settings, `{}`, 400, "no setting"},
		{"unknown setting", settings, `{"colour":"red"}`, 400, `"colour"`},
		{"tiny cap", settings, `{"downloadCapBackground":1023}`, 400, "1024"},
		{"negative cap", settings, `{"downloadCapForeground":-1}`, 400, "cap"},
		{"unknown rule", settings, `{"meteredRule":"ask"}`, 400, "wait, allow and never"},
		{"language that is none", "PATCH /v1/apps/org.example.game/settings", `{"language":"de_DE"}`, 400, "BCP 47"},
		{"no setting of an app", "PATCH /v1/apps/org.example.game/settings", `{}`, 400, "no setting"},
		{"simulated earthquake", simulate, `{"app":"org.example.game","event":"earthquake"}`, 400, "languageChange"},
		{"setting of a wrong type", settings, `{"inAppContent":"no"}`, 400, "inAppContent"},
		{"negative pid", launch, `{"pid":-1}`, 400, "negative"},
		{"fraction", launch, `{"pid":1.5}`, 400, "field pid"},
		{"too large a number", launch, `{"pid":1e99}`, 400, "field pid"},

		{"bad app", simulate, `{"app":"a/b","event":"install"}`, 400, "it holds"},
		{"body where none is wanted", "POST /v1/apps/org.example.game/pause", `{"a":1}`, 400, `"a"`},
		{"bad update", "POST /v1/apps/org.example.game/update", `{"bundle":"."}`, 400, "absolute"},
		{"bad cancel", "POST /v1/downloads/u/cancel", `[]`, 400, "object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.call, " ")
			got := w.raw(method, path, tt.body)
			if got.status != tt.status || got.err == nil || !strings.Contains(got.err.Message, tt.says) {
				t.Errorf("status %d, error %v; want %d and %q", got.status, got.err, tt.status, tt.says)
			}
			if got.err != nil && len(got.err.Error()) > 300 {
				t.Errorf("the error repeats the request: %d bytes", len(got.err.Error()))
			}
		})
	}
	if len(w.calls) != 0 {
		t.Errorf("the service was called: %q", w.calls)
	}
	if got := w.raw("POST", "/v1/apps/org.example.game/pause", "{}"); got.status != 200 {
		t.Errorf("an empty object was refused: %s", got.body)
	}
}

// What the strict reader accepts, the document must allow.
func FuzzRequestBody(f *testing.F) {
	for _, seed := range []string{
		`{"bundle":"/b","context":"internal"}`, `{"bundle":"/b","bundle":"/c"}`, `{"app":"a.b","event":"install"}`,
		`{"anyway":true,"pid":12}`, `{"inAppContent":false}`, `{}`, `[]`, `null`, `{"pid":1e2}`, `{"a":{"b":[1,{}]}}`, "\"\xff\"",
	} {
		f.Add([]byte(seed))
	}
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, into := range map[string]any{
			"InstallRequest": new(InstallRequest), "UpdateRequest": new(UpdateRequest), "LaunchRequest": new(LaunchRequest),
			"SimulateRequest": new(SimulateRequest), "SettingsChange": new(SettingsChange),
		} {
			if decode(data, into) != nil || !sensible(into) {
				continue
			}
			var value any
			if err := json.Unmarshal(data, &value); err != nil {
				t.Fatalf("%s took what is not JSON: %v", name, err)
			}
			if err := doc.Components.Schemas[name].Value.VisitJSON(value, openapi3.VisitAsRequest()); err != nil {
				t.Errorf("%s took what openapi.yaml forbids: %v", name, err)
			}
		}
	})
}

// sensible repeats the handlers' checks of values.
func sensible(into any) bool {
	switch v := into.(type) {
	case *InstallRequest:
		return filepath.IsAbs(v.Bundle) && (v.Context == "" || v.Context == ContextInternal || v.Context == ContextExternal || v.Context == ContextProduction)
	case *LaunchRequest:
		return v.PID >= 0
	case *SimulateRequest:
		_, err := asset.ParseAppID(string(v.App))
		return err == nil && slices.Contains(simulations, v.Event)
	case *SettingsChange:
		return v.check() == nil
	}
	return true
}
