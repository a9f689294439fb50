package site

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"larder/asset"
	"larder/internal/fsx"
)

// Folder is a site in a directory. The zero FS is the operating system's.
type Folder struct {
	Dir string
	FS  fsx.FS
}

func (f Folder) fs() fsx.FS {
	if f.FS == nil {
		return fsx.OS()
	}
	return f.FS
}

func (f Folder) path(name string) string { return filepath.Join(f.Dir, filepath.FromSlash(name)) }

// Put stores all that r gives as a blob, durably, and gives its name and size. A
// blob that is there already is left as it is.
func (f Folder) Put(r io.Reader) (hash string, size int64, err error) {
	blobs := f.path("blobs")
	if err := fsx.MkdirAll(f.fs(), blobs, 0o755); err != nil {
		return "", 0, f.fault("store blob", err)
	}
	temp := filepath.Join(blobs, fmt.Sprintf("%s%016x", fsx.TempPrefix, rand.Uint64()))
	defer f.fs().Remove(temp) // gone already when all went well
	w, err := f.fs().OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", 0, f.fault("store blob", err)
	}
	sum := sha256.New()
	size, err = io.Copy(io.MultiWriter(w, sum), r)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return "", 0, f.fault("store blob", err)
	}
	hash = hex.EncodeToString(sum.Sum(nil))
	name := f.path(BlobPath(hash))
	if err := fsx.MkdirAll(f.fs(), filepath.Dir(name), 0o755); err != nil {
		return "", 0, f.fault("store blob", err)
	}
	if f.Holds(hash) {
		return hash, size, nil
	}
	return hash, size, f.fault("store blob", fsx.Move(f.fs(), temp, name))
}

// Holds reports whether the blob is there.
func (f Folder) Holds(hash string) bool {
	info, err := f.fs().Stat(f.path(BlobPath(hash)))
	return err == nil && info.Mode().IsRegular()
}

// SetManifest publishes a manifest: from one moment to the next, and only when all
// blobs of this site that it names are there (1013 otherwise).
func (f Folder) SetManifest(app asset.AppID, context string, m *asset.DownloadManifest) error {
	for _, p := range m.Packs {
		urls := []string{p.URL}
		for _, d := range p.Deltas {
			urls = append(urls, d.URL)
		}
		for _, u := range urls {
			hash := u[strings.LastIndexByte(u, '/')+1:]
			if isHash(hash) && u == BlobURL(hash) && !f.Holds(hash) {
				return &asset.Error{Code: asset.CodeNotFound, Op: "publish manifest", Subject: hash, Message: fmt.Sprintf("pack %s names this blob, and the site does not hold it", p.ID),
					Help: "store the blobs first"}
			}
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if _, err := asset.ParseDownloadManifest(text); err != nil {
		return err
	}
	name := f.path(ManifestPath(app, context))
	if err := fsx.MkdirAll(f.fs(), filepath.Dir(name), 0o755); err != nil {
		return f.fault("publish manifest", err)
	}
	return f.fault("publish manifest", fsx.WriteFile(f.fs(), name, append(text, '\n'), 0o644))
}

// Manifest reads what is published, with URLs as they are written; 1013 when nothing is.
func (f Folder) Manifest(app asset.AppID, context string) (*asset.DownloadManifest, error) {
	name := f.path(ManifestPath(app, context))
	file, err := f.fs().OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &asset.Error{Code: asset.CodeNotFound, Op: opRead, Subject: name, Message: "nothing is published there", Help: "publish the app's packs first"}
	}
	if err != nil {
		return nil, f.fault(opRead, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, asset.MaxDownloadManifest+1))
	if err != nil {
		return nil, f.fault(opRead, err)
	}
	return asset.ParseDownloadManifest(text)
}

func (f Folder) fault(op string, err error) error {
	if err == nil {
		return nil
	}
	return &asset.Error{Code: asset.CodeInternal, Op: op, Subject: f.Dir, Message: "the disk says", Err: err, Help: "check that the folder is writable and its disk has space"}
}
