package site

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

// Handler delivers a site in a directory: manifests, to be asked for again each
// time (with an ETag, so that an idle check costs no body), and blobs, for ever, with
// ranges. Queries are ignored. It serves nothing else, and takes paths below the
// site: see [Prefix]. It never follows a symbolic link out of the directory.
func Handler(dir *os.Root) http.Handler {
	docs, files := &documents{dir: dir}, &blobs{dir: dir}
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
			files.deliver(w, r, name, part[2])
			return
		case len(part) == 4 && part[0] == "apps" && (part[3] == "manifest.json" || part[2] == "trust" && part[3] == "timestamp.json"):
			docs.deliver(w, r, name, "no-cache")
			return
		case len(part) == 4 && part[0] == "apps" && (part[2] == "trust" && strings.HasSuffix(part[3], ".json") || strings.HasSuffix(part[3], ".manifest.json")):
			docs.deliver(w, r, name, forever)
			return
		}
		http.NotFound(w, r)
	})
}

// DeliverBlob answers with an immutable file: a pack, or a part of it.
func DeliverBlob(w http.ResponseWriter, r *http.Request, hash string, content io.ReadSeeker) {
	h := w.Header()
	h.Set("ETag", `"`+hash+`"`)
	h.Set("Cache-Control", forever)
	h.Set("Content-Type", typeBlob)
	http.ServeContent(w, r, "", time.Time{}, content)
}

// forever is how long a blob, and signed metadata with its version in its name, may be kept.
const forever = "public, max-age=31536000, immutable"

// CacheControl is what a server should say of a file of the site.
func CacheControl(name string) string {
	if base := path.Base(name); base == "manifest.json" || base == "timestamp.json" {
		return "no-cache"
	}
	return forever
}

// ContentType is what a server should call a file of the site.
func ContentType(name string) string {
	if path.Ext(name) == ".json" {
		return typeJSON
	}
	return typeBlob
}

const (
	typeJSON = "application/json"
	typeBlob = "application/octet-stream"
)

// DeliverManifest answers with the text of a manifest.
func DeliverManifest(w http.ResponseWriter, r *http.Request, text string) {
	deliver(w, r, text, "no-cache")
}

func deliver(w http.ResponseWriter, r *http.Request, text, cache string) {
	answer(w, r, text, tagOf(text), cache)
}

func answer(w http.ResponseWriter, r *http.Request, text, tag, cache string) {
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", cache)
	if r.Header.Get("If-None-Match") == tag { // the check of an idle device, by far the most frequent
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", typeJSON)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
}

func (b *blobs) deliver(w http.ResponseWriter, r *http.Request, name, hash string) {
	f, err := b.open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer b.put(name, f)
	DeliverBlob(w, r, hash, f)
}

func (d *documents) deliver(w http.ResponseWriter, r *http.Request, name, cache string) {
	doc, err := d.get(name)
	switch {
	case errors.Is(err, errUnread):
		http.Error(w, "the document cannot be read", http.StatusInternalServerError)
	case err != nil:
		http.NotFound(w, r)
	default:
		answer(w, r, doc.text, doc.tag, cache)
	}
}
