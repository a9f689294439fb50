package site

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/asset"
)

const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func one(members string) []byte {
	return []byte(`{"assetPacks": [{"id": "a", "version": 1, "downloadSize": 5, "url": "a", "downloadPolicy": {"onDemand": {}}` + members + `}]}`)
}

func TestURLsAreMadeAbsoluteFromTheManifest(t *testing.T) {
	m, err := Read([]byte(`{"assetPacks": [
		{"id": "a", "version": 1, "downloadSize": 5, "url": "../../../blobs/01/`+hash+`", "downloadPolicy": {"onDemand": {}}, "deltas": [{"from": "`+hash+`", "url": "d", "size": 1, "hash": "`+hash+`"}]},
		{"id": "b", "version": 1, "downloadSize": 5, "url": "https://cdn.example.com/b?x=1#y", "downloadPolicy": {"onDemand": {}}}]}`),
		"https://h.example.com/base/larder/v1/apps/org.x/production/manifest.json?platform=Linux")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"https://h.example.com/base/larder/v1/blobs/01/" + hash, "https://cdn.example.com/b?x=1"} {
		if m.Packs[n].URL != want {
			t.Errorf("%s, want %s", m.Packs[n].URL, want)
		}
	}
	if got := m.Packs[0].Deltas[0].URL; got != "https://h.example.com/base/larder/v1/apps/org.x/production/d" {
		t.Error(got)
	}
}

func TestAManifestThatNobodyMayActOnIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		code asset.Code
		says string
	}{
		"a feature of a later Larder": {`{"requires": ["xyz"], "assetPacks": []}`, asset.CodeDoesNotFit, "xyz"},
		"requires of another form":    {`{"requires": {}, "assetPacks": []}`, asset.CodeDoesNotFit, "requires"},
		"plain http":                  {string(one(`, "url": "http://example.com/a"`)), asset.CodeConfiguration, "twice"},
		"a language nobody speaks":    {string(one(`, "language": "xx"`)), asset.CodeConfiguration, "[0].language"},
		"an index without its size":   {string(one(`, "index": "` + hash + `"`)), asset.CodeConfiguration, "[0].index"},
		"not JSON":                    {"{", asset.CodeConfiguration, ""},
		"no packs":                    {"{}", asset.CodeConfiguration, "assetPacks"},
		"an unknown policy":           {strings.Replace(string(one("")), "onDemand", "sometimes", 1), asset.CodeConfiguration, "sometimes"},
		"a wrong primary language":    {`{"primaryLanguage": "xx", "assetPacks": []}`, asset.CodeConfiguration, "primaryLanguage"},
		"a pack of no bytes":          {strings.Replace(string(one("")), "5", "0", 1), asset.CodeConfiguration, "downloadSize"},
	} {
		_, err := Read([]byte(c.text), "https://example.com/m")
		if asset.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"http://example.com/a", "http://127.0.0.1/a", "https://localhost/a", "https://u:p@example.com/a"} {
		text := strings.Replace(string(one("")), `"url": "a"`, `"url": "`+url+`"`, 1)
		if _, err := Read([]byte(text), "https://example.com/m"); asset.CodeOf(err) != asset.CodeConfiguration {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := Read(one(`, "unknown": {"to": ["us"]}`), "https://example.com/m"); err != nil {
		t.Errorf("an unknown member: %v", err)
	}
}

func TestTenThousandPacksAreReadAndOneFaultOfThemFound(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"assetPacks": [`)
	for n := range 10_000 {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id": "pack-%d", "version": 1, "downloadSize": 5, "url": "p%d", "downloadPolicy": {"prefetch": {"installationEventTypes": ["firstInstallation"]}}, "content": "%s", "index": "%s", "indexSize": 2}`, n, n, hash, hash)
	}
	b.WriteString("]}")
	m, err := Read([]byte(b.String()), "https://example.com/m")
	if err != nil || len(m.Packs) != 10_000 {
		t.Fatal(err)
	}
	_, err = Read([]byte(strings.Replace(b.String(), `"pack-9999"`, `"pack-1"`, 1)), "https://example.com/m")
	if asset.CodeOf(err) != asset.CodeConfiguration || !strings.Contains(err.Error(), "pack-1 stands there twice") {
		t.Error(err)
	}
}

