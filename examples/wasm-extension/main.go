// Wasm-extension is a downloader extension that runs on every system: one
// WebAssembly module instead of a program for each. Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -o loader.wasm ./examples/wasm-extension
//
// and name loader.wasm as the extension's CFBundleExecutable. The app's manifest is a
// text with a line "SIZE NAME URL" for each file. The extension asks for what the
// container lacks and moves it there under its name.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"larder/asset"
	"larder/extension"
)

type loader struct{ container string }

func main() { extension.Main(loader{extension.Container()}) }

// Downloads answers with what is not there yet.
func (l loader) Downloads(_ context.Context, r extension.Request) ([]asset.Download, error) {
	text, err := os.ReadFile(r.ManifestPath)
	if err != nil {
		return nil, err
	}
	var list []asset.Download
	for line := range strings.Lines(string(text)) {
		var d asset.Download
		if _, err := fmt.Sscan(line, &d.FileSize, &d.Identifier, &d.URL); err != nil {
			return nil, fmt.Errorf("manifest line %q: %w", line, err)
		}
		if !filepath.IsLocal(d.Identifier) {
			return nil, fmt.Errorf("manifest: the name %q leaves the container", d.Identifier)
		}
		if st, err := os.Stat(filepath.Join(l.container, d.Identifier)); err != nil || st.Size() != d.FileSize {
			d.Essential = r.ContentRequest.AllowsEssential()
			list = append(list, d)
		}
	}
	return list, nil
}

// BackgroundDownloadFinished moves the file to its place. It may be offered twice.
func (l loader) BackgroundDownloadFinished(_ context.Context, d asset.Download, file string, _ extension.Service) error {
	place := filepath.Join(l.container, d.Identifier)
	err := os.MkdirAll(filepath.Dir(place), 0o755)
	if err == nil {
		err = os.Rename(file, place)
	}
	if _, have := os.Stat(place); os.IsNotExist(err) && have == nil {
		return nil
	}
	return err
}

// BackgroundDownloadFailed tries an essential download again, without haste.
func (l loader) BackgroundDownloadFailed(ctx context.Context, d asset.Download, _ *asset.Error, service extension.Service) error {
	if !d.Essential {
		return nil
	}
	d.Essential = false
	return service.ScheduleDownload(ctx, d)
}
