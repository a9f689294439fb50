package service

import (
	"context"
	"errors"
	"net/url"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/dispatch"
	"larder/internal/queue"
	"larder/internal/site"
	"larder/internal/trust"
)

// onlyNews makes the request for a managed app's manifest one that brings nothing when
// nothing is new. Where packs are signed and were proved before, the site's timestamp
// is asked for in its place: whatever is new begins there.
func (s *Service) onlyNews(app *apps.App, e *queue.Entry) error {
	if !app.Bundle.HasManagedAssetPacks {
		return nil
	}
	if app.Bundle.TrustedRoot != nil {
		validator, err := s.verifier(app, nil).Validator()
		if err == nil && validator != "" {
			e.URL, e.Unless, e.MaxBytes = beside(e.URL, trust.TimestampFile), validator, trust.MaxTimestamp
		}
		return err
	}
	a, err := s.manifestOf(app)
	if err == nil && a != nil && a.URL == e.URL && a.Reader == s.config.Version {
		e.Unless = a.Name
	}
	return err
}

// beside is the URL of what lies beside an app's manifest on its site.
func beside(manifest, name string) string {
	base, err := url.Parse(manifest)
	if err != nil {
		return manifest
	}
	return base.ResolveReference(&url.URL{Path: "../" + name}).String()
}

// news is the manifest that holds after a fetch: the one that came, or, if the server had
// nothing new, the one that was accepted last.
func (s *Service) news(ctx context.Context, app *apps.App, row queue.Entry) (*asset.DownloadManifest, error) {
	var text []byte
	if row.Path != "" {
		var err error
		if text, err = s.readFile(row.Path, dispatch.MaxManifest); err != nil {
			return nil, err
		}
	}
	if app.Bundle.TrustedRoot != nil {
		return s.proven(ctx, app, row, text)
	}
	if row.Path == "" {
		return s.same(app)
	}
	m, err := site.Read(text, row.URL)
	if err != nil {
		return nil, err
	}
	override(m, app.Prefs.URLOverride)
	return m, s.accept(app, &accepted{Manifest: m, URL: row.URL, Name: row.Validator})
}

// same keeps the manifest that was accepted last; what it means may be another since: the
// app's version and the languages decide too.
func (s *Service) same(app *apps.App) (*asset.DownloadManifest, error) {
	a, err := s.manifestOf(app)
	if err == nil && a == nil {
		err = errors.New("the manifest that the server says is unchanged is not here any more") // the next round fetches it
	}
	if err != nil {
		return nil, err
	}
	s.catalogue.looked(app.ID(), time.Now())
	return a.Manifest, s.tellOffer(app)
}

// override has the packs of a manifest come from where its reader was sent.
func override(m *asset.DownloadManifest, base string) {
	for i := range m.Packs {
		p := &m.Packs[i]
		p.URL = asset.OverrideURL(base, p.URL)
		for d := range p.Deltas {
			p.Deltas[d].URL = asset.OverrideURL(base, p.Deltas[d].URL)
		}
	}
}
