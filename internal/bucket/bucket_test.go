package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"larder/asset"
	"larder/internal/bucket/buckettest"
	"larder/internal/fsx"
	"larder/internal/publish"
	"larder/internal/site"
)

func open(t *testing.T, place string) *Site {
	t.Helper()
	s, err := Open(Options{Place: place, Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begin runs a server with an empty bucket "games".
func begin(t *testing.T) *buckettest.Server {
	s := buckettest.Start(t)
	s.Setenv(t)
	s.Bucket(t, "games")
	return s
}

func TestAStoreKeepsItsPromises(t *testing.T) {
	s := begin(t)
	for name, store := range map[string]publish.Store{
		"folder":               publish.Folder{Dir: t.TempDir(), Disk: fsx.OS()},
		"bucket":               open(t, "s3://games"),
		"part of a bucket":     open(t, "s3://games/a/larder/v1/"),
		"bucket named by flag": named(t, s.URL),
	} {
		t.Run(name, func(t *testing.T) { keepsPromises(t, store) })
	}
}

func named(t *testing.T, url string) *Site {
	s, err := Open(Options{Place: "s3://games/flag", Endpoint: url, Region: "us-east-1", Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keepsPromises(t *testing.T, s publish.Store) {
	ctx, must := t.Context(), func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const doc, blob = "apps/org.example/production/manifest.json", "blobs/01/01"
	if _, err := s.Get(ctx, doc, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing document: %v", err)
	}
	if _, err := s.Open(ctx, blob); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing blob: %v", err)
	}
	has := func(size int64, want bool) {
		t.Helper()
		if ok, err := s.Has(ctx, blob, size); err != nil || ok != want {
			t.Errorf("there is a blob of %d bytes: %v, %v", size, ok, err)
		}
	}
	has(3, false)
	must(s.Put(ctx, blob, strings.NewReader("one"), 3))
	has(3, true)
	has(4, false)
	if err := s.Put(ctx, "blobs/02/02", strings.NewReader("one"), 4); err == nil {
		t.Error("a blob that is shorter than was said was stored")
	}
	if ok, err := s.Has(ctx, "blobs/02/02", 3); ok || err != nil {
		t.Errorf("half a blob is there: %v", err)
	}

	must(s.Replace(ctx, doc, nil, []byte("one")))
	must(s.Replace(ctx, doc, nil, []byte("one"))) // there already
	for name, c := range map[string]struct{ old, new string }{"begins anew": {"", "two"}, "follows another": {"eins", "two"}, "follows a longer one": {"one and more", "two"}} {
		old := []byte(c.old)
		if c.old == "" {
			old = nil
		}
		if err := s.Replace(ctx, doc, old, []byte(c.new)); !errors.Is(err, publish.ErrChanged) {
			t.Errorf("a document that %s: %v", name, err)
		}
	}
	if err := s.Replace(ctx, "missing.json", []byte("one"), []byte("two")); !errors.Is(err, publish.ErrChanged) {
		t.Errorf("one that is gone: %v", err)
	}
	must(s.Replace(ctx, doc, []byte("one"), []byte("two")))
	if b, err := s.Get(ctx, doc, 3); err != nil || string(b) != "two" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.Get(ctx, doc, 2); !errors.Is(err, asset.Sentinel(asset.CodeTooLarge)) {
		t.Errorf("a document above the bound: %v", err)
	}
	atOnce(t, s)
	big(t, s)
}

// atOnce has eight publishers replace a document at once.
func atOnce(t *testing.T, s publish.Store) {
	for round, old := range [][]byte{nil, []byte("x")} {
		doc := []string{"new.json", "old.json"}[round]
		if old != nil {
			if err := s.Replace(t.Context(), doc, nil, old); err != nil {
				t.Fatal(err)
			}
		}
		won := make(chan byte, 8)
		var all sync.WaitGroup
		for n := range byte(8) {
			all.Go(func() {
				switch err := s.Replace(t.Context(), doc, old, []byte{'a' + n}); {
				case err == nil:
					won <- 'a' + n
				case !errors.Is(err, publish.ErrChanged):
					t.Error(err)
				}
			})
		}
		all.Wait()
		close(won)
		if len(won) != 1 {
			t.Errorf("%s: %d of 8 won", doc, len(won))
		}
		if b, err := s.Get(t.Context(), doc, 1); err != nil || len(won) == 1 && b[0] != <-won {
			t.Errorf("%s is %q after that, %v", doc, b, err)
		}
	}
}

// A server that knows no conditions is written to without them. What is there is still looked at first.
func TestAServerWithoutConditionsIsWrittenToAllTheSame(t *testing.T) {
	srv := begin(t)
	to, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }} // it is signed
	var conditions atomic.Int64
	poor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && (r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != "") {
			conditions.Add(1)
			w.WriteHeader(http.StatusNotImplemented)
			_, _ = io.WriteString(w, "<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message></Error>")
			return
		}
		pass.ServeHTTP(w, r)
	}))
	defer poor.Close()
	s := named(t, poor.URL)
	const doc = "apps/org.example/trust/timestamp.json"
	for _, step := range [][2]string{{"", "one"}, {"one", "two"}} {
		var old []byte
		if step[0] != "" {
			old = []byte(step[0])
		}
		if err := s.Replace(t.Context(), doc, old, []byte(step[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Replace(t.Context(), doc, []byte("one"), []byte("three")); !errors.Is(err, publish.ErrChanged) {
		t.Errorf("a document that another replaced: %v", err)
	}
	if b, err := s.Get(t.Context(), doc, 10); err != nil || string(b) != "two" || conditions.Load() != 2 {
		t.Errorf("%q, %v; %d writes had conditions", b, err, conditions.Load())
	}
	if r, err := http.Get(srv.URL + "/games/flag/" + doc); err != nil || r.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v, %v", r, err)
	}
}

func big(t *testing.T, s publish.Store) {
	content := make([]byte, 3*partSize+5)
	_, _ = rand.Read(content) // never fails
	if err := s.Put(t.Context(), "blobs/03/03", bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	b, err := s.Open(t.Context(), "blobs/03/03")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("a blob of several parts came back as %d other bytes, %v", len(got), err)
	}
	part := make([]byte, 7)
	if _, err := b.ReadAt(part, partSize-3); err != nil || !bytes.Equal(part, content[partSize-3:][:7]) {
		t.Errorf("from its middle: %x, %v", part, err)
	}
	if n, err := b.ReadAt(part, b.Size()-2); n != 2 || err != io.EOF {
		t.Errorf("beyond its end: %d, %v", n, err)
	}
}

// A publisher is cut off in the middle of a large blob; the next goes on, and sends no part twice.
func TestALargeBlobGoesOnWhereItWasCutOff(t *testing.T) {
	begin(t)
	s := open(t, "s3://games/x")
	var sent counter
	sent.next = http.DefaultTransport
	content := make([]byte, 6*partSize)
	_, _ = rand.Read(content) // never fails
	ctx, cut := context.WithCancel(t.Context())
	r := &cutting{r: bytes.NewReader(content), after: 3*partSize + 1, cut: cut}
	if err := s.Put(ctx, "blobs/01/01", r, int64(len(content))); err == nil {
		t.Fatal("it was not cut off")
	}
	if ok, err := s.Has(t.Context(), "blobs/01/01", int64(len(content))); ok || err != nil {
		t.Fatalf("half a blob is there, %v", err)
	}
	list, err := s.core.ListMultipartUploads(t.Context(), "games", "x/", "", "", "", 10)
	if err != nil || len(list.Uploads) != 1 {
		t.Fatalf("%d uploads are under way, %v", len(list.Uploads), err)
	}
	parts, err := s.core.ListObjectParts(t.Context(), "games", "x/blobs/01/01", list.Uploads[0].UploadID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, "s3://games/x")
	s.core.Client, err = minio.New(strings.TrimPrefix(os.Getenv("AWS_ENDPOINT_URL"), "http://"), &minio.Options{Creds: credentials.NewEnvAWS(), Region: "us-east-1", Transport: &sent})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "blobs/01/01", bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if want := 6 - len(parts.ObjectParts); sent.puts != want {
		t.Errorf("%d parts were there, and %d were sent", len(parts.ObjectParts), sent.puts)
	}
	b, err := s.Open(t.Context(), "blobs/01/01")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size())); err != nil || !bytes.Equal(got, content) {
		t.Errorf("it came back as %d other bytes, %v", len(got), err)
	}
}

type cutting struct {
	r     io.Reader
	after int64
	cut   func()
}

func (c *cutting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if c.after -= int64(n); c.after < 0 {
		c.cut()
	}
	return n, err
}

// counter counts the parts that are sent.
type counter struct {
	next http.RoundTripper
	mu   sync.Mutex
	puts int
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut {
		c.mu.Lock()
		c.puts++
		c.mu.Unlock()
	}
	return c.next.RoundTrip(r)
}

func TestAnObjectSaysWhatItIsAndHowLongItMayBeKept(t *testing.T) {
	srv := begin(t)
	s := open(t, "s3://games")
	hash := strings.Repeat("ab", 32)
	large := bytes.Repeat([]byte("x"), partSize+1)
	for name, b := range map[string][]byte{site.BlobPath(hash): []byte("x"), "blobs/01/large": large} {
		if err := s.Put(t.Context(), name, bytes.NewReader(b), int64(len(b))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"apps/a/production/manifest.json", "apps/a/trust/timestamp.json", "apps/a/trust/1.root.json"} {
		if err := s.Replace(t.Context(), name, nil, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	const forever = "public, max-age=31536000, immutable"
	for name, want := range map[string][2]string{
		site.BlobPath(hash):               {"application/octet-stream", forever},
		"blobs/01/large":                  {"application/octet-stream", forever},
		"apps/a/production/manifest.json": {"application/json", "no-cache"},
		"apps/a/trust/timestamp.json":     {"application/json", "no-cache"},
		"apps/a/trust/1.root.json":        {"application/json", forever},
	} {
		r, err := http.Get(srv.URL + "/games/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if got := [2]string{r.Header.Get("Content-Type"), r.Header.Get("Cache-Control")}; got != want || r.StatusCode != 200 || r.Header.Get("ETag") == "" {
			t.Errorf("%s: %d %v", name, r.StatusCode, r.Header)
		}
	}
}

func TestWhatIsWrongIsSaidPlainly(t *testing.T) {
	s := begin(t)
	get := func(place string) error {
		st, err := Open(Options{Place: place, Getenv: os.Getenv})
		if err == nil {
			_, err = st.Get(t.Context(), "x", 10)
		}
		return err
	}
	for place, code := range map[string]asset.Code{
		"s3://nowhere/x": asset.CodeNotFound, "s3://": asset.CodeBadRequest, "s3://abc/../b": asset.CodeBadRequest, "s3://abc?x": asset.CodeBadRequest,
	} {
		if err := get(place); asset.CodeOf(err) != code || asset.AsError(err).Help == "" {
			t.Errorf("%s: %v", place, err)
		}
	}
	for _, endpoint := range []string{"ftp://x", "x", "http://user:secret@x", "http://x/path"} {
		if _, err := Open(Options{Place: "s3://a", Endpoint: endpoint, Getenv: os.Getenv}); asset.CodeOf(err) != asset.CodeBadRequest || strings.Contains(err.Error(), "secret") {
			t.Errorf("endpoint %s: %v", endpoint, err)
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	if err := get("s3://games"); asset.CodeOf(err) != asset.CodeConfiguration || strings.Contains(err.Error(), "another") || strings.Contains(err.Error(), s.Secret) {
		t.Errorf("a wrong secret: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	if err := get("s3://games"); asset.CodeOf(err) != asset.CodeConfiguration || !strings.Contains(asset.AsError(err).Help, "AWS_ACCESS_KEY_ID") {
		t.Errorf("no credentials: %v", err)
	}
}
