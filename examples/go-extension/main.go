// Go-extension is a downloader extension for an app whose manifest is
//
//	{"assets": [{"id": "…", "url": "…", "size": 1, "essential": true, "sha256": "…", "path": "…"}]}
//
// It asks for what the container lacks, checks each finished file and moves it to
// its path in the container.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"larder/asset"
	"larder/extension"
)

type entry struct {
	ID, URL   string
	Size      int64
	Essential bool
	SHA256    string
	Path      string
}

type shop struct{ container string }

func main() { extension.Main(shop{extension.Container()}) }

// Downloads answers with what is not there yet. The manifest it is given goes away,
// so it saves a copy for later.
func (s shop) Downloads(_ context.Context, r extension.Request) ([]asset.Download, error) {
	text, err := os.ReadFile(r.ManifestPath)
	if err != nil {
		return nil, err
	}
	saved := filepath.Join(s.container, "manifest.json")
	if err := os.WriteFile(saved+".new", text, 0o644); err != nil {
		return nil, err
	}
	if err := os.Rename(saved+".new", saved); err != nil {
		return nil, err
	}
	entries, err := s.entries()
	var list []asset.Download
	for _, e := range entries {
		if e.check(filepath.Join(s.container, e.Path)) != nil {
			list = append(list, asset.Download{Identifier: e.ID, URL: e.URL, FileSize: e.Size,
				Essential: e.Essential && r.ContentRequest.AllowsEssential()})
		}
	}
	return list, err
}

// BackgroundDownloadFinished moves the file to its place. It may be offered twice.
func (s shop) BackgroundDownloadFinished(_ context.Context, d asset.Download, file string, _ extension.Service) error {
	entries, err := s.entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.ID != d.Identifier {
			continue
		}
		place := filepath.Join(s.container, e.Path)
		err := e.check(file)
		if errors.Is(err, os.ErrNotExist) {
			return e.check(place)
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(place), 0o755)
		}
		if err == nil {
			err = os.Rename(file, place)
		}
		return err
	}
	return fmt.Errorf("no asset %q in the manifest", d.Identifier)
}

// BackgroundDownloadFailed tries an essential download again, without haste.
func (s shop) BackgroundDownloadFailed(ctx context.Context, d asset.Download, _ *asset.Error, service extension.Service) error {
	if !d.Essential {
		return nil
	}
	d.Essential = false
	return service.ScheduleDownload(ctx, d)
}

// entries reads the saved manifest and refuses paths that leave the container.
func (s shop) entries() ([]entry, error) {
	text, err := os.ReadFile(filepath.Join(s.container, "manifest.json"))
	if err != nil {
		return nil, err
	}
	var m struct{ Assets []entry }
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	for _, e := range m.Assets {
		if !filepath.IsLocal(e.Path) {
			return nil, fmt.Errorf("asset %q: its path %q leaves the container", e.ID, e.Path)
		}
	}
	return m.Assets, nil
}

func (e entry) check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != e.SHA256 {
		return fmt.Errorf("asset %q: its SHA-256 is %s, not %s", e.ID, got, e.SHA256)
	}
	return nil
}
