package transfer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
)

func TestStatusDecidesTheKind(t *testing.T) {
	for status, kind := range map[int]Kind{
		201: KindServer, 203: KindServer, 204: KindServer, 300: KindServer, 304: KindServer,
		400: KindPermanent, 401: KindPermanent, 403: KindPermanent, 404: KindPermanent, 410: KindPermanent, 416: KindPermanent,
		408: KindServer, 425: KindServer, 429: KindServer, 500: KindServer, 503: KindServer, 599: KindServer,
	} {
		r := newRig(t)
		r.Handle("/a", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "100")
			w.WriteHeader(status)
		}))
		_, fail := r.fetch(r.job("/a?token=secret", Held{}))
		wantFailure(t, fail, kind)
		if fail.Err.Code != asset.CodeServer || strings.Contains(fail.Error(), "secret") {
			t.Errorf("%d: %v", status, fail)
		}
		asked := kind == KindServer && status >= 400
		if wait := time.Until(fail.NotBefore); asked != (wait > 90*time.Second && wait <= 100*time.Second) {
			t.Errorf("%d: not before %v", status, fail.NotBefore)
		}
		if status == http.StatusNotFound && len(r.Requests()) != 1 {
			t.Errorf("%d requests", len(r.Requests()))
		}
	}
}

func TestWhatIsNotHTTPIsConnectivity(t *testing.T) {
	for name, raw := range map[string]string{
		"garbage":         "\x00\x01\x02 not http at all\r\n\r\n",
		"nothing":         "",
		"bad length":      "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"endless headers": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Y: "+strings.Repeat("z", 1000)+"\r\n", 200),
		"endless 1xx":     strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 5000),
		"bad chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Handle("/a", r.Raw(raw))
			_, fail := r.fetch(r.job("/a", Held{}))
			wantFailure(t, fail, KindConnectivity)
			if len(fail.Error()) > 600 {
				t.Errorf("the error has %d bytes", len(fail.Error()))
			}
		})
	}
	t.Run("switching protocols", func(t *testing.T) {
		r := newRig(t)
		r.Handle("/a", r.Raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"))
		_, fail := r.fetch(r.job("/a", Held{}))
		wantFailure(t, fail, KindServer)
	})
	t.Run("nobody there", func(t *testing.T) {
		r := newRig(t)
		r.Close()
		_, fail := r.fetch(r.job("/a", Held{}))
		wantFailure(t, fail, KindConnectivity)
		if fail.Err.Code != asset.CodeNetwork || fail.Progressed {
			t.Errorf("%+v", fail)
		}
	})
}

func TestJobThatCannotBeSentIsPermanent(t *testing.T) {
	for name, j := range map[string]Job{
		"no url":       {ID: "x"},
		"plain http":   {ID: "x", URL: "http://example.org/a"},
		"userinfo":     {ID: "x", URL: "https://u:p@example.org/a"},
		"method":       {ID: "x", URL: "https://example.org/a", Method: "HEAD"},
		"cookie":       {ID: "x", URL: "https://example.org/a", Headers: map[string]string{"Cookie": "me"}},
		"header name":  {ID: "x", URL: "https://example.org/a", Headers: map[string]string{"a(b": "c"}},
		"header value": {ID: "x", URL: "https://example.org/a", Headers: map[string]string{"a": "\x01"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, fail := fetch(t, &Fetcher{Transport: noTransport{t}}, context.Background(), j)
			wantFailure(t, fail, KindPermanent)
		})
	}
}

type noTransport struct{ t *testing.T }

func (n noTransport) RoundTrip(*http.Request) (*http.Response, error) {
	n.t.Error("a request was sent")
	return nil, errors.New("no")
}

