package trace

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID = "00f067aa0ba902b7"
)

func TestSpansReachTheCollectorInTheFormOfOTLP(t *testing.T) {
	got := make(chan []byte, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v, %v", r.URL, r.Header, err)
		}
		got <- body
	}))
	defer collector.Close()
	tracer, err := New(collector.URL+"/", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tracer.Begin("GET /v1/apps", Server, "00-"+traceID+"-"+parentID+"-01")(true, "http.route", "/v1/apps")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tracer.Run(ctx) // what is left is sent at the end
	var doc struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes []attribute }
			ScopeSpans []struct{ Spans []span }
		}
	}
	if err := json.Unmarshal(<-got, &doc); err != nil {
		t.Fatal(err)
	}
	s := doc.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if s.Trace != traceID || s.Parent != parentID || len(s.ID) != 16 || s.Name != "GET /v1/apps" || s.Kind != 2 || s.Status["code"] != 2 || len(s.Start) != 19 || s.End < s.Start ||
		s.Attributes[0].Key != "http.route" || s.Attributes[0].Value.String != "/v1/apps" || doc.ResourceSpans[0].Resource.Attributes[0].Value.String != "larder-host" {
		t.Errorf("the collector got %+v", doc)
	}
}

func TestOnlyAWholeTraceparentThatIsSampledIsGoneOnWith(t *testing.T) {
	good := "00-" + traceID + "-" + parentID + "-01"
	for s, want := range map[string]bool{good: true, "01-" + traceID + "-" + parentID + "-03-more": true, "": false, good + "-more": false, strings.ToUpper(good): false,
		"00-" + traceID + "-" + parentID + "-00": false, "ff-" + traceID + "-" + parentID + "-01": false, "00-" + strings.Repeat("0", 32) + "-" + parentID + "-01": false,
		"00-" + traceID + "-" + strings.Repeat("0", 16) + "-01": false, "00-" + traceID[1:] + "-" + parentID + "-01": false, strings.Repeat("-", 1000): false} {
		if trace, _ := parent(s); (trace != "") != want {
			t.Errorf("%.60q: %q", s, trace)
		}
	}
}

func TestNobodyWaitsForACollector(t *testing.T) {
	var log strings.Builder
	tracer, err := New("http://127.0.0.1:1", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * maxQueue {
		tracer.Begin("x", Internal, "")(false)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tracer.Run(ctx)
	if !strings.Contains(log.String(), "not taken") {
		t.Errorf("the log says %q", &log)
	}
	(*Tracer)(nil).Begin("x", Internal, "")(false)
	for _, bad := range []string{"", "localhost:4318", "ftp://x", "http://"} {
		if _, err := New(bad, slog.Default()); err == nil {
			t.Errorf("%q is taken for a collector", bad)
		}
	}
}
