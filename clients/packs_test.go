package clients

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/localapi"
	"larder/internal/site"
	"larder/pack"
)

func TestPythonPacksAgainstARunningService(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Python's standard library has no sockets for named pipes")
	}
	run(t, (*world).installPacked, "python", "python3", "-B", "test_packs.py", "-v")
}

func TestNodePacksAgainstARunningService(t *testing.T) {
	run(t, (*world).installPacked, "node", "node", "packs.test.js")
}

// installPacked installs, as the one whose tests run, an app of managed packs: an essential one, and one on demand
// for each language's tests.
func (w *world) installPacked() {
	w.Helper()
	var m asset.DownloadManifest
	for id, text := range map[asset.PackID]string{"tutorial": "first", "py-pack": "snake", "js-pack": "coffee"} {
		name := strings.TrimSuffix(string(id), "-pack") + ".txt"
		tree := pack.Tree{Sources: []pack.Source{{Entry: pack.Entry{Path: name, Kind: pack.KindFile, Size: int64(len(text))}}},
			Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
		var archive bytes.Buffer
		sum, err := pack.Build(w.Context(), &archive, tree, pack.BuildOptions{})
		if err != nil {
			w.Fatal(err)
		}
		at := "/" + site.BlobPath(sum.Archive.String())
		w.server.Handle(at, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			site.DeliverBlob(rw, r, sum.Archive.String(), bytes.NewReader(archive.Bytes()))
		}))
		p := asset.Pack{ID: id, Version: 1, DownloadSize: sum.Size, URL: w.server.URL + at, Content: sum.Content.String(), Index: sum.Index.String(), IndexSize: sum.IndexSize,
			DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyOnDemand}}
		if id == "tutorial" {
			p.DownloadPolicy = asset.DownloadPolicy{Kind: asset.PolicyEssential, Events: []asset.InstallationEvent{asset.EventFirstInstallation}}
		}
		m.Packs = append(m.Packs, p)
	}
	text, err := m.MarshalJSON()
	if err != nil {
		w.Fatal(err)
	}
	w.server.Handle("/packed.json", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { site.DeliverManifest(rw, r, string(text)) }))
	dir := filepath.Join(w.TempDir(), "packed")
	w.writeJSON(filepath.Join(dir, "Info.json"), map[string]any{
		"CFBundleIdentifier": "org.example.packed", "CFBundleShortVersionString": "1.0.0", "CFBundleVersion": "1", "CFBundleExecutable": "packed", "BAHasManagedAssetPacks": true,
		"BAManifestURL": w.server.URL + "/packed.json", "BAMaxInstallSize": 1 << 30, "BAEssentialMaxInstallSize": 1 << 30,
		"BAInitialDownloadRestrictions": map[string]any{"BADownloadAllowance": 1 << 30, "BAEssentialDownloadAllowance": 1 << 30, "BADownloadDomainAllowList": []string{"127.0.0.1"}},
	})
	owner := localapi.NewClient(w.dirs)
	if err := os.WriteFile(filepath.Join(dir, "packed"), nil, 0o755); err != nil {
		w.Fatal(err)
	}
	if _, err := owner.Install(w.Context(), localapi.InstallRequest{Bundle: dir}); err != nil {
		w.Fatal(err)
	}
	for _, err := range owner.Progress(w.Context(), "org.example.packed") {
		if err != nil {
			w.Fatal(err)
		}
	}
	w.app = "org.example.packed"
	if _, err := owner.Launch(w.Context(), "org.example.packed", localapi.LaunchRequest{}); err != nil {
		w.Fatal(err)
	}
}
