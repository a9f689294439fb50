package demo

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
	"larder/extension"
)

// stocked is a loader with an empty container that has been asked about items.
func stocked(t *testing.T, items []*item) (loader, []asset.Download) {
	t.Helper()
	l := loader{t.TempDir()}
	return l, answer(t, l, items)
}

func answer(t *testing.T, l loader, items []*item) []asset.Download {
	t.Helper()
	var m manifest
	for n, it := range items {
		it.URL = "http://127.0.0.1/" + string(rune('a'+n))
		m.Assets = append(m.Assets, it.entry)
	}
	text, err := encodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, text)
	list, err := l.Downloads(t.Context(), extension.Request{ContentRequest: asset.RequestInstall, ManifestPath: path})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func twoItems(t *testing.T) []*item {
	items, _ := mustPlan(t, fstest.MapFS{"bin/app": program(2 << 20), "doc/page": text(3000, "p")}, maxBytes)
	return items
}

func TestTheExtensionAsksForWhatIsMissingAndTakesWhatIsRight(t *testing.T) {
	items := twoItems(t)
	l, list := stocked(t, items)
	want := []asset.Download{
		{Identifier: "bin/app", URL: "http://127.0.0.1/a", FileSize: 2 << 20, Essential: true},
		{Identifier: "doc.tar", URL: "http://127.0.0.1/b", FileSize: items[1].Size},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Fatal(diff)
	}
	for _, d := range list {
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
	}
	path := write(t, readAll(t, items[0]))
	for range 2 { // the second offer finds it in its place
		if err := l.BackgroundDownloadFinished(t.Context(), list[0], path, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !l.present(items[0].entry) {
		t.Error("the file is not in its place")
	}
	if diff := cmp.Diff(want[1:], answer(t, l, items)); diff != "" {
		t.Errorf("asked again: %s", diff)
	}
}

func TestTheExtensionDropsWhatIsWrong(t *testing.T) {
	items := twoItems(t)
	l, list := stocked(t, items)
	data := readAll(t, items[0])
	data[7]++
	path := write(t, data)
	if err := l.BackgroundDownloadFinished(t.Context(), list[0], path, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil || l.present(items[0].entry) {
		t.Error("the wrong file was kept")
	}
}

func TestAManifestThatLeavesTheContainerIsRefused(t *testing.T) {
	text, err := encodeManifest(manifest{Assets: []entry{{Name: "../../other"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readManifest(write(t, text)); err == nil {
		t.Error("it was read")
	}
}
