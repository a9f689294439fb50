package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"larder/asset"
	"larder/extension"
)

// loader is the demo app's downloader extension, as any app would write it: it
// asks for what the manifest names and the container lacks, checks what comes,
// and moves it into its place.
type loader struct{ container string }

// Downloads keeps the manifest and answers with what is missing.
func (l loader) Downloads(_ context.Context, r extension.Request) ([]asset.Download, error) {
	m, err := readManifest(r.ManifestPath)
	if err != nil {
		return nil, err
	}
	if err := l.keep(m); err != nil {
		return nil, err
	}
	var list []asset.Download
	for _, e := range m.Assets {
		if l.present(e) {
			continue
		}
		list = append(list, asset.Download{Identifier: e.Name, URL: e.URL, FileSize: e.Size, Essential: e.Essential && r.ContentRequest.AllowsEssential()})
	}
	return list, nil
}

// keep stores the manifest for the app, and for the calls that come later.
func (l loader) keep(m manifest) error {
	text, err := encodeManifest(m)
	if err != nil {
		return err
	}
	temp := filepath.Join(l.container, ".manifest")
	if err := os.WriteFile(temp, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(l.container, manifestName))
}

// BackgroundDownloadFinished takes a file whose hash is right and drops any other.
func (l loader) BackgroundDownloadFinished(_ context.Context, d asset.Download, filePath string, _ extension.Service) error {
	m, err := readManifest(filepath.Join(l.container, manifestName))
	if err != nil {
		return err
	}
	for _, e := range m.Assets {
		if e.Name != d.Identifier {
			continue
		}
		err := verify(filePath, e)
		switch {
		case err == nil:
			return l.take(filePath, e)
		case errors.Is(err, fs.ErrNotExist) && l.present(e):
			return nil // offered a second time
		}
		fmt.Println("dropped:", err)
	}
	return os.Remove(filePath)
}

// take moves a file to its place.
func (l loader) take(filePath string, e entry) error {
	if err := os.MkdirAll(filepath.Dir(l.path(e)), 0o755); err != nil {
		return err
	}
	return os.Rename(filePath, l.path(e))
}

func (l loader) path(e entry) string {
	return filepath.Join(l.container, assetsName, filepath.FromSlash(e.Name))
}

// verify checks the size and hash of the file at path.
func verify(path string, e entry) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != e.Size || got != e.SHA256 {
		return &asset.Error{Code: asset.CodeHashMismatch, Op: "verify", Subject: e.Name,
			Message: fmt.Sprintf("it has %d bytes with sha256 %s, the manifest says %d with %s", n, got, e.Size, e.SHA256)}
	}
	return nil
}

// present reports whether an asset is in its place, whole: the extension moves
// it there only then.
func (l loader) present(e entry) bool {
	st, err := os.Stat(l.path(e))
	return err == nil && st.Mode().IsRegular() && st.Size() == e.Size
}
