package site

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// delivered is a folder with one blob, and its server.
type delivered struct {
	*testing.T
	file string
	url  string
	all  *blobs
}

func deliverOne(t *testing.T, content string) *delivered {
	f := Folder{Dir: t.TempDir()}
	name, _, err := f.Put(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.OpenRoot(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &delivered{T: t, file: f.path(BlobPath(name)), all: &blobs{dir: dir}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.all.deliver(w, r, BlobPath(name), name) }))
	t.Cleanup(func() { server.Close(); d.all.close(); dir.Close() })
	d.url = server.URL
	return d
}

// get gives a part of the blob; "" is the whole. Of an error it gives the status.
func (d *delivered) get(part string) string {
	req, err := http.NewRequestWithContext(d.Context(), http.MethodGet, d.url, nil)
	if err != nil {
		d.Fatal(err)
	}
	if part != "" {
		req.Header.Set("Range", "bytes="+part)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Error(err)
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.Error(err)
	}
	if res.StatusCode >= 300 {
		return res.Status
	}
	return string(text)
}

// forgotten makes what is open as old as if nobody had looked for a while.
func (d *delivered) forgotten() {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	for _, list := range d.all.idle {
		for _, f := range list {
			f.seen = time.Time{}
		}
	}
}

func TestAFileThatStaysOpenIsReadFromWhereItIsAskedFor(t *testing.T) {
	content := strings.Repeat("0123456789", 20_000)
	d := deliverOne(t, content)
	for range 3 {
		for part, want := range map[string]string{"": content, "3-9": content[3:10], "100000-100999": content[100_000:101_000], "-5": content[len(content)-5:], "199999-": "9"} {
			if got := d.get(part); got != want {
				t.Errorf("%q gave %d bytes, not %d", part, len(got), len(want))
			}
		}
		if got := d.get("200000-"); !strings.HasPrefix(got, "416") {
			t.Error(got)
		}
	}
}

func TestManyReadOneFileAtOnce(t *testing.T) {
	content := strings.Repeat("0123456789", 20_000)
	d := deliverOne(t, content)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if d.get("5000-104999") != content[5000:105_000] {
					t.Error("other bytes")
				}
			}
		})
	}
	all.Wait()
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	if d.all.n > maxIdle || d.all.n == 0 {
		t.Errorf("%d files are open", d.all.n)
	}
}

func TestABlobThatWasCollectedOrReplacedIsNotDeliveredFromAnOpenFile(t *testing.T) {
	d := deliverOne(t, "hello, this is it")
	if got := d.get("0-4"); got != "hello" {
		t.Fatal(got)
	}
	if err := os.WriteFile(d.file+".new", []byte("hello, it is mended"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(d.file+".new", d.file); err != nil {
		t.Fatal(err)
	}
	d.forgotten()
	if got := d.get(""); got != "hello, it is mended" {
		t.Errorf("after it was replaced: %q", got)
	}
	if err := os.Remove(d.file); err != nil {
		t.Fatal(err)
	}
	d.forgotten()
	if got := d.get(""); !strings.HasPrefix(got, "404") {
		t.Errorf("after it was removed: %q", got)
	}
}

// A blob that is collected while it is read comes to its end.
func TestABlobThatIsCollectedInTheMidstIsDeliveredWhole(t *testing.T) {
	if os.PathSeparator == '\\' {
		t.Skip("Windows removes no file that is open")
	}
	content := bytes.Repeat([]byte("x"), 8<<20)
	d := deliverOne(t, string(content))
	res, err := http.Get(d.url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := os.RemoveAll(filepath.Dir(d.file)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
