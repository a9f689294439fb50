package site

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"larder/asset"
)

// Handler delivers a site in a directory: manifests, to be asked for again each
// time (with an ETag, so that an idle check costs no body), and blobs, for ever, with
// ranges. Queries are ignored. It serves nothing else, and takes paths below the
// site: see [Prefix]. It never follows a symbolic link out of the directory.
func Handler(dir *os.Root) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, "/")
		part := strings.Split(name, "/")
		switch {
		case path.Clean(name) != name:
		case len(part) == 3 && part[0] == "blobs" && isHash(part[2]) && part[1] == part[2][:2]:
			blob(w, r, dir, name, part[2])
			return
		case len(part) == 4 && part[0] == "apps" && part[3] == "manifest.json":
			manifest(w, r, dir, name)
			return
		}
		http.NotFound(w, r)
	})
}

// DeliverBlob answers with an immutable file: a pack, or a part of it.
func DeliverBlob(w http.ResponseWriter, r *http.Request, hash string, content io.ReadSeeker) {
	h := w.Header()
	h.Set("ETag", `"`+hash+`"`)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, content)
}

// DeliverManifest answers with the text of a manifest.
func DeliverManifest(w http.ResponseWriter, r *http.Request, text string) {
	sum := sha256.Sum256([]byte(text))
	h := w.Header()
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", "application/json")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
}

func blob(w http.ResponseWriter, r *http.Request, dir *os.Root, name, hash string) {
	f, err := dir.Open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	DeliverBlob(w, r, hash, f)
}

func manifest(w http.ResponseWriter, r *http.Request, dir *os.Root, name string) {
	f, err := dir.Open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, io.LimitReader(f, asset.MaxDownloadManifest)); err != nil {
		http.Error(w, "the manifest cannot be read", http.StatusInternalServerError)
		return
	}
	DeliverManifest(w, r, text.String())
}
