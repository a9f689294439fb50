package faulty

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

var body = bytes.Repeat([]byte("0123456789"), 10_000)

// start serves body at every path, as wrongly as the script says.
func start(t *testing.T, script string, seed uint64, o Serving) (*Script, *httptest.Server) {
	t.Helper()
	faults, err := Parse(script)
	if err != nil {
		t.Fatal(err)
	}
	s := New(faults, seed)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Serve(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"a"`)
			http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(body))
		}), o)
	}))
	t.Cleanup(server.Close)
	return s, server
}

func get(t *testing.T, url string, headers ...string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, b, err
}

func TestEachFileCountsForItselfAndOnlyThoseThatMatch(t *testing.T) {
	var words []string
	s, server := start(t, "*.bin:status=503:2,drop@50%", 0, Serving{Struck: func(w string) { words = append(words, w) }})
	for _, path := range []string{"/a.bin", "/b.bin"} {
		for range 2 {
			if res, _, err := get(t, server.URL+path); err != nil || res.StatusCode != 503 {
				t.Fatalf("%s: %v, %v", path, res, err)
			}
		}
	}
	if _, b, err := get(t, server.URL+"/c"); err == nil || len(b) != len(body)/2 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, b, err := get(t, server.URL+"/c"); err != nil || !bytes.Equal(b, body) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if want := []Count{{"*.bin:status=503:2", 4}, {"drop@50%", 1}}; !slices.Equal(s.Counts(), want) {
		t.Errorf("%v", s.Counts())
	}
	if len(words) != 5 || words[4] != "drop@50%" {
		t.Errorf("%q", words)
	}
}

func TestAResumedRequestPassesTheFaultBehindIt(t *testing.T) {
	_, server := start(t, "drop@5000:*", 0, Serving{})
	_, b, err := get(t, server.URL)
	if err == nil || len(b) != 5000 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if _, rest, err := get(t, server.URL, "Range", "bytes=5000-"); err != nil || !bytes.Equal(append(b, rest...), body) {
		t.Errorf("the rest has %d bytes, %v", len(rest), err)
	}
}

func TestChanceFollowsFromTheSeedAlone(t *testing.T) {
	places := func(seed uint64) (at []int) {
		_, server := start(t, "drop@random:3", seed, Serving{})
		for range 3 {
			_, b, err := get(t, server.URL)
			if err == nil {
				t.Fatal("nothing struck")
			}
			at = append(at, len(b))
		}
		return at
	}
	one := places(1)
	if again := places(1); !slices.Equal(one, again) {
		t.Errorf("%v, then %v", one, again)
	}
	if other := places(2); slices.Equal(one, other) || one[0] == one[1] {
		t.Errorf("%v with seed 1, %v with seed 2", one, other)
	}
}

func TestAChangedFileIsAnotherInEveryByteAndKeepsItsNewTag(t *testing.T) {
	_, server := start(t, "etag-change", 0, Serving{})
	if res, b, err := get(t, server.URL); err != nil || res.Header.Get("ETag") != `"a"` || !bytes.Equal(b, body) {
		t.Fatalf("%v, %v", res, err)
	}
	res, b, err := get(t, server.URL, "Range", "bytes=10-", "If-Range", `"a"`)
	tag := res.Header.Get("ETag")
	if err != nil || res.StatusCode != 200 || tag == `"a"` || len(b) != len(body) || res.Header.Get("Last-Modified") != "" {
		t.Fatalf("%v, %d bytes, %v", res, len(b), err)
	}
	for i := range b {
		if b[i] == body[i] {
			t.Fatalf("byte %d is the same", i)
		}
	}
	if res, rest, err := get(t, server.URL, "Range", "bytes=10-", "If-Range", tag); err != nil || res.StatusCode != 206 || !bytes.Equal(rest, b[10:]) {
		t.Errorf("under the new tag: %v, %v", res, err)
	}
	if res, _, err := get(t, server.URL, "If-None-Match", tag); err != nil || res.StatusCode != 304 {
		t.Errorf("unchanged since the new tag: %v, %v", res, err)
	}
	if res, _, err := get(t, server.URL, "If-None-Match", `"a"`); err != nil || res.StatusCode != 200 {
		t.Errorf("unchanged since the old tag: %v, %v", res, err)
	}
}

func TestAnAnswerThatIsNoFileIsLeftAlone(t *testing.T) {
	faults, err := Parse("corrupt@1,drop@50%")
	if err != nil {
		t.Fatal(err)
	}
	s := New(faults, 0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Serve(w, r, http.NotFoundHandler(), Serving{})
	}))
	defer server.Close()
	if res, b, err := get(t, server.URL); err != nil || res.StatusCode != 404 || !strings.Contains(string(b), "not found") {
		t.Errorf("%v %q %v", res, b, err)
	}
}
