package host

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"larder/internal/host/trace"
)

func TestTracesTellOfRequestsAndJobsAndNotWhoAsked(t *testing.T) {
	got := &record{}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(got, r.Body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(collector.Close)
	var secrets []string
	t.Cleanup(func() { // the host has ended, and sent the rest
		text := got.String()
		for _, want := range []string{"POST /v1/backgroundAssets", "/v1/apps/{id}/backgroundAssets", "job file", "job publish", "4bf92f3577b34da6a3ce929d0e0e4736"} {
			if !strings.Contains(text, want) {
				t.Errorf("the traces lack %q: %s", want, text)
			}
		}
		for _, s := range append(secrets, bundle, "level", "127.0.0.1", "manifest.json") {
			if strings.Contains(text, s) {
				t.Errorf("the traces tell of %q", s)
			}
		}
	})
	w := newWorld(t, func(o *Options) {
		var err error
		if o.Trace, err = trace.New(collector.URL, o.Log); err != nil {
			t.Fatal(err)
		}
	})
	app := w.newApp(bundle)
	p := w.newPack(app, "level")
	v := w.publish(p, level(t, "one"))
	w.offered("internal")
	req, err := http.NewRequestWithContext(t.Context(), "GET", w.base+"/v1/apps/"+app+"/backgroundAssets", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	resp, err := w.http.Do(req) // refused, and traced all the same
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	secrets = []string{w.admin.KeyID, p, v}
}
