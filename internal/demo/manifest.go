package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"larder/asset"
)

// manifest is the demo app's own manifest, which Larder carries and never reads:
// the web server serves it, the extension keeps it, the app reads it.
type manifest struct {
	Assets []entry `json:"assets"`
}

// entry is one file to download. Name is a slash-separated path, local to the
// folder that the app keeps its assets in.
type entry struct {
	Name      string `json:"name"`
	Folder    string `json:"folder"` // what it is counted under
	Files     int    `json:"files"`  // files of the tree inside
	URL       string `json:"url"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Essential bool   `json:"essential"`
}

const (
	manifestName = "manifest.json"
	assetsName   = "assets"
	maxManifest  = 4 << 20
)

func encodeManifest(m manifest) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(m)
	return b.Bytes(), err
}

func readManifest(path string) (manifest, error) {
	var m manifest
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return m, err
	}
	if len(data) > maxManifest {
		return m, &asset.Error{Code: asset.CodeTooLarge, Op: "read manifest", Message: "it is larger than 4 MiB"}
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, err
	}
	for _, e := range m.Assets {
		if !filepath.IsLocal(filepath.FromSlash(e.Name)) {
			return m, fmt.Errorf("the manifest names %q, which is not a local path", e.Name)
		}
	}
	return m, nil
}

// total is how many bytes and files the entries hold that keep accepts.
func (m manifest) total(keep func(entry) bool) (count int, bytes int64) {
	for _, e := range m.Assets {
		if keep(e) {
			count, bytes = count+1, bytes+e.Size
		}
	}
	return count, bytes
}

func essential(e entry) bool { return e.Essential }
func later(e entry) bool     { return !e.Essential }
