package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/host/access"
	"larder/pack"
)

// world is a host that runs, and a publisher who asks it.
type world struct {
	t      *testing.T
	host   *Host
	dir    string
	base   string
	admin  access.Credential
	points chan string // what the host told of its steps
	log    *record
	http   *http.Client

	onBreak func(error) // may panic; nil: the test fails
}

// record keeps what is logged.
type record struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "host"), points: make(chan string, 1<<16), log: &record{}}
	w.http = &http.Client{Transport: checked{t, http.DefaultTransport}}
	l := listen(t)
	w.base = "http://" + l.Addr().String()
	o := Options{Dir: w.dir, Base: w.base, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Admin: func(c access.Credential) error { w.admin = c; return nil },
		At:    func(p string) { w.points <- p }}
	for _, f := range change {
		f(&o)
	}
	h, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.host = h
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the host ended with %v", err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(w.log)
		}
	})
	return w
}

// object is a JSON object.
type object = map[string]any

// ask asks with a key, and gives the answer.
func (w *world) askAs(key access.Credential, method, path string, body any) (int, object) {
	w.t.Helper()
	var r io.Reader
	if text, ok := body.(string); ok {
		r = strings.NewReader(text)
	} else if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, r)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := key.Token(time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.broken(err)
	}
	defer resp.Body.Close()
	var out object
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		w.broken(fmt.Errorf("%s %s: %d, %w", method, path, resp.StatusCode, err))
	}
	return resp.StatusCode, out
}

// broken is told when no answer came.
func (w *world) broken(err error) {
	w.t.Helper()
	if w.onBreak != nil {
		w.onBreak(err)
	}
	w.t.Fatal(err)
}

func (w *world) ask(method, path string, body any) (int, object) {
	w.t.Helper()
	return w.askAs(w.admin, method, path, body)
}

// must is ask of what has to succeed; it gives the data.
func (w *world) must(method, path string, body any) object {
	w.t.Helper()
	status, out := w.ask(method, path, body)
	if status >= 300 {
		w.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	data, _ := out["data"].(object)
	return data
}

// at walks into an object: "attributes.state".
func at(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(object)
		v = m[name]
	}
	return v
}

func str(v any, path string) string { return fmt.Sprint(at(v, path)) }

// entity is a body.
func entity(typ, id string, attributes object, relations ...string) object {
	data := object{"type": typ}
	if id != "" {
		data["id"] = id
	}
	if attributes != nil {
		data["attributes"] = attributes
	}
	rel := object{}
	for i := 0; i < len(relations); i += 3 {
		rel[relations[i]] = object{"data": object{"type": relations[i+1], "id": relations[i+2]}}
	}
	if len(rel) > 0 {
		data["relationships"] = rel
	}
	return object{"data": data}
}

const bundle = "org.example.game"

func (w *world) newApp(id string) string {
	w.t.Helper()
	return str(w.must("POST", "/larder/v1/apps", entity("apps", "", object{"bundleId": id})), "id")
}

func (w *world) newPack(app, id string) string {
	w.t.Helper()
	return str(w.must("POST", "/v1/backgroundAssets", entity("backgroundAssets", "", object{"assetPackIdentifier": id}, "app", "apps", app)), "id")
}

func (w *world) newVersion(packID string) string {
	w.t.Helper()
	return str(w.must("POST", "/v1/backgroundAssetVersions", entity("backgroundAssetVersions", "", nil, "backgroundAsset", "backgroundAssets", packID)), "id")
}

func (w *world) newFile(version, typ, name string, size int) object {
	w.t.Helper()
	return w.must("POST", "/v1/backgroundAssetUploadFiles", entity("backgroundAssetUploadFiles", "", object{"assetType": typ, "fileName": name, "fileSize": size},
		"backgroundAssetVersion", "backgroundAssetVersions", version))
}

// send does an upload operation.
func (w *world) send(operation any, data []byte) (int, string) {
	w.t.Helper()
	op := operation.(object)
	from := int(op["offset"].(float64))
	return w.put(str(op, "url"), data[from:from+int(op["length"].(float64))])
}

func (w *world) put(url string, data []byte) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, url, bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := w.http.Do(req)
	if err != nil {
		w.broken(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func (w *world) operations(file object) []any {
	list, _ := at(file, "attributes.uploadOperations").([]any)
	return list
}

// upload brings a file whole, and commits it.
func (w *world) upload(version, typ, name string, data []byte) string {
	w.t.Helper()
	f := w.newFile(version, typ, name, len(data))
	for _, op := range w.operations(f) {
		if status, text := w.send(op, data); status != 200 {
			w.t.Fatalf("a part: %d %s", status, text)
		}
	}
	w.must("PATCH", "/v1/backgroundAssetUploadFiles/"+str(f, "id"), entity("backgroundAssetUploadFiles", str(f, "id"), object{"uploaded": true}))
	return str(f, "id")
}

// settled waits until a version is complete or failed, and gives it.
func (w *world) settled(version string) object {
	w.t.Helper()
	for {
		v := w.must("GET", "/v1/backgroundAssetVersions/"+version, nil)
		if s := str(v, "attributes.state"); s == "COMPLETE" || s == "FAILED" {
			return v
		}
		w.step("release noted", "failure noted", "manifest noted")
	}
}

// step waits until the host told one of its steps.
func (w *world) step(any ...string) {
	w.t.Helper()
	for {
		select {
		case p := <-w.points:
			for _, want := range any {
				if p == want {
					return
				}
			}
		case <-w.t.Context().Done():
			w.t.Fatal("the host did not come to ", any)
		case <-time.After(time.Minute): // only a broken host comes here
			w.t.Fatalf("the host did not come to %v\n%s", any, w.log)
		}
	}
}

// publish brings a version of a pack, and gives its ID when it is complete.
func (w *world) publish(packID string, archive []byte) string {
	w.t.Helper()
	v := w.newVersion(packID)
	w.upload(v, "ASSET", "a.assetpack", archive)
	if got := w.settled(v); str(got, "attributes.state") != "COMPLETE" {
		w.t.Fatalf("the version did not become complete: %v", got)
	}
	return v
}

const manifestOf = `{"assetPackID": %q, "downloadPolicy": {"essential": {"installationEventTypes": ["firstInstallation", "subsequentUpdate"]}},
	"fileSelectors": [{"directory": "."}], "platforms": []}`

// build makes a pack with these files.
func build(t *testing.T, id string, files map[string]string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := asset.ParsePackagingManifest(fmt.Appendf(nil, manifestOf, id))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	tree, err := pack.DirTree(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := pack.Build(t.Context(), &out, tree, pack.BuildOptions{Metadata: m.Canonical()}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// blobsOf names the blobs of a host.
func blobsOf(t *testing.T, dir string) (all []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "site", "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		all = append(all, filepath.Base(f))
	}
	slices.Sort(all)
	return all
}

// filesIn names what is in a directory, which may be missing.
func filesIn(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
