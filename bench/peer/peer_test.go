package peer

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func bed(t *testing.T) *Bed {
	t.Helper()
	dir := t.TempDir()
	b := &Bed{Corpus: "x", Digest: "d", Old: filepath.Join(dir, "o"), New: filepath.Join(dir, "n"), Kept: filepath.Join(dir, "kept"), Work: filepath.Join(dir, "work")}
	for _, d := range []string{b.Old, b.New, b.Kept, b.Work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{b.Old + "/same": "1", b.New + "/same": "1", b.Old + "/changed": "2", b.New + "/changed": "3", b.New + "/added": "4"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(b.Work)
		if err != nil || len(left) != 0 {
			t.Errorf("left %v, %v", left, err)
		}
	})
	return b
}

// copier brings the changed and added files, one by one.
var copier = Peer{Name: "copier", Tool: "bash", Version: "echo 1",
	Make:  `mkdir d; cat changed added | while read -r f; do cp "new/$f" "d/$f"; done; echo run >>"$COUNT"`,
	Fetch: `cat d/* | wc -c`,
	Apply: `cp -r old/ out; cp d/* out`}

func TestAPeerRunsOnceForItsVersionAndCorpus(t *testing.T) {
	b := bed(t)
	count := filepath.Join(t.TempDir(), "count")
	t.Setenv("COUNT", count)
	for range 2 {
		c, err := b.Cost(t.Context(), copier)
		if err != nil {
			t.Fatal(err)
		}
		if c.Bytes != 2 || c.Version != "1" || c.Apply.Wall <= 0 || !strings.Contains(c.Command, "cp -r old/ out") {
			t.Errorf("%+v", c)
		}
	}
	newer := copier
	newer.Version = "echo 2"
	if _, err := b.Cost(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(count); err != nil || string(data) != "run\nrun\n" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestAPeerWhoseResultIsNotTheNewReleaseDoesNotCount(t *testing.T) {
	b := bed(t)
	t.Setenv("COUNT", os.DevNull)
	wrong := copier
	wrong.Apply = `cp -r old/ out`
	if c, err := b.Cost(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "not the new release") {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAMissingPeerIsToldOf(t *testing.T) {
	missing := copier
	missing.Tool = "no-such-tool-of-larder"
	if _, err := bed(t).Cost(t.Context(), missing); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

func TestTheServerCountsWhatItServesInOneOrSeveralRanges(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("0123456789"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := serve(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	sum := int64(0)
	for ranges, want := range map[string]string{"": "0123456789", "bytes=2-4": "234", "bytes=0-1,8-9": "\r\n--" + boundary} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/f", nil)
		if err != nil {
			t.Fatal(err)
		}
		if ranges != "" {
			r.Header.Set("Range", ranges)
		}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(w.Body)
		if err := errors.Join(err, w.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(body), want) || w.ContentLength != int64(len(body)) {
			t.Errorf("%q: %q, length %d", ranges, body, w.ContentLength)
		}
		if strings.Contains(ranges, ",") && (strings.Count(string(body), "Content-Range: bytes") != 2 || !strings.Contains(string(body), "\r\n\r\n89\r\n")) {
			t.Errorf("%q: %q", ranges, body)
		}
		sum += int64(len(body))
	}
	if s.served() != sum {
		t.Errorf("counted %d of %d bytes", s.served(), sum)
	}
}

func TestOddRangesAreNotServedInParts(t *testing.T) {
	for _, h := range []string{"bytes=5-2,1-2", "bytes=a-b,1-2", "bytes=-5,1-2", "bytes=11-12,1-2"} {
		if all, err := parseRanges(h, 10); err == nil {
			t.Errorf("%q: %v", h, all)
		}
	}
}
