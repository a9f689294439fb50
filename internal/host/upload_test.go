package host

import (
	"io"
	"net/http"
	"testing"

	"larder/internal/site"
)

func TestAPackThatIsUploadedIsLiveForInternalTesters(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(bundle)
	p := w.newPack(app, "level")
	v := w.publish(p, build(t, "level", map[string]string{"map.txt": "a map"}))
	got := w.must("GET", "/v1/backgroundAssetVersions/"+v+"?include=internalBetaRelease,assetFile", nil)
	if str(got, "attributes.version") != "1" {
		t.Errorf("the version is %v", got)
	}
	resp, err := http.Get(w.base + site.Prefix + site.ManifestPath(bundle, "internal"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	m, err := site.Read(text, w.base+site.Prefix+site.ManifestPath(bundle, "internal"))
	if err != nil || len(m.Packs) != 1 || m.Packs[0].ID != "level" || m.Packs[0].Version != 1 {
		t.Errorf("internal testers find %s, %v", text, err)
	}
}
