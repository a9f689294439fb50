package service

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"larder/asset"
)

// swap serves a manifest whose bytes change in the middle of its transfer: the first answer
// breaks off half way, and from then on there is another. lies answers the rest of the new
// one to whoever has the first half of the old.
type swap struct {
	old, next string
	lies      bool

	mu    sync.Mutex
	asked []string // If-Range of each request
}

func (s *swap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Header.Get("If-Range"))
	first := len(s.asked) == 1
	s.mu.Unlock()
	if first {
		w.Header().Set("ETag", `"old"`)
		w.Header().Set("Accept-Ranges", "bytes")
		w.Header().Set("Content-Length", fmt.Sprint(len(s.old)))
		_, _ = io.WriteString(w, s.old[:len(s.old)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if rest, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && s.lies {
		var from int
		_, _ = fmt.Sscanf(rest, "%d-", &from)
		w.Header().Set("ETag", `"next"`)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(s.next)-1, len(s.next)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, s.next[from:])
		return
	}
	w.Header().Set("ETag", `"next"`)
	_, _ = io.Copy(w, bytes.NewReader([]byte(s.next)))
}

func TestAManifestThatChangesInItsOwnTransferIsNotMixed(t *testing.T) {
	t.Parallel()
	for _, lies := range []bool{false, true} {
		w := newWorld(t)
		w.start()
		d := w.depot()
		d.issue(1)
		d.sell(managedApp(game, 1))
		d.open(game)
		listing := func(v int64) string {
			d.issue(v)
			m := asset.DownloadManifest{Packs: d.packs}
			for n := range 2000 { // so that it comes in several reads
				p := d.packs[0]
				p.ID, p.DownloadPolicy = asset.PackID(fmt.Sprint("other-", v, "-", n)), onDemand
				m.Packs = append(m.Packs, p)
			}
			text, err := m.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		s := &swap{lies: lies}
		s.old, s.next = listing(2), listing(3)
		if len(s.old) != len(s.next) {
			t.Fatal("the two are not of one size, which would give it away")
		}
		d.server.Handle("/"+string(game)+"/manifest.json", s)
		if err := d.check(); err != nil {
			t.Logf("lies: %v: the check says %v", lies, err)
		}
		if err := d.opens(); err != nil {
			t.Error(err)
		}
		d.until(game, "the new packs are here", func(asset.AppStatus) bool {
			if got := d.onShelf(game, "rules/version.txt"); got == "3" {
				return true
			} else if got != "1" {
				t.Fatalf("lies: %v: the shelf shows version %s", lies, got)
			}
			_ = d.check()
			return d.onShelf(game, "rules/version.txt") == "3"
		})
		if err := d.opens(); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		t.Logf("lies: %v: %d requests, If-Range %v", lies, len(s.asked), s.asked)
		s.mu.Unlock()
		w.stop()
	}
}
