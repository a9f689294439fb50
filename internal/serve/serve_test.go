package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/faulty"
	"larder/internal/publish"
	"larder/internal/site"
)

const packaging = `{"assetPackID": %q, "downloadPolicy": {"onDemand": {}}, "fileSelectors": [{"directory": %q}], "platforms": []}`

// folder is where a developer works: level.json packs level/.
type folder struct {
	t    *testing.T
	dir  string
	temp string
}

func newFolder(t *testing.T) folder {
	f := folder{t, t.TempDir(), t.TempDir()}
	f.write("level.json", fmt.Sprintf(packaging, "level", "level"))
	f.write("level/one.txt", "one")
	return f
}

func (f folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f folder) write(name, text string) {
	f.t.Helper()
	err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755)
	temp := filepath.Join(f.temp, "x")
	if err == nil {
		err = os.WriteFile(temp, []byte(text), 0o644)
	}
	if err == nil {
		err = os.Rename(temp, f.path(name)) // nobody sees half of it
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func open(t *testing.T, o Options) *Server {
	t.Helper()
	o.Scratch = t.TempDir()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func ask(t *testing.T, s http.Handler, path string) (status int, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	return w.Code, w.Body.String()
}

// manifest reads the manifest at a path as a device would, with absolute URLs.
func manifest(t *testing.T, s http.Handler, path string) *asset.DownloadManifest {
	t.Helper()
	status, text := ask(t, s, path)
	if status != 200 {
		t.Fatalf("%s: %d %s", path, status, text)
	}
	m, err := site.Read([]byte(text), "http://127.0.0.1:1"+path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnyAppFindsThePacksUnderAnyPath(t *testing.T) {
	s := open(t, Options{Inputs: []string{newFolder(t).path("level.json")}})
	for _, path := range []string{"/manifest.json", "/manifest.json?platform=Linux", "/larder/v1/apps/org.example.game/production/manifest.json",
		"/larder/v1/apps/org.example.other/internal/manifest.json", "/their/own/v3/list.json", "/manifest", "/apps/org.larder.serve/internal/manifest.json"} {
		m := manifest(t, s, path)
		if len(m.Packs) != 1 || m.Packs[0].ID != "level" || m.Packs[0].Version != 0 {
			t.Fatalf("%s: %+v", path, m)
		}
		status, text := ask(t, s, strings.TrimPrefix(m.Packs[0].URL, "http://127.0.0.1:1"))
		if status != 200 || int64(len(text)) != m.Packs[0].DownloadSize {
			t.Errorf("%s leads to %s: %d, %d bytes", path, m.Packs[0].URL, status, len(text))
		}
	}
	for _, path := range []string{"/x", "/larder/v1/apps/a/b/c/manifest.json", "/blobs/../apps", "/larder/v1/blobs/ab/" + strings.Repeat("ab", 32), "/apps/", "/larder/v1/", "//"} {
		if status, text := ask(t, s, path); status != 404 {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
}

func TestOnlyTheAppThatIsNamedMayAsk(t *testing.T) {
	s := open(t, Options{Inputs: []string{newFolder(t).path("level.json")}, App: "org.example.game"})
	manifest(t, s, "/larder/v1/apps/org.example.game/external/manifest.json")
	if status, _ := ask(t, s, "/larder/v1/apps/org.example.other/external/manifest.json"); status != 404 {
		t.Errorf("another app is answered with %d", status)
	}
}

// running follows its sources, and hands on what it tells.
func running(t *testing.T, o Options) (s *Server, news chan any) {
	news = make(chan any, 100)
	o.Every = 5 * time.Millisecond
	o.Events.Published = func(r *publish.Report) { news <- r }
	o.Events.Stays = func(err error) { news <- err }
	s = open(t, o)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.follow(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return s, news
}

func TestAChangeIsANewVersionAndAFaultLeavesTheOldOne(t *testing.T) {
	f := newFolder(t)
	s, news := running(t, Options{Inputs: []string{f.dir}})
	f.write("level/two.txt", "two")
	if r, ok := (<-news).(*publish.Report); !ok || len(r.Packs) != 1 || r.Packs[0].Version != 1 || len(r.Packs[0].Updates) != 1 {
		t.Fatalf("%+v", r)
	}
	f.write("level.json", fmt.Sprintf(packaging, "level", "lvel")+"x")
	f.write("voices.json", fmt.Sprintf(packaging, "voices", "nothing"))
	var wrong Faults
	for len(wrong) < 2 { // the two were written one after the other
		if err, ok := (<-news).(error); !ok || !errors.As(err, &wrong) {
			t.Fatalf("%v", err)
		}
	}
	if m := manifest(t, s, "/manifest.json"); m.Packs[0].Version != 1 {
		t.Errorf("%+v", m)
	}
	f.write("level.json", fmt.Sprintf(packaging, "level", "level"))
	f.write("nothing/a", "a")
	for {
		r, ok := (<-news).(*publish.Report)
		if ok && r.Packs[0].ID == "voices" && r.Packs[0].Action == publish.New {
			break
		}
	}
	if err := os.Remove(f.path("level.json")); err != nil {
		t.Fatal(err)
	}
	for {
		r, ok := (<-news).(*publish.Report)
		if ok && r.Packs[0].ID == "level" && r.Packs[0].Action == publish.Removed {
			break
		}
	}
	f.write("level.json", fmt.Sprintf(packaging, "level", "nothing"))
	for {
		r, ok := (<-news).(*publish.Report)
		if ok && r.Packs[0].Action == publish.New {
			if r.Packs[0].Version != 2 {
				t.Errorf("a pack that was gone comes again as %+v; devices may still have version 1", r.Packs[0])
			}
			break
		}
	}
}

func TestVersionsGoOnFromTheState(t *testing.T) {
	f, state := newFolder(t), filepath.Join(t.TempDir(), "versions.json")
	o := Options{Inputs: []string{f.path("level.json")}, State: state}
	version := func(o Options) int64 { return manifest(t, open(t, o), "/manifest.json").Packs[0].Version }
	first := o
	first.Versions = []int64{7}
	if v := version(first); v != 7 {
		t.Errorf("version %d; want 7, as was said", v)
	}
	if v := version(o); v != 7 {
		t.Errorf("version %d; want 7, since nothing has changed", v)
	}
	f.write("level/one.txt", "another")
	if v := version(o); v != 8 {
		t.Errorf("version %d; want 8", v)
	}
	if v := version(first); v != 7 {
		t.Errorf("version %d; what is said counts", v)
	}
	f.write("level/one.txt", "a third")
	if v := version(Options{Inputs: o.Inputs}); v != 0 {
		t.Errorf("version %d without a state", v)
	}
	for name, text := range map[string]string{"no JSON": "x", "no manifest": `{"a": 1}`} {
		if err := os.WriteFile(state, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o.Scratch = t.TempDir()
		if _, err := Open(t.Context(), o); asset.CodeOf(err) != asset.CodeConfiguration {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADeviceMayEndWhatItBeganButOldBytesAreNotKeptForEver(t *testing.T) {
	f := newFolder(t)
	s, news := running(t, Options{Inputs: []string{f.path("level.json")}})
	var urls []string
	for n := range 6 {
		urls = append(urls, strings.TrimPrefix(manifest(t, s, "/manifest.json").Packs[0].URL, "http://127.0.0.1:1"))
		f.write("level/one.txt", strings.Repeat("x", n+10))
		<-news
	}
	for n, u := range urls {
		want := 404
		if n > len(urls)-kept {
			want = 200
		}
		if status, _ := ask(t, s, u); status != want {
			t.Errorf("the pack of %d changes ago is answered with %d; want %d", len(urls)-n, status, want)
		}
	}
	built, err := filepath.Glob(filepath.Join(s.stock.scratch, "*"))
	if err != nil || len(built) != 1 {
		t.Errorf("left beside the site: %v, %v", built, err)
	}
}

func TestEverythingWrongIsToldBeforeAnythingIsServed(t *testing.T) {
	f := newFolder(t)
	f.write("a.json", `{"assetPackID": "a b", "downloadPolicy": {}, "fileSelectors": [], "platforms": ["Amiga"]}`)
	f.write("b.assetpack", "no pack")
	f.write("other.json", `{"scripts": {"build": "make"}}`)
	f.write("again.json", fmt.Sprintf(packaging, "LEVEL", "level"))
	_, err := Open(t.Context(), Options{Inputs: []string{f.dir, f.path("none")}, Scratch: t.TempDir()})
	var wrong Faults
	if !errors.As(err, &wrong) || len(wrong) != 4 {
		t.Fatalf("%v", err)
	}
	for i, name := range []string{"a.json", "b.assetpack", "level.json", "none"} {
		if filepath.Base(wrong[i].File) != name {
			t.Errorf("%d: %s: %v", i, wrong[i].File, wrong[i].Err)
		}
	}
	var all *asset.Faults
	if !errors.As(wrong[0].Err, &all) || len(all.List) < 3 {
		t.Errorf("%v", wrong[0].Err)
	}
	if asset.CodeOf(wrong[2].Err) != asset.CodePathCollision {
		t.Errorf("%v", wrong[2].Err)
	}
}

func TestASiteIsServedAsItIsAndAlone(t *testing.T) {
	f := newFolder(t)
	to := t.TempDir()
	_, err := publish.Publish(t.Context(), publish.Options{To: publish.Folder{Dir: to, Disk: disk}, App: "org.example.game", Context: "external",
		Inputs: []string{f.path("level.json")}, Scratch: t.TempDir(), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Inputs: []string{to}})
	if m := manifest(t, s, "/larder/v1/apps/org.example.game/external/manifest.json"); len(m.Packs) != 1 {
		t.Errorf("%+v", m)
	}
	for _, path := range []string{"/manifest.json", "/larder/v1/apps/org.example.game/production/manifest.json", "/any.json"} {
		if status, _ := ask(t, s, path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	if packs := s.Packs(); len(packs) != 1 || packs[0].File != "org.example.game/external" {
		t.Errorf("%+v", packs)
	}
	if _, err := Open(t.Context(), Options{Inputs: []string{f.dir, to}, Scratch: t.TempDir()}); asset.CodeOf(err) != asset.CodeBadRequest {
		t.Errorf("%v", err)
	}
}

func TestFaultsKnowPacksByTheirNames(t *testing.T) {
	f := newFolder(t)
	f.write("level/big", strings.Repeat("0123456789abcdef", 1<<12))
	faults, err := faulty.Parse("level.assetpack:drop@50%,level.json:status=503,manifest.json:status=500")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	answered := make(chan string, 1) // a request that breaks off ends at the client first
	s := open(t, Options{Inputs: []string{f.path("level.json")}, Faults: faulty.New(faults, 0), Events: Events{Answered: func(r Request) { answered <- r.String() }}})
	server := httptest.NewServer(s)
	get := func(path string) {
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body) // broken off on purpose
		_ = res.Body.Close()
		lines = append(lines, <-answered)
	}
	url := s.Packs()[0].URL[len("../../.."):]
	for _, path := range []string{"/manifest.json", "/list.json", url, url, url, "/x\x7f"} {
		get(strings.ReplaceAll(path, "\x7f", "%7f"))
	}
	server.Close()
	size := s.Packs()[0].DownloadSize
	short := url[:len("/blobs/ab/")+12] + "…"
	want := []string{"GET /manifest.json 500, 0 bytes [manifest.json:status=500]", "", "GET " + short + " (level) 503, 0 bytes [level.json:status=503]",
		fmt.Sprintf("GET %s (level) 200, %d bytes [level.assetpack:drop@50%%]", short, size/2), fmt.Sprintf("GET %s (level) 200, %d bytes", short, size), ""}
	if len(lines) != len(want) {
		t.Fatalf("%q", lines)
	}
	for i := range want {
		if want[i] != "" && lines[i] != want[i] {
			t.Errorf("line %d is %q; want %q", i, lines[i], want[i])
		}
	}
}

func TestTheHelpPageHoldsNoMarkupOfOthers(t *testing.T) {
	f := newFolder(t)
	name := "a<b>&.json"
	f.write(name, fmt.Sprintf(packaging, "other", "level"))
	s := open(t, Options{Inputs: []string{f.path("level.json"), f.path(name)}})
	s.base = "http://127.0.0.1:1"
	ask(t, s, "/<script>alert(1)</script>")
	status, page := ask(t, s, "/help")
	for _, want := range []string{"<code>level</code>", "http://127.0.0.1:1/manifest.json", "&lt;script&gt;", "a&lt;b&gt;&amp;.json"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if status != 200 || strings.Contains(page, "<script") || strings.Contains(page, "<b>") {
		t.Errorf("%d\n%s", status, page)
	}
	if status, _ := ask(t, s, "/"); status != http.StatusFound {
		t.Errorf("/ is answered with %d", status)
	}
}

func FuzzPaths(f *testing.F) {
	dir := f.TempDir()
	work := folder{&testing.T{}, dir, f.TempDir()}
	work.write("level.json", fmt.Sprintf(packaging, "level", "level"))
	work.write("level/one.txt", "one")
	s, err := Open(context.Background(), Options{Inputs: []string{work.path("level.json")}, Scratch: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"/manifest.json", "/larder/v1/apps/a/b/manifest.json", "/../x", "/blobs/ab/", "/apps/org.larder.serve/internal/manifest.json"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var m struct{ AssetPacks []struct{ URL string } }
		if w.Code == 200 && w.Header().Get("Content-Type") == "application/json" && json.Unmarshal(w.Body.Bytes(), &m) == nil && strings.Contains(m.AssetPacks[0].URL, "larder.invalid") {
			t.Errorf("%q gives the history", path)
		}
	})
}
