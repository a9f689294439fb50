package localapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/go-cmp/cmp"
)

// document is openapi.yaml, made strict: a field it does not name is a fault.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		return nil, err
	}
	for _, s := range doc.Components.Schemas {
		forbidMore(s.Value)
	}
	for _, p := range doc.Paths.Map() {
		for _, op := range p.Operations() {
			for _, r := range op.Responses.Map() {
				for _, content := range r.Value.Content {
					forbidMore(content.Schema.Value)
				}
			}
		}
	}
	return doc, nil
})

func forbidMore(s *openapi3.Schema) {
	if s.Properties != nil && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil {
		s.AdditionalProperties.Has = new(bool)
		for _, p := range s.Properties {
			forbidMore(p.Value)
		}
	}
	if s.Items != nil {
		forbidMore(s.Items.Value)
	}
}

func TestTheDocumentIsValidOpenAPI(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDocumentAndRoutesNameTheSameOperations(t *testing.T) {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	var documented, served []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented = append(documented, fmt.Sprint(method, " ", path, " ", op.Extensions["x-larder-sockets"]))
		}
	}
	for _, r := range routes {
		var sockets []string
		if r.on.owner {
			sockets = append(sockets, "owner")
		}
		if r.on.app {
			sockets = append(sockets, "app")
		}
		served = append(served, fmt.Sprint(r.method, " ", r.path, " ", sockets))
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(served, documented); diff != "" {
		t.Errorf("routes (-) and openapi.yaml (+) differ:\n%s", diff)
	}
}

// checked holds every call that passes it to openapi.yaml: each answer, each line
// of a stream, and each request that was accepted.
type checked struct {
	t    *testing.T
	base http.RoundTripper
}

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	c.t.Helper()
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := c.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	c.check(r, body, resp)
	return resp, nil
}

func (c checked) check(r *http.Request, body []byte, resp *http.Response) {
	c.t.Helper()
	doc, err := document()
	if err != nil {
		c.t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		c.t.Fatal(err)
	}
	accepted := resp.StatusCode < 300
	what := r.Method + " " + r.URL.String()
	asked := r.Clone(r.Context())
	asked.URL.Host = "larder"
	asked.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) > 0 {
		asked.Header.Set("Content-Type", "application/json") // the service reads JSON whatever it is called
	}
	route, params, err := router.FindRoute(asked)
	if err != nil {
		if accepted {
			c.t.Errorf("%s was served and is not documented: %v", what, err)
			return
		}
		route = anyErrorRoute(doc)
	}
	input := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route}
	if accepted {
		if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
			c.t.Errorf("%s with %.200s was served and is not as documented: %v", what, body, err)
		}
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: options}
	if resp.Header.Get("Content-Type") == "application/x-ndjson" {
		options.ExcludeResponseBody = true
		schema := route.Operation.Responses.Value("200").Value.Content["application/x-ndjson"].Schema.Value
		resp.Body = &checkedLines{ReadCloser: resp.Body, t: c.t, schema: schema}
	} else {
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			c.t.Errorf("%s: %v", what, err)
		}
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(data))
		answer.SetBodyBytes(data)
	}
	if err := openapi3filter.ValidateResponse(r.Context(), answer); err != nil {
		c.t.Errorf("the answer to %s is not as documented: %v", what, err)
	}
}

// anyErrorRoute lends a documented operation's error answer to calls that name none.
func anyErrorRoute(doc *openapi3.T) *routers.Route {
	item := doc.Paths.Value("/v1/hello")
	return &routers.Route{Spec: doc, Path: "/v1/hello", PathItem: item, Method: http.MethodGet, Operation: item.Get}
}

type checkedLines struct {
	io.ReadCloser
	t      *testing.T
	schema *openapi3.Schema
	rest   []byte
}

func (c *checkedLines) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.rest = append(c.rest, p[:n]...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			return n, err
		}
		c.rest = rest
		var value any
		if bad := json.Unmarshal(line, &value); bad != nil {
			c.t.Errorf("line %q: %v", line, bad)
		} else if bad := c.schema.VisitJSON(value, openapi3.VisitAsResponse()); bad != nil {
			c.t.Errorf("line %s is not as documented: %v", line, strings.TrimSpace(bad.Error()))
		}
	}
}
