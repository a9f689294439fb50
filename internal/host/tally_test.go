package host

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/internal/host/catalog"
	"larder/internal/site"
)

// fetch asks as a device does, and gives how many bytes came.
func (w *world) fetch(path, ranges string) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.base+site.Prefix+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(text)
}

// stats are the rows of an app: "kind context pack version requests bytes".
func (w *world) stats(app, query string) (all []string) {
	w.t.Helper()
	_, out := w.ask("GET", "/larder/v1/apps/"+app+"/stats"+query, nil)
	list, _ := out["data"].([]any)
	for _, r := range list {
		a := at(r, "attributes").(object)
		words := []string{}
		for _, name := range []string{"kind", "context", "assetPackIdentifier", "version", "requests", "bytes"} {
			if a[name] != nil {
				words = append(words, fmt.Sprint(a[name]))
			}
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

func TestTheHostCountsWhatDevicesFetchByVersionAndDay(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	archive := level(t, "one")
	w.publish(w.newPack(app, "level"), archive)
	blob := site.BlobPath(blobsOf(t, w.dir)[0])
	w.fetch(blob, "")
	w.fetch(blob, "bytes=0-99")
	w.fetch(site.BlobPath(strings.Repeat("0", 64)), "") // there is none
	size := w.fetch(site.ManifestPath(bundle, "internal"), "") + w.fetch(site.ManifestPath(bundle, "internal"), "")
	signed := w.fetch(site.AppPath(bundle, "trust/timestamp.json"), "")
	w.fetch(site.ManifestPath("org.example.none", "internal"), "")
	want := []string{fmt.Sprintf("ARCHIVE level 1 2 %d", len(archive)+100), fmt.Sprintf("CHECK 1 %d", signed), fmt.Sprintf("CHECK internal 2 %d", size)}
	if got := w.stats(app, ""); !slices.Equal(got, want) {
		t.Errorf("the stats are %q, not %q", got, want)
	}
	w.fetch(blob, "bytes=0-9")
	if got := w.stats(app, "?filter[kind]=ARCHIVE"); !slices.Equal(got, []string{fmt.Sprintf("ARCHIVE level 1 3 %d", len(archive)+110)}) {
		t.Errorf("after one more request they are %q", got)
	}
	if got := w.stats(app, "?filter[until]=2020-01-01"); len(got) > 0 {
		t.Errorf("of another time there is %q", got)
	}
	if status, _ := w.ask("GET", "/larder/v1/apps/"+app+"/stats?filter[since]=yesterday", nil); status != 400 {
		t.Errorf("of no day: %d", status)
	}
	if err := w.host.catalog.Write(t.Context(), func(tx catalog.Tx) error { return tx.PruneStats(time.Now().Add(48 * time.Hour)) }); err != nil {
		t.Fatal(err)
	}
	if got := w.stats(app, ""); len(got) > 0 {
		t.Errorf("what is old is kept: %q", got)
	}
}

// Whoever reads all of a host finds nothing of who asked it.
func TestTheHostKeepsNoAddress(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	w.publish(w.newPack(app, "level"), level(t, "one"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+site.Prefix+site.ManifestPath(bundle, "internal"), nil)
	if err != nil {
		t.Fatal(err)
	}
	const agent, from = "a-device-that-tells-its-name", "203.0.113.77"
	req.Header.Set("User-Agent", agent)
	req.Header.Set("X-Forwarded-For", from)
	req.Header.Set("Cookie", "id="+agent)
	req.Header.Set("Authorization", "Bearer "+agent)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(resp.Cookies()) > 0 {
		t.Error("a cookie is given")
	}
	w.stats(app, "")
	all := w.log.String()
	for _, name := range []string{"host.db", "host.db-wal"} {
		text, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		all += string(text)
	}
	if !strings.Contains(all, "CHECK") {
		t.Error("the check was not counted")
	}
	for _, s := range []string{agent, from, "127.0.0.1", "::1"} {
		if strings.Contains(all, s) {
			t.Errorf("log or catalog have %q", s)
		}
	}
}