func TestManifestURLs(t *testing.T) {
	for _, c := range [][3]string{
		{"", "https://h.example.com", "https://h.example.com/larder/v1/apps/org.x/internal/manifest.json"},
		{"https://h.example.com/m.json", "", "https://h.example.com/m.json?platform=Linux"},
		{"https://h.example.com/m.json?key=1", "", "https://h.example.com/m.json?key=1&platform=Linux"},
	} {
		if got := ManifestURL(c[0], c[1], "org.x", "internal", asset.PlatformLinux); got != c[2] {
			t.Errorf("%s", got)
		}
	}
}

func TestAFolderPublishesBlobsFirst(t *testing.T) {
	f := Folder{Dir: t.TempDir()}
	m := &asset.DownloadManifest{Packs: []asset.Pack{{ID: "a", Version: 1, DownloadSize: 5, URL: BlobURL(hash), DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyOnDemand}}}}
	if err := f.SetManifest("org.x", "production", m); asset.CodeOf(err) != asset.CodeNotFound {
		t.Fatalf("it published a pack that it does not hold: %v", err)
	}
	if _, err := f.Manifest("org.x", "production"); asset.CodeOf(err) != asset.CodeNotFound {
		t.Fatal(err)
	}
	name, size, err := f.Put(strings.NewReader("hello"))
	if err != nil || size != 5 || !f.Holds(name) {
		t.Fatal(name, size, err)
	}
	if again, _, err := f.Put(strings.NewReader("hello")); err != nil || again != name {
		t.Fatal(again, err)
	}
	m.Packs[0].URL = BlobURL(name)
	if err := f.SetManifest("org.x", "production", m); err != nil {
		t.Fatal(err)
	}
	got, err := f.Manifest("org.x", "production")
	if err != nil || got.Packs[0].URL != BlobURL(name) {
		t.Fatal(got, err)
	}
	left, err := filepath.Glob(filepath.Join(f.Dir, "blobs", ".tmp*"))
	if err != nil || len(left) > 0 {
		t.Error("temporary files are left:", left, err)
	}
}

