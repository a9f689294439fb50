package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"golang.org/x/time/rate"
)

func TestTheServerAnswersRangesOfAJoinAcrossItsParts(t *testing.T) {
	items, _ := mustPlan(t, fstest.MapFS{"src/a": text(700, "abc"), "src/b": text(1300, "defg"), "src/c": text(5, "h")}, maxBytes)
	whole := readAll(t, items[0])
	h := handler(items, nil, rate.NewLimiter(rate.Inf, 1))
	get := func(header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/assets/0", nil)
		r.Header = header
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	first := get(nil)
	tag := first.Header().Get("ETag")
	if first.Code != 200 || !bytes.Equal(first.Body.Bytes(), whole) || tag != fmt.Sprintf("%q", items[0].SHA256) {
		t.Fatalf("status %d, %d bytes of %d, ETag %s", first.Code, first.Body.Len(), len(whole), tag)
	}
	for from := 0; from < len(whole); from += 97 {
		w := get(http.Header{"Range": {fmt.Sprintf("bytes=%d-", from)}, "If-Range": {tag}})
		if w.Code != 206 || !bytes.Equal(w.Body.Bytes(), whole[from:]) {
			t.Fatalf("from %d: status %d, %d bytes, want 206 and %d", from, w.Code, w.Body.Len(), len(whole)-from)
		}
	}
	if w := get(http.Header{"Range": {"bytes=5-"}, "If-Range": {`"other"`}}); w.Code != 200 {
		t.Errorf("another validator: status %d, want 200", w.Code)
	}
	for _, path := range []string{"/assets/1", "/assets/-1", "/assets/x", "/"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 404 {
			t.Errorf("%s: status %d, want 404", path, w.Code)
		}
	}
}

func TestTheSiteServesTheManifestThatNamesItsURLs(t *testing.T) {
	items, _ := mustPlan(t, fstest.MapFS{"a": text(2<<20, "a"), "b": text(10, "b")}, maxBytes)
	s, err := startSite(items)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fetch := func(url string) []byte {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp.Status, err)
		}
		return data
	}
	var m manifest
	if err := json.Unmarshal(fetch(s.url+"/"+manifestName), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Assets) != 2 {
		t.Fatalf("%d assets", len(m.Assets))
	}
	for n, e := range m.Assets {
		if e.Name != items[n].Name || !bytes.Equal(fetch(e.URL), readAll(t, items[n])) {
			t.Errorf("%s at %s is not item %d", e.Name, e.URL, n)
		}
	}
}
