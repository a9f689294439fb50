package serve

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"larder/asset"
	"larder/internal/site"
)

// show makes what lies in the site known, for the help page and the names of files.
func (s *Server) show() error {
	out := &shown{names: map[string][]string{}}
	if s.stock != nil {
		for _, p := range s.stock.manifest.Packs {
			src := s.stock.published[p.ID]
			out.add(p, src.file)
			out.packs = append(out.packs, Pack{p, src.file})
		}
	} else if err := s.survey(out); err != nil {
		return err
	}
	s.now.Store(out)
	return nil
}

// add gives the blobs of a pack their names: its identifier, with and without the
// suffix, and that of the file it came from.
func (o *shown) add(p asset.Pack, file string) {
	for _, u := range append([]string{p.URL}, deltaURLs(p)...) {
		name, ok := site.BlobOf(u)
		if !ok {
			continue
		}
		o.names[name] = []string{name, string(p.ID), string(p.ID) + packSuffix}
		if file != "" {
			o.names[name] = append(o.names[name], filepath.Base(file))
		}
	}
}

// maxSurvey is how many manifests of a site are read for the help page.
const maxSurvey = 100

// survey reads the manifests of a site. One that cannot be read is none.
func (s *Server) survey(out *shown) error {
	names, err := fs.Glob(s.root.FS(), "apps/*/*/manifest.json")
	if err != nil {
		return err
	}
	if len(names) > maxSurvey {
		names = names[:maxSurvey]
	}
	for _, name := range names {
		parts := strings.Split(name, "/")
		if s.App != "" && string(s.App) != parts[1] {
			continue
		}
		f, err := s.root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(f, asset.MaxDownloadManifest+1))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		m, err := asset.ParseDownloadManifest(text)
		if err != nil {
			continue
		}
		for _, p := range m.Packs {
			out.add(p, "")
			out.packs = append(out.packs, Pack{p, path.Join(parts[1], parts[2])})
		}
	}
	return nil
}
