package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/site"
	"larder/internal/trust"
)

// Signing is who signs.
type Signing struct {
	Root  []byte // that bundles carry, or any later one
	Keys  []trust.Key
	Lives trust.Lifetimes
	// Begin has the first metadata of a site that has none: what trust.Create gave.
	Begin []trust.File
	// Refresh signs a new timestamp even if nothing else changed.
	Refresh bool
	// Above is a version above which all is to be: see [trust.Repository.Above].
	Above int64

	unfinished bool // a change of keys was begun
}

// readTrust proves the site's metadata.
func (p *publication) readTrust(ctx context.Context) error {
	stamp := site.AppPath(p.App, trust.TimestampFile)
	now, err := p.To.Get(ctx, stamp, 1<<20)
	signed := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return told(stamp, err)
	}
	switch {
	case p.Signing == nil && signed:
		return fault(asset.CodeSignature, p.To.String(), "this site is signed, and no keys are named", "say --keys DIR; devices refuse what is not signed")
	case p.Signing == nil:
		return nil
	}
	read := func(name string, limit int64) ([]byte, error) { return p.To.Get(ctx, site.AppPath(p.App, name), limit) }
	if !signed {
		begin := map[string][]byte{}
		for _, f := range p.Signing.Begin {
			begin[f.Name] = f.Bytes
		}
		there := read
		read = func(name string, limit int64) ([]byte, error) {
			if b, ok := begin[name]; ok {
				return b, nil
			}
			return there(name, limit)
		}
	} else {
		p.Signing.Begin, p.stamp = nil, now
	}
	if p.repo, err = trust.OpenRepository(read, p.Signing.Root, p.Signing.Keys, p.Signing.Lives, p.Now); err != nil {
		if e := (*asset.Error)(nil); p.Signing.unfinished && errors.As(err, &e) {
			unproved := *e
			unproved.Help = "a change of keys was cut off: larder keys status, with the same keys, completes it"
			return &unproved
		}
		return err
	}
	if p.repo.Above(p.Signing.Above); !signed {
		return nil
	}
	return p.readSigned()
}

// readSigned has what is signed in place of what the site shows: the publisher's key
// must not vouch for what whoever holds the site's disk wrote into a manifest.
func (p *publication) readSigned() error {
	p.live = map[string]*asset.DownloadManifest{}
	for _, c := range Contexts {
		text, err := p.repo.Manifest(c, Named)
		if err != nil {
			return err
		}
		if text == nil {
			continue
		}
		if p.live[c], err = asset.ParseDownloadManifest(text); err != nil {
			return err
		}
	}
	return nil
}

// sign gives the documents to be written, in order; none if nothing is to be signed.
func (p *publication) sign() ([]trust.File, error) {
	if p.repo == nil {
		return nil, nil
	}
	versions, err := p.versions()
	if err != nil {
		return nil, err
	}
	if err := p.repo.SetVersions(versions); err != nil {
		return nil, err
	}
	if err := p.repo.SetManifest(p.Context, p.text); err != nil {
		return nil, err
	}
	first := len(p.Signing.Begin) > 0
	if !first && !p.repo.Changed() && !p.Signing.Refresh {
		return nil, nil
	}
	files, err := p.repo.Files()
	if err != nil {
		return nil, err
	}
	var begin []trust.File
	for _, f := range p.Signing.Begin {
		if f.Name != trust.TimestampFile { // the new one replaces it
			begin = append(begin, f)
		}
	}
	p.report.Changed = true
	return append(begin, files...), nil
}

// versions are all that any context names, after this publication.
func (p *publication) versions() ([]trust.Version, error) {
	var all []*asset.DownloadManifest
	for _, c := range Contexts {
		m := p.live[c]
		if c == p.Context {
			m = p.next
		}
		if m != nil {
			all = append(all, m)
		}
	}
	return VersionsOf(all...)
}

// VersionsOf are the versions that manifests name, each once. A row that names no bytes is 1005.
func VersionsOf(manifests ...*asset.DownloadManifest) ([]trust.Version, error) {
	all := map[trust.Version]bool{}
	var list []trust.Version
	for _, m := range manifests {
		for _, row := range m.Packs {
			v, err := trust.VersionOf(row)
			if err != nil {
				return nil, err
			}
			if !all[v] {
				all[v] = true
				list = append(list, v)
			}
		}
	}
	return list, nil
}

// Named are the versions that the text of a manifest names: for [trust.Repository.Manifest].
func Named(text []byte) ([]trust.Version, error) {
	m, err := asset.ParseDownloadManifest(text)
	if err != nil {
		return nil, err
	}
	return VersionsOf(m)
}

// check looks at the site as a device would that never saw it before.
func (p *publication) check(ctx context.Context) (err error) {
	if p.repo == nil {
		return nil
	}
	dir, err := os.MkdirTemp(p.Scratch, "check-")
	if err != nil {
		return told(p.Scratch, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	device := trust.Client{Anchor: p.Signing.Root, Context: p.Context, Dir: filepath.Join(dir, "trust"), Disk: fsx.OS(),
		Fetcher: Fetcher{p.To, p.App}, Now: func() time.Time { return p.Now }}
	seen, err := device.Refresh(ctx)
	if err != nil {
		return fmt.Errorf("check the site: %w", err)
	}
	for _, row := range p.next.Packs {
		v, err := trust.VersionOf(row)
		if err == nil {
			err = seen.Vouch(v)
		}
		if err != nil {
			return err
		}
	}
	p.report.Signed = &seen.Signed
	return nil
}

// Fetcher reads the signed metadata of an app on a site as a device does: a trust.Fetcher.
type Fetcher struct {
	From interface {
		Get(ctx context.Context, name string, limit int64) ([]byte, error)
	}
	App asset.AppID
}

// Fetch implements trust.Fetcher.
func (f Fetcher) Fetch(ctx context.Context, name string, limit int64, _ string) (trust.Document, error) {
	b, err := f.From.Get(ctx, site.AppPath(f.App, name), limit)
	return trust.Document{Bytes: b}, err
}
