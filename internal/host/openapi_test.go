package host

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"larder/internal/site"
)

// document is doc/host-api.yaml, made strict: a member that it does not name is a fault.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := os.ReadFile("../../doc/host-api.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	for _, s := range doc.Components.Schemas {
		forbidMore(s.Value)
	}
	return doc, nil
})

func forbidMore(s *openapi3.Schema) {
	if s.Properties != nil && s.AdditionalProperties.Has == nil {
		s.AdditionalProperties.Has = new(bool)
		for _, p := range s.Properties {
			forbidMore(p.Value)
		}
	}
	if s.Items != nil {
		forbidMore(s.Items.Value)
	}
}

func TestTheDocumentOfTheHostIsValidOpenAPI(t *testing.T) {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// checked holds every call that passes it to doc/host-api.yaml: each answer, and each
// request that was accepted. What devices read is passed on.
type checked struct {
	t    *testing.T
	base http.RoundTripper
}

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := c.base.RoundTrip(r)
	if err != nil || forDevices(r.URL.Path) || !strings.HasPrefix(r.URL.Path, site.Prefix) && !strings.HasPrefix(r.URL.Path, "/v1/") {
		return resp, err
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	if err == nil {
		c.check(r, body, resp, answer)
	}
	return resp, err
}

func (c checked) check(r *http.Request, body []byte, resp *http.Response, answer []byte) {
	c.t.Helper()
	doc, err := document()
	if err != nil {
		c.t.Error(err)
		return
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		c.t.Error(err)
		return
	}
	accepted, what := resp.StatusCode < 300, r.Method+" "+r.URL.String()
	asked := r.Clone(r.Context())
	asked.URL.Scheme, asked.URL.Host, asked.Body = "", "", io.NopCloser(bytes.NewReader(body))
	route, params, err := router.FindRoute(asked)
	if err != nil {
		if accepted {
			c.t.Errorf("%s was served and is not documented: %v", what, err)
			return
		}
		item := doc.Paths.Value("/v1/apps") // lends its errors to what has no route
		route = &routers.Route{Spec: doc, Path: "/v1/apps", PathItem: item, Method: http.MethodGet, Operation: item.Get}
	}
	input := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if accepted {
		if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
			c.t.Errorf("%s with %.300s was served and is not as documented: %v", what, body, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true}}
	out.SetBodyBytes(answer)
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		c.t.Errorf("the answer to %s, %s, is not as documented: %v", what, answer, err)
	}
}