func TestRedirects(t *testing.T) {
	r, elsewhere := newRig(t), newRig(t)
	r.Put("/file", fault.File{Content: small})
	elsewhere.Put("/file", fault.File{Content: small})
	at := func(path string, status int, to string) { r.Handle(path, fault.Redirect(status, to)) }
	at("/here", 302, "/file#part")
	at("/away", 307, elsewhere.URL+"/file")
	at("/back", 302, elsewhere.URL+"/back")
	elsewhere.Handle("/back", fault.Redirect(302, r.URL+"/file"))
	at("/loop", 301, "/loop")
	at("/nowhere", 302, "")
	at("/garbage", 302, "http://[::1")
	at("/ftp", 302, "ftp://example.org/")
	at("/plain", 302, "http://example.org/file")
	at("/user", 302, "https://me:pw@example.org/file")
	at("/post303", 303, "/file")
	at("/post308", 308, "/file")

	for _, c := range []struct {
		path, method string
		refused      bool
		end          *rig
		header       bool // the app's header reaches the last hop
		last         string
	}{
		{path: "/here", end: r, header: true},
		{path: "/away", end: elsewhere},
		{path: "/back", end: r},
		{path: "/loop", refused: true},
		{path: "/nowhere", refused: true},
		{path: "/garbage", refused: true},
		{path: "/ftp", refused: true},
		{path: "/plain", refused: true},
		{path: "/user", refused: true},
		{path: "/post303", method: "POST", end: r, header: true, last: "GET"},
		{path: "/here", method: "POST", end: r, header: true, last: "GET"},
		{path: "/post308", method: "POST", end: r, header: true, last: "POST"},
	} {
		t.Run(strings.TrimPrefix(c.method+c.path, "/"), func(t *testing.T) {
			r.ResetLog()
			elsewhere.ResetLog()
			j := r.job(c.path, Held{})
			j.Path = t.TempDir() + "/part"
			j.Headers = map[string]string{"Authorization": "secret", "Content-Language": "de"}
			if j.Method = c.method; c.method == "POST" {
				j.Body = []byte("q")
			}
			_, fail := r.fetch(j)
			if c.refused {
				wantFailure(t, fail, KindPermanent)
				if fail.Err.Code != asset.CodeRedirectRefused {
					t.Errorf("code %v", fail.Err.Code)
				}
				if n := len(r.Requests()); n > 11 {
					t.Errorf("%d requests", n)
				}
				return
			}
			if fail != nil {
				t.Fatal(fail)
			}
			reqs := c.end.Requests()
			last := reqs[len(reqs)-1]
			if got := last.Header.Get("Authorization") != ""; got != c.header {
				t.Errorf("last hop saw %v", last.Header)
			}
			if c.last == "GET" && (last.Method != "GET" || last.Header.Get("Content-Language") != "" || last.Header.Get("Content-Length") != "") ||
				c.last == "POST" && last.Method != "POST" {
				t.Errorf("last hop was %s %v", last.Method, last.Header)
			}
			if last.Header.Get("User-Agent") != "Larder/1" || last.Header.Get("Referer") != "" {
				t.Errorf("last hop saw %v", last.Header)
			}
		})
	}
}

func TestResumeGoesThroughRedirects(t *testing.T) {
	r, elsewhere := newRig(t), newRig(t)
	r.Handle("/a", fault.Redirect(302, elsewhere.URL+"/file"))
	elsewhere.Put("/file", fault.File{Content: small})
	held, fail := r.fetch(r.job("/a", r.hold(small, 100<<10)))
	r.wantWhole(small, held, fail)
	if start := elsewhere.Requests()[0].Start; start != 100<<10 {
		t.Errorf("asked from %d", start)
	}
}

func TestEveryHopIsAskedFor(t *testing.T) {
	r := newRig(t)
	r.Handle("/a", fault.Redirect(302, "/b"))
	r.Handle("/b", fault.Redirect(302, "/c"))
	var asked []string
	j := r.job("/a", Held{})
	j.Allow = func(u *url.URL) error {
		asked = append(asked, u.Path)
		if u.Path == "/c" {
			return asset.Sentinel(asset.CodeDisallowedByDomain)
		}
		return nil
	}
	_, fail := r.fetch(j)
	wantFailure(t, fail, KindPermanent)
	if fail.Err.Code != asset.CodeDisallowedByDomain || strings.Join(asked, "") != "/a/b/c" || len(r.Requests()) != 2 {
		t.Errorf("%v, asked %q, %d requests", fail, asked, len(r.Requests()))
	}
	j.Allow = func(u *url.URL) error { return errors.New("no") }
	_, fail = r.fetch(j)
	wantFailure(t, fail, KindPermanent)
	if len(r.Requests()) != 2 {
		t.Error("a refused URL was requested")
	}
}

func TestRedirectFromTheNetworkToThisMachineIsRefused(t *testing.T) {
	from, _ := url.Parse("https://example.org/a?secret")
	for _, to := range []string{"http://127.0.0.1/x", "https://localhost/x", "http://[::1]:80/"} {
		if _, fail := follow(from, to); fail == nil || strings.Contains(fail.Error(), "secret") {
			t.Errorf("%s: %v", to, fail)
		}
	}
}
