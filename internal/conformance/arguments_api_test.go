package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/localapi"
)

// Every route of the local API, as the service itself lists them, on an app's
// socket: with whatever in its path and its body.
func TestBadArgumentsOfTheLocalAPI(t *testing.T) {
	t.Parallel()
	a, b := settledPair(t)
	api := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return localapi.DialSocket(a.w.dirs.AppSocket(a.id))(ctx)
	}}}
	defer api.CloseIdleConnections()
	parameters := map[string][]string{
		"{id}":               {string(b.id), "org.example.nobody", "..", "%2e%2e", "%00", strings.Repeat("x", 5000)},
		"{uniqueIdentifier}": {find(b.status(), "waits").UniqueIdentifier, "nothing", "..", "%ff%00", strings.Repeat("x", 5000)},
		"{session}":          {b.session(), "nothing", "..", "%ff%00", strings.Repeat("x", 5000)},
		"":                   {""},
	}
	bodies := []string{"", "null", "[]", `"x"`, "0", "{", "{}{}", "\xff", `{"unknown":1}`, `{"identifier":null}`, `{"identifier":7,"url":[],"fileSize":"x"}`,
		`{"fileSize":1e400}`, `{"active":"yes","deadline":"soon"}`, strings.Repeat("[", 10000), `{"identifier":"` + strings.Repeat("x", 1<<20) + `"}`}
	queries := []string{"?nonsense=1", "?app=" + string(b.id), "?app=%00", "?app=" + strings.Repeat("x", 5000), "?handles=nonsense", "?handles=began&handles=began", "?app=x&app=y"}
	frozen(t, func() {
		tried := 0
		for _, r := range routes(t, api) {
			if r.path == "/v1/hello" || r.path == "/v1/openapi.yaml" {
				continue // they take nothing
			}
			for _, value := range parameters[regexp.MustCompile(`{\w+}|$`).FindString(r.path)] {
				path := regexp.MustCompile(`{\w+}`).ReplaceAllLiteralString(r.path, value)
				if r.method == http.MethodGet {
					for _, q := range queries {
						if strings.Contains(r.path, "{") {
							q = ""
						}
						tried++
						refused(t, api, r.method, path+q, "")
					}
					continue
				}
				for _, body := range bodies {
					tried++
					refused(t, api, r.method, path, body)
				}
			}
		}
		if tried < 500 {
			t.Errorf("only %d calls were tried", tried)
		}
	}, a, b)
	if _, err := a.w.owner.Hello(t.Context()); err != nil {
		t.Error("afterwards:", err)
	}
}

// session is that of a connected process of the app.
func (a *app) session() string {
	a.Helper()
	named := make(chan string, 1)
	go func() {
		for l, err := range localapi.NewAppClient(a.w.dirs.AppSocket(a.id)).Connect(a.Context()) {
			if err == nil && l.Session != "" {
				named <- l.Session
			}
		}
	}()
	select {
	case s := <-named:
		return s
	case <-time.After(patience):
		a.Fatal("no session was opened")
		return ""
	}
}

type route struct{ method, path string }

// routes reads them from the service's own description.
func routes(t *testing.T, api *http.Client) (out []route) {
	t.Helper()
	res, err := api.Get("http://larder/v1/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	path := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if p := strings.TrimSuffix(line, ":"); strings.HasPrefix(p, "  /v1/") {
			path = strings.TrimSpace(p)
		}
		if m := regexp.MustCompile(`^    (get|put|post|delete|patch):$`).FindStringSubmatch(line); m != nil && path != "" {
			out = append(out, route{strings.ToUpper(m[1]), path})
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d routes were found", len(out))
	}
	return out
}

func refused(t *testing.T, api *http.Client, method, path, body string) {
	t.Helper()
	what := fmt.Sprintf("%s %.60s with %.40q", method, path, body)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	u, err := url.Parse("http://larder" + path)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	res, err := api.Do(req)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	var told struct {
		Error *asset.Error `json:"error"`
	}
	if json.Unmarshal(text, &told) != nil || told.Error == nil {
		t.Errorf("%s: %d, %.200s", what, res.StatusCode, text)
		return
	}
	typed(t, what, told.Error)
	if n := len(told.Error.Error()); n > 4096 {
		t.Errorf("%s: the error has %d bytes", what, n)
	}
	if res.StatusCode < 400 || res.StatusCode >= 500 && told.Error.Code == asset.CodeInternal {
		t.Errorf("%s: status %d", what, res.StatusCode)
	}
}
