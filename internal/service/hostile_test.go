package service

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/fault"
	"larder/internal/localapi"
)

// One table: whatever an app, its extension or its server does wrong, the error
// is typed, the gate opens, and an innocent app beside it gets all its files.
func TestBadInputIsToldAndTheRestGoesOn(t *testing.T) {
	type outcome struct {
		gate string // the reason's code
		code asset.Code
	}
	lie := func(length string) func(w *world, d *asset.Download) {
		return func(w *world, d *asset.Download) {
			w.server.Handle("/"+d.Identifier, w.server.Raw("HTTP/1.1 200 OK\r\nContent-Length: "+length+"\r\n\r\n"+strings.Repeat("x", 1000)))
		}
	}
	for _, c := range []struct {
		name  string
		app   app
		serve func(w *world, d *asset.Download) // replaces what the one essential download finds
		want  outcome
	}{
		{"manifest over 64 MiB", app{keys: map[string]any{"BAManifestURL": "/huge"}}, nil, outcome{asset.WhyManifest, asset.CodeTooLarge}},
		{"manifest over 64 MiB that does not say so", app{keys: map[string]any{"BAManifestURL": "/hugechunked"}}, nil, outcome{asset.WhyManifest, asset.CodeTooLarge}},
		{"manifest that is garbage to the extension", app{keys: map[string]any{"BAManifestURL": "/garbage"}}, nil, outcome{asset.WhyExtension, asset.CodeExtensionFailed}},
		{"duplicate identifiers", app{manifest: manifest{Behave: "repeat"}}, nil, outcome{asset.WhyEssential, asset.CodeAlreadyScheduled}},
		{"100,000 downloads", app{manifest: manifest{Many: 100_000}}, nil, outcome{asset.WhyExtension, asset.CodeExtensionFailed}},
		{"8 GiB on standard output", app{manifest: manifest{Flood: 8 << 30}}, nil, outcome{asset.WhyExtension, asset.CodeExtensionFailed}},
		{"longer Content-Length than bytes", app{}, lie("1001"), outcome{asset.WhyEssential, asset.CodeSizeMismatch}},
		{"shorter Content-Length than bytes", app{}, lie("999"), outcome{asset.WhyEssential, asset.CodeSizeMismatch}},
		{"negative Content-Length", app{}, lie("-5"), outcome{asset.WhyEssential, asset.CodeNetwork}},
		{"garbage instead of HTTP", app{}, func(w *world, d *asset.Download) {
			w.server.Handle("/"+d.Identifier, w.server.Raw(strings.Repeat("\x00\xff garbage ", 1000)))
		}, outcome{asset.WhyEssential, asset.CodeNetwork}},
		{"a body that breaks at its end, each time", app{}, func(w *world, d *asset.Download) {
			w.server.Handle("/"+d.Identifier, w.server.Raw("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n"+strings.Repeat("x", 1000)+"\r\nno chunk"))
		}, outcome{asset.WhyEssential, asset.CodeNetwork}},
		{"a body cut in the middle that cannot be continued, each time", app{}, func(w *world, d *asset.Download) {
			w.server.Handle("/"+d.Identifier, w.server.Raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("x", 500)))
		}, outcome{asset.WhyEssential, asset.CodeNetwork}},
		{"a manifest cut in the middle, each time", app{keys: map[string]any{"BAManifestURL": "/cut"}}, nil, outcome{asset.WhyManifest, asset.CodeNetwork}},
		{"a server that never answers", app{}, func(w *world, d *asset.Download) {
			w.server.Handle("/"+d.Identifier, w.server.Hang())
		}, outcome{asset.WhyEssential, asset.CodeNetwork}},
		{"a server that is not there", app{}, func(_ *world, d *asset.Download) { d.URL = "http://127.0.0.1:1/x" }, outcome{asset.WhyEssential, asset.CodeNetwork}},
		{"a redirect to plain http elsewhere", app{}, func(w *world, d *asset.Download) {
			w.server.Handle("/"+d.Identifier, fault.Redirect(302, "http://example.org/x"))
		}, outcome{asset.WhyEssential, asset.CodeRedirectRefused}},
		{"a redirect loop", app{}, func(w *world, d *asset.Download) {
			w.server.Handle("/"+d.Identifier, fault.Redirect(302, "/"+d.Identifier))
		}, outcome{asset.WhyEssential, asset.CodeRedirectRefused}},
		{"a download with a bad URL", app{}, func(_ *world, d *asset.Download) { d.URL = "file:///etc/passwd" }, outcome{asset.WhyEssential, asset.CodeDownloadInvalid}},
		{"a download without identifier", app{}, func(_ *world, d *asset.Download) { d.Identifier = "" }, outcome{asset.WhyEssential, asset.CodeDownloadInvalid}},
		{"a host that is not on the list", app{}, func(_ *world, d *asset.Download) { d.URL = "https://elsewhere.example/x" }, outcome{asset.WhyEssential, asset.CodeDisallowedByDomain}},
		{"more than the allowance", app{keys: map[string]any{"BAInitialDownloadRestrictions": map[string]any{
			"BADownloadAllowance": 0, "BAEssentialDownloadAllowance": 999, "BADownloadDomainAllowList": []string{"127.0.0.1"}}}}, nil, outcome{asset.WhyEssential, asset.CodeWouldExceedAllowance}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.config.Stall = time.Second
			w.start()
			w.server.Put("/huge", fault.File{Content: fault.Content(1, 65<<20)})
			w.server.Put("/hugechunked", fault.File{Content: fault.Content(1, 65<<20), Chunked: true})
			w.server.Handle("/cut", w.server.Raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"))
			w.server.Put("/garbage", fault.File{Content: fault.Content(2, 5000)})
			if u, ok := c.app.keys["BAManifestURL"].(string); ok {
				c.app.keys = map[string]any{"BAManifestURL": w.server.URL + u}
			}
			good := w.install(app{id: "org.example.innocent", manifest: manifest{Downloads: []asset.Download{w.put("innocent", 2<<20, true, "")}}})

			d := w.put("file", 1000, true, "")
			if c.serve != nil {
				c.serve(w, &d)
			}
			c.app.id = "org.example.culprit"
			c.app.manifest.Downloads = []asset.Download{d}
			if c.app.manifest.Behave == "repeat" {
				c.app.manifest.Downloads = append(c.app.manifest.Downloads, d)
			}
			p := w.open(w.install(c.app))
			if p.Gate.Reason == nil || p.Gate.Reason.Code != c.want.gate || p.Gate.Reason.Message == "" || p.Gate.Reason.Unblock == "" {
				t.Fatalf("the gate opened as %s, want %s", pretty(p.Gate), c.want.gate)
			}
			w.recorded("org.example.culprit", c.want.code)
			w.open(good)
			w.holds(good, "innocent", 2<<20)
		})
	}
}

