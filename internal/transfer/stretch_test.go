package transfer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
)

func TestAStretchIsGivenInFullWhateverBreaks(t *testing.T) {
	const size = 3 << 20
	content := fault.Content(7, size)
	for name, script := range map[string]string{"a sound server": "", "drops": "drop@1MiB,drop@1100KiB,drop@2MiB"} {
		server := fault.Start()
		defer server.Close()
		server.Put("/p", fault.File{Content: content, Script: script})
		got := 0
		f := Fetcher{Stall: 10 * time.Second}
		r, err := f.Open(t.Context(), Stretch{Job: Job{ID: "p", URL: server.URL + "/p", Size: size}, Offset: 100_000, Length: size - 200_000, Received: func(n int) { got += n }})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || r.Close() != nil || len(text) != size-200_000 || got != len(text) {
			t.Fatalf("%s: %d bytes, %d received, %v", name, len(text), got, err)
		}
		want := make([]byte, len(text))
		_, _ = content.ReadAt(want, 100_000)
		if string(want) != string(text) {
			t.Errorf("%s: other bytes than were served", name)
		}
		at := int64(0)
		for _, q := range server.Requests() { // nothing is asked for twice
			if q.Start < at {
				t.Errorf("%s: a request from %d on after one from %d", name, q.Start, at)
			}
			at = q.Start
		}
	}
}

func TestStretchesAreRefusedByWhatIsWrong(t *testing.T) {
	server := fault.Start()
	defer server.Close()
	c := fault.Content(1, 1<<20)
	server.Put("/whole", fault.File{Content: c, IgnoreRange: true})
	server.Put("/gone", fault.File{Content: c, Script: "status=404:*"})
	server.Put("/busy", fault.File{Content: c, Script: "status=503:*"})
	server.Put("/sound", fault.File{Content: c})
	server.Put("/odd", fault.File{Content: c, Rewrite: func(status int, h http.Header) int {
		h.Set("Content-Range", "bytes 5-9/1048576")
		return status
	}})
	for _, q := range []struct {
		name   string
		at     Stretch
		kind   Kind
		code   asset.Code
		ranges bool
	}{
		{"no ranges", Stretch{Job: Job{URL: "/whole", Size: 1 << 20}, Offset: 5, Length: 5}, KindPermanent, asset.CodeServer, true},
		{"not there", Stretch{Job: Job{URL: "/gone", Size: 1 << 20}, Length: 5}, KindPermanent, asset.CodeServer, false},
		{"busy", Stretch{Job: Job{URL: "/busy", Size: 1 << 20}, Length: 5}, KindServer, asset.CodeServer, false},
		{"another size", Stretch{Job: Job{URL: "/sound", Size: 1 << 19}, Length: 5}, KindPermanent, asset.CodeSizeMismatch, false},
		{"past its end", Stretch{Job: Job{URL: "/sound", Size: 3 << 20}, Offset: 2 << 20, Length: 5}, KindPermanent, asset.CodeSizeMismatch, false},
		{"another range", Stretch{Job: Job{URL: "/odd", Size: 1 << 20}, Offset: 1, Length: 5}, KindServer, asset.CodeServer, false},
		{"not allowed", Stretch{Job: Job{URL: "/sound", Size: 1 << 20, Allow: func(*url.URL) error { return asset.Sentinel(asset.CodeDisallowedByDomain) }}, Length: 5}, KindPermanent, asset.CodeDisallowedByDomain, false},
	} {
		q.at.ID, q.at.URL = q.name, server.URL+q.at.URL
		f := Fetcher{}
		_, err := f.Open(t.Context(), q.at)
		var fail *Failure
		if !errors.As(err, &fail) || fail.Kind != q.kind || asset.CodeOf(err) != q.code || errors.Is(err, ErrNoRanges) != q.ranges {
			t.Errorf("%s: %v", q.name, err)
		}
	}
	f := Fetcher{}
	r, err := f.Open(t.Context(), Stretch{Job: Job{ID: "whole", URL: server.URL + "/whole", Size: 1 << 20}, Length: 5})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || len(text) != 5 {
		t.Errorf("the first bytes of a server without ranges: %d, %v", len(text), err)
	}
	if r.Close() != nil {
		t.Error("close")
	}
}

func TestAStretchEndsWithItsContextAndWithAStall(t *testing.T) {
	server := fault.Start()
	defer server.Close()
	server.Put("/p", fault.File{Content: fault.Content(1, 1<<20), Script: "stall@1%:*"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer cancel()
	for _, c := range []struct {
		ctx  context.Context
		kind Kind
	}{{t.Context(), KindConnectivity}, {ctx, KindCancelled}} {
		f := Fetcher{Stall: 200 * time.Millisecond}
		if c.kind == KindCancelled {
			f.Stall = time.Hour
		}
		r, err := f.Open(c.ctx, Stretch{Job: Job{ID: "p", URL: server.URL + "/p", Size: 1 << 20}, Length: 1 << 20, Received: func(int) {
			if c.kind == KindCancelled {
				cancel()
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(r)
		var fail *Failure
		if !errors.As(err, &fail) || fail.Kind != c.kind || !fail.Progressed {
			t.Errorf("%s: %v", c.kind, err)
		}
		if r.Close() != nil {
			t.Error("close")
		}
	}
}