func TestDelivery(t *testing.T) {
	f := Folder{Dir: t.TempDir()}
	name, _, err := f.Put(strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	m := &asset.DownloadManifest{Packs: []asset.Pack{{ID: "a", Version: 1, DownloadSize: 5, URL: BlobURL(name), DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyOnDemand}}}}
	if err := f.SetManifest("org.x", "production", m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.Dir, "secret"), []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := os.OpenRoot(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	server := httptest.NewServer(http.StripPrefix(Prefix, Handler(dir)))
	defer server.Close()
	ask := func(method, path string, header ...string) (*http.Response, string) {
		req, _ := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		for n := 0; n < len(header); n += 2 {
			req.Header.Set(header[n], header[n+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res, string(text)
	}
	res, text := ask("GET", Prefix+BlobPath(name), "Range", "bytes=1-2")
	if res.StatusCode != 206 || text != "el" || res.Header.Get("ETag") != `"`+name+`"` || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
		t.Error(res.StatusCode, text, res.Header)
	}
	at := Prefix + ManifestPath("org.x", "production")
	res, text = ask("GET", at+"?platform=Linux")
	got, err := Read([]byte(text), server.URL+at)
	if err != nil || got.Packs[0].URL != server.URL+Prefix+BlobPath(name) || res.Header.Get("Cache-Control") != "no-cache" {
		t.Error(err, got, res.Header)
	}
	if res, text = ask("GET", at, "If-None-Match", res.Header.Get("ETag")); res.StatusCode != 304 || text != "" {
		t.Error("an idle check costs a body:", res.StatusCode, text)
	}
	for _, path := range []string{"secret", "blobs/", "blobs/01/" + hash, "apps/org.x/production/", "apps/../secret", "apps/org.x/production/secret", "", "blobs/" + name} {
		if res, _ := ask("GET", Prefix+path); res.StatusCode != 404 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	if res, _ := ask("POST", at); res.StatusCode != 405 {
		t.Error(res.StatusCode)
	}
}

// The schema names the members that manifests are written with, and no others.
func TestTheSchemaIsThatOfTheManifest(t *testing.T) {
	text, err := os.ReadFile("../../doc/download-manifest.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	full := asset.DownloadManifest{PrimaryLanguage: "en", Packs: []asset.Pack{{ID: "a", Version: 1, DownloadSize: 1, URL: "u", DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyOnDemand},
		Host: asset.ThirdPartyHost, UserInfo: json.RawMessage("{}"), Content: hash, Index: hash, IndexSize: 1, InstallSize: 1, Platforms: asset.Platforms(), Language: "en",
		Deltas: []asset.Delta{{}}, AppVersions: &asset.AppVersions{Minimum: "1", Below: "2"}, Rollout: &asset.Rollout{Percent: 1, Seed: "s"}}}}
	written, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]json.RawMessage
	var packs []map[string]json.RawMessage
	if errors.Join(json.Unmarshal(written, &m), json.Unmarshal(m["assetPacks"], &packs)) != nil {
		t.Fatal(string(written))
	}
	same := func(what string, props map[string]json.RawMessage, members map[string]json.RawMessage, besides ...string) {
		for key := range props {
			if _, ok := members[key]; !ok && !slices.Contains(besides, key) {
				t.Errorf("the schema's %s has %s, which is never written", what, key)
			}
		}
		for key := range members {
			if _, ok := props[key]; !ok {
				t.Errorf("the schema's %s lacks %s", what, key)
			}
		}
	}
	same("manifest", schema.Properties, m, "requires")
	same("pack", schema.Defs["pack"].Properties, packs[0])
	for _, name := range []string{"deltas", "appVersions", "rollout"} {
		var list []map[string]json.RawMessage
		var object map[string]json.RawMessage
		if json.Unmarshal(packs[0][name], &list) == nil {
			object = list[0]
		} else if err := json.Unmarshal(packs[0][name], &object); err != nil {
			t.Fatal(err)
		}
		same(name, schema.Defs[strings.TrimSuffix(name, "s")].Properties, object)
	}
	for _, key := range schema.Defs["pack"].Required {
		short := map[string]json.RawMessage{}
		if err := json.Unmarshal(one(""), &m); err != nil || json.Unmarshal(m["assetPacks"], &packs) != nil {
			t.Fatal(err)
		}
		for k, v := range packs[0] {
			if k != key {
				short[k] = v
			}
		}
		text, _ := json.Marshal(map[string]any{"assetPacks": []any{short}})
		if _, err := Read(text, "https://example.com/m"); err == nil {
			t.Errorf("%s is required in the schema, and a manifest without it is read", key)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(one(`, "language": "en", "content": "`+hash+`", "index": "`+hash+`", "indexSize": 1`), "https://example.com/m")
	f.Add([]byte(`{"requires": ["x"], "primaryLanguage": "de", "assetPacks": []}`), "http://127.0.0.1:1/a/b")
	f.Fuzz(func(t *testing.T, text []byte, base string) {
		m, err := Read(text, base)
		if err != nil {
			if asset.AsError(err).Message == "" {
				t.Error("an error without words")
			}
			return
		}
		for _, p := range m.Packs {
			if asset.CheckURL(p.URL) != nil || p.ID == "" {
				t.Errorf("%+v was taken", p)
			}
		}
	})
}
