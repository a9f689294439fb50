package fault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestContentIsTheSameHoweverItIsRead(t *testing.T) {
	c := Content(7, 1003)
	whole, err := io.ReadAll(c.Reader())
	if err != nil || len(whole) != 1003 {
		t.Fatal(len(whole), err)
	}
	for off := range int64(20) {
		for _, n := range []int{1, 7, 8, 9, 100} {
			p := make([]byte, n)
			if _, err := c.ReadAt(p, off); err != nil || !bytes.Equal(p, whole[off:off+int64(n)]) {
				t.Fatalf("%d bytes at %d differ (%v)", n, off, err)
			}
		}
	}
	if n, err := c.ReadAt(make([]byte, 10), 1000); n != 3 || err != io.EOF {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	if c.Sum256() != sha256.Sum256(whole) {
		t.Error("Sum256 is not the hash of what is read")
	}
	other := Content(8, 1003)
	if c.Sum256() == other.Sum256() || c.ETag() == other.ETag() {
		t.Error("another seed gives the same bytes")
	}
}

func get(t *testing.T, s *Server, path, from string) (*http.Response, []byte, error) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
	if from != "" {
		req.Header.Set("Range", "bytes="+from+"-")
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, b, err
}

func start(t *testing.T) *Server {
	s := Start()
	t.Cleanup(s.Close)
	return s
}

func TestRangesAreServedAndLogged(t *testing.T) {
	s := start(t)
	c := Content(1, 1000)
	s.Put("/a", File{Content: c})
	want := make([]byte, 600)
	_, _ = c.ReadAt(want, 400)
	res, b, err := get(t, s, "/a?x=1", "400")
	if err != nil || res.StatusCode != 206 || res.Header.Get("ETag") != c.ETag() || !bytes.Equal(b, want) {
		t.Errorf("%v, %d bytes, %v", res, len(b), err)
	}
	log := s.Requests()
	if len(log) != 1 || log[0].Path != "/a?x=1" || log[0].Start != 400 || log[0].Sent != 600 || log[0].Method != "GET" || log[0].Time.IsZero() {
		t.Errorf("log: %+v", log)
	}
}

func TestScriptedFaultsStrikeWhereAndAsOftenAsTheySay(t *testing.T) {
	c := Content(1, 100_000)
	s := start(t)
	s.Put("/a", File{Content: c, Script: "status=503:2,corrupt@10,drop@50%"})
	for range 2 {
		if res, _, err := get(t, s, "/a", ""); err != nil || res.StatusCode != 503 {
			t.Fatalf("%v, %v", res, err)
		}
	}
	_, b, err := get(t, s, "/a", "")
	want, _ := io.ReadAll(c.Reader())
	want[10] ^= 0xff
	if err == nil || !bytes.Equal(b, want[:50_000]) {
		t.Errorf("dropped answer: %d bytes, %v", len(b), err)
	}
	want[10] ^= 0xff
	if _, b, err = get(t, s, "/a", ""); err != nil || !bytes.Equal(b, want) {
		t.Errorf("last answer: %d bytes, %v", len(b), err)
	}

	s.Put("/b", File{Content: c, Script: "etag-change"})
	for _, want := range []string{c.ETag(), Content(2, c.Size).ETag(), Content(2, c.Size).ETag()} {
		if res, _, err := get(t, s, "/b", ""); err != nil || res.Header.Get("ETag") != want {
			t.Errorf("%v, %v", res, err)
		}
	}
}

func TestPaceAndStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := NewPipe()
		s := Serve(pipe)
		client := &http.Transport{DialContext: pipe.Dial}
		fetch := func(path string) (int64, time.Duration, error) {
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, "GET", s.URL+path, nil)
			res, err := client.RoundTrip(req)
			if err != nil {
				return 0, time.Since(begun), err
			}
			n, err := io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			return n, time.Since(begun).Round(time.Second), err
		}
		c := Content(1, 1_000_000)
		s.Put("/own", File{Content: c, Rate: 100_000})
		s.Put("/slow", File{Content: c, Script: "slow=1Mbit"})
		s.Put("/stall", File{Content: c, Script: "stall@25%"})
		s.Put("/plain", File{Content: c})
		for path, want := range map[string]time.Duration{"/own": 10 * time.Second, "/slow": 8 * time.Second, "/plain": 0} {
			if n, took, err := fetch(path); n != c.Size || err != nil || took != want {
				t.Errorf("%s: %d bytes in %v, %v", path, n, took, err)
			}
		}
		if n, took, err := fetch("/stall"); n != 250_000 || !errors.Is(err, context.DeadlineExceeded) || took != time.Hour {
			t.Errorf("stall: %d bytes in %v, %v", n, took, err)
		}
		s.Handle("/handler", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, c.Reader())
		}))
		s.SetRate(200_000)
		took := make(chan time.Duration)
		for _, path := range []string{"/plain", "/handler"} {
			go func() {
				_, d, _ := fetch(path)
				took <- d
			}()
		}
		if a, b := <-took, <-took; max(a, b) != 10*time.Second || min(a, b) < 9*time.Second {
			t.Errorf("a file and a handler of 5 s each took %v and %v", a, b)
		}
		client.CloseIdleConnections()
		s.Close()
		synctest.Wait()
	})
}

func TestOddAnswers(t *testing.T) {
	s := start(t)
	s.Handle("/raw", s.Raw("what?"))
	s.Handle("/conn", s.Conn(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 299 Fine\r\nContent-Length: 2\r\n\r\nok") }))
	s.Handle("/to", Redirect(302, "::x"))
	if _, _, err := get(t, s, "/raw", ""); err == nil {
		t.Error("garbage was taken for HTTP")
	}
	if res, b, err := get(t, s, "/conn", ""); err != nil || res.StatusCode != 299 || string(b) != "ok" {
		t.Errorf("%v %q %v", res, b, err)
	}
	if res, _, err := get(t, s, "/to", ""); err != nil || res.StatusCode != 302 || res.Header.Get("Location") != "::x" {
		t.Errorf("%v %v", res, err)
	}
	if res, _, err := get(t, s, "/none", ""); err != nil || res.StatusCode != 404 {
		t.Errorf("%v %v", res, err)
	}
	s.Handle("/hang", s.Hang())
	done := make(chan error)
	go func() {
		_, _, err := get(t, s, "/hang", "")
		done <- err
	}()
	for len(s.Requests()) < 5 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	if err := <-done; err == nil {
		t.Error("a hanging request outlived its server")
	}
}
