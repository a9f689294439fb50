// Package stick carries a site to where no network leads: on a stick, a disc or as one file, everything of an app or what
// is new since a version, and from there onto another site.
//
// It promises that what is carried is again a site, which any web server can deliver; that an import proves hashes
// and signatures as a device would, against what the other site had before, and points to what came only when all
// of it is there; and that both may be cut off and run again. It decides nothing: what is not signed as it
// must be goes nowhere.
//
// The command line calls it.
package stick

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"

	"larder/asset"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

// Source is what is read of a site.
type Source interface {
	Get(ctx context.Context, name string, limit int64) ([]byte, error)
	Open(ctx context.Context, name string) (publish.Blob, error)
}

// Report tells what was carried.
type Report struct {
	App      asset.AppID `json:"app"`
	Version  int64       `json:"version,omitempty"` // of what is signed; 0 if nothing is
	Contexts []string    `json:"contexts"`
	Packs    int         `json:"packs"`  // versions that are live
	Blobs    int         `json:"blobs"`  // that were copied
	Copied   int64       `json:"copied"` // bytes of them
	Left     int         `json:"left"`   // blobs that were there already, or left out
	Signed   bool        `json:"signed"`
	Changed  bool        `json:"changed"` // an import made something live
}

// Progress hears of a blob being copied. It may be nil.
type Progress func(name string, size int64) (advance func(n int), end func())

// whole is an app as a site has it.
type whole struct {
	app   asset.AppID
	repo  *trust.Repository // nil if nothing is signed
	texts map[string][]byte // manifests by context
	packs []asset.Pack
}

// look reads an app from a site. With a root, all must be signed under it.
func look(ctx context.Context, from Source, app asset.AppID, root []byte, read trust.Read) (*whole, error) {
	w := &whole{app: app, texts: map[string][]byte{}}
	if root == nil {
		for _, c := range publish.Contexts {
			text, err := from.Get(ctx, site.ManifestPath(app, c), asset.MaxDownloadManifest)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if err := w.take(c, text, nil); err != nil {
				return nil, err
			}
		}
		if len(w.texts) == 0 {
			return nil, fault(asset.CodeNotFound, string(app), "nothing of it is there", "name a site that has the app")
		}
		return w, nil
	}
	var err error
	if w.repo, err = trust.OpenRepository(read, root, nil, trust.Lifetimes{}, always); err != nil {
		return nil, err
	}
	for _, c := range w.repo.Contexts() {
		var named []trust.Version
		text, err := w.repo.Manifest(c, func(text []byte) ([]trust.Version, error) {
			err := w.take(c, text, &named)
			return named, err
		})
		if err != nil {
			return nil, err
		}
		w.texts[c] = text
	}
	return w, nil
}

func (w *whole) take(c string, text []byte, named *[]trust.Version) error {
	m, err := asset.ParseDownloadManifest(text)
	if err != nil {
		return err
	}
	if named != nil {
		if *named, err = publish.VersionsOf(m); err != nil {
			return err
		}
	}
	w.texts[c], w.packs = text, append(w.packs, m.Packs...)
	return nil
}

// blobs are what manifests name of their own site, each once, with its size.
func blobs(packs []asset.Pack) map[string]int64 {
	all := map[string]int64{}
	for _, p := range packs {
		if name, ok := site.BlobOf(p.URL); ok {
			all[name] = p.DownloadSize
		}
		for _, d := range p.Deltas {
			if name, ok := site.BlobOf(d.URL); ok {
				all[name] = d.Size
			}
		}
	}
	return all
}

// proving reads a blob and fails at its end if its bytes are not those of its name.
type proving struct {
	r    io.Reader
	name string
	left int64
	sum  hash.Hash
	tell func(int)
}

func (p *proving) Read(b []byte) (int, error) {
	n, err := p.r.Read(b[:min(int64(len(b)), p.left)])
	p.sum.Write(b[:n])
	if p.left -= int64(n); p.left == 0 && n > 0 && hex.EncodeToString(p.sum.Sum(nil)) != path.Base(p.name) {
		return 0, fault(asset.CodeHashMismatch, p.name, "its bytes are not those that its name says", "copy it anew")
	}
	if p.tell != nil {
		p.tell(n)
	}
	if p.left == 0 && n == 0 {
		return 0, io.EOF
	}
	return n, err
}

// copyBlob brings a blob over and proves it on the way.
func copyBlob(ctx context.Context, from Source, put func(ctx context.Context, name string, r io.Reader, size int64) error, name string, size int64, tell Progress) error {
	b, err := from.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return fault(asset.CodeNotFound, name, "the manifest names it, and it is not there", "carry everything: export without --since")
	}
	if err != nil {
		return err
	}
	defer b.Close()
	if b.Size() != size {
		return fault(asset.CodeSizeMismatch, name, fmt.Sprintf("it has %d bytes, and the manifest says %d", b.Size(), size), "copy it anew")
	}
	p := &proving{r: io.NewSectionReader(b, 0, size), name: name, left: size, sum: sha256.New()}
	if tell != nil {
		advance, end := tell(name, size)
		defer end()
		p.tell = advance
	}
	return put(ctx, name, p, size)
}

func fault(code asset.Code, subject, message, help string) *asset.Error {
	return &asset.Error{Code: code, Op: "carry site", Subject: subject, Message: message, Help: help}
}
