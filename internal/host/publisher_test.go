package host

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/internal/host/api"
	"larder/internal/host/publisher"
	"larder/internal/publish"
)

// publisherOf is a publisher with the administrator's key.
func (w *world) publisherOf() *publisher.Host {
	w.t.Helper()
	h, err := publisher.At(w.base, w.admin)
	if err != nil {
		w.t.Fatal(err)
	}
	h.HTTP = w.http
	return h
}

func written(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.assetpack")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPublishingFromOneCallMakesWhatIsLackingAndNothingTwice(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = api.Limits{Part: 64 << 10} })
	o := publisher.Options{App: bundle, Context: "production", Inputs: []string{written(t, build(t, "level", map[string]string{"m": noise(300 << 10)}))}}
	first, err := w.publisherOf().Publish(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if p := first.Packs[0]; p.Action != publish.New || p.Version != 1 || p.Sent != p.Size || p.State != "READY_FOR_DISTRIBUTION" {
		t.Errorf("the first time: %+v", p)
	}
	if got := w.offered("production"); got != "level 1" {
		t.Errorf("the public is offered %q", got)
	}
	second, err := w.publisherOf().Publish(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if p := second.Packs[0]; p.Action != publish.Unchanged || p.Version != 1 || p.Sent != 0 {
		t.Errorf("the second time: %+v", p)
	}
}

func TestAnUploadThatWasCutOffIsTakenUp(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = api.Limits{Part: 64 << 10} })
	name := written(t, build(t, "level", map[string]string{"m": noise(1 << 20)}))
	o := publisher.Options{App: bundle, Context: "internal", Inputs: []string{name}}
	ctx, cancel := context.WithCancel(t.Context())
	sent := 0
	o.Events.Uploading = func(string, int64) (func(int), func()) {
		return func(n int) {
			if sent += n; sent > 600<<10 {
				cancel()
			}
		}, func() {}
	}
	h := w.publisherOf()
	h.HTTP = &http.Client{Transport: onePart{w.http.Transport}}
	if _, err := h.Publish(ctx, o); err == nil {
		t.Fatal("it was not cut off")
	}
	o.Events.Uploading = nil
	done, err := w.publisherOf().Publish(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if p := done.Packs[0]; p.Version != 1 || p.Sent == 0 || p.Sent > p.Size*3/4 {
		t.Errorf("it went on with %+v", p)
	}
}

// onePart lets one part pass at a time, so that what was counted was sent.
type onePart struct{ http.RoundTripper }

func (o onePart) RoundTrip(r *http.Request) (*http.Response, error) {
	turn <- struct{}{}
	defer func() { <-turn }()
	return o.RoundTripper.RoundTrip(r)
}

var turn = make(chan struct{}, 1)

func TestAPublisherIsToldWhatTheHostSaid(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	w.must("PATCH", "/larder/v1/apps/"+app, entity("apps", app, object{"quota": 100}))
	o := publisher.Options{App: bundle, Context: "internal", Inputs: []string{written(t, level(t, "one"))}}
	if _, err := w.publisherOf().Publish(t.Context(), o); err == nil || !strings.Contains(err.Error(), "its quota is 100") {
		t.Errorf("with a quota that is passed: %v", err)
	}
	for _, url := range []string{"", "host", "http://packs.example.org", "https://a@b", "ftp://127.0.0.1", "http://127.0.0.1/x"} {
		if _, err := publisher.At(url, w.admin); err == nil {
			t.Errorf("%q is taken for a host", url)
		}
	}
}