// A size may be left open, and then a server may send without end.
func TestADownloadOfUnknownSizeDoesNotFillTheDisk(t *testing.T) {
	w := newWorld(t)
	w.config.Free = func(string) (int64, error) { return 64<<20 + 3<<20, nil } // 3 MiB above what is left free
	w.start()
	endless := strings.Repeat("x", 1<<20)
	w.server.Handle("/endless", w.server.Conn(func(c net.Conn) {
		_, err := c.Write([]byte("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\n"))
		for err == nil {
			_, err = c.Write([]byte(endless))
		}
	}))
	fits := w.put("fits", 2<<20, false, "")
	fits.FileSize = 0
	id := w.install(app{manifest: manifest{Downloads: []asset.Download{{Identifier: "endless", URL: w.server.URL + "/endless"}, fits}}})
	st := w.until(id, "both have ended", func(st asset.AppStatus) bool {
		return find(st, "endless").State == asset.StateFailed && find(st, "fits").State == asset.StateFinished
	})
	if d := find(st, "endless"); d.Reason == nil || d.Reason.Code != asset.CodeTooLarge.String() || d.Bytes != 0 {
		t.Errorf("the endless one shows as %s", pretty(d))
	}
}

// recorded checks that the failed download, if it failed by one, names the code.
func (w *world) recorded(id asset.AppID, want asset.Code) {
	w.Helper()
	if want == asset.CodeExtensionFailed {
		return // it is the gate's reason itself
	}
	st, err := w.client.App(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	for _, d := range st.Downloads {
		if d.State == asset.StateFailed && d.Reason != nil && d.Reason.Code == want.String() {
			return
		}
	}
	w.Errorf("no download failed with %s: %s", want, pretty(st.Downloads))
}

func TestBundlesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	bomb := filepath.Join(w.dirs.Data, "..", "bomb")
	w.write(filepath.Join(bomb, "Info.plist"), []byte(`<?xml version="1.0"?><plist version="1.0">`+strings.Repeat("<array>", 200_000)+"</plist>"), 0o644)
	for name, c := range map[string]struct {
		dir  string
		code asset.Code
	}{
		"no bundle":     {filepath.Join(w.dirs.Data, "nowhere"), asset.CodeNotFound},
		"relative path": {"some/where", asset.CodeBadRequest},
		"plist bomb":    {bomb, asset.CodeConfiguration},
		"trusted root":  {w.bundle(app{id: "org.example.signed", keys: map[string]any{"LarderTrustedRoot": "root.json"}}), asset.CodeSignature},
	} {
		_, err := w.client.Install(t.Context(), localapi.InstallRequest{Bundle: c.dir})
		if e := asset.AsError(err); err == nil || e.Code != c.code || e.Message == "" || e.Help == "" {
			t.Errorf("%s: %+v, want code %d with words", name, e, c.code)
		}
	}
	st, err := w.client.Status(t.Context(), "")
	if err != nil || len(st.Apps) != 0 {
		t.Errorf("a refused bundle left %s, %v", pretty(st.Apps), err)
	}
	if left, _ := os.ReadDir(filepath.Join(w.dirs.Data, "groups")); len(left) != 0 {
		t.Errorf("a refused bundle left folders: %v", left)
	}
}
