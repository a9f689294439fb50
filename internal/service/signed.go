package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/queue"
	"larder/internal/site"
	"larder/internal/trust"
)

// signatures keeps, per signed app, what was proved last. The record on the disk is
// the truth.
type signatures struct {
	mu   sync.Mutex
	apps map[asset.AppID]*trust.Signed
}

func (x *signatures) keep(id asset.AppID, s *trust.Signed) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.apps == nil {
		x.apps = map[asset.AppID]*trust.Signed{}
	}
	x.apps[id] = s
}

func (x *signatures) forget(id asset.AppID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.apps, id)
}

// proven gives the manifest that the app's developer signed, and accepts it if it names only
// pack versions that were signed too. What came is the site's timestamp or its manifest,
// see onlyNews; what else the site has is fetched as needed.
func (s *Service) proven(ctx context.Context, app *apps.App, row queue.Entry, came []byte) (*asset.DownloadManifest, error) {
	from := &siteOf{s: s, app: app, row: row}
	c := s.verifier(app, from)
	base := row.URL
	if row.URL == beside(row.URL, trust.TimestampFile) {
		base = site.Beside(app.Hosts(), manifestURL(app), row.URL)
		from.stamp = &trust.Document{Bytes: came, Validator: row.Validator, Unchanged: row.Path == ""}
	} else {
		c.Offer = came
	}
	proven, err := c.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	s.signatures.keep(app.ID(), &proven.Signed)
	// What was proved is not what was accepted when a version in it was refused.
	sum := sha256.Sum256(proven.Manifest)
	name := hex.EncodeToString(sum[:])
	if a, err := s.manifestOf(app); err == nil && a != nil && a.Name == name && a.URL == base && a.Reader == s.config.Version {
		return s.same(app)
	}
	m, err := site.Read(proven.Manifest, base)
	if err != nil {
		return nil, err
	}
	for _, p := range m.Packs {
		v, err := trust.VersionOf(p)
		if err == nil {
			err = proven.Vouch(v)
		}
		if err != nil {
			return nil, err
		}
	}
	override(m, app.Prefs.URLOverride)
	return m, s.accept(app, &accepted{Manifest: m, URL: base, Name: name})
}

// elsewhere looks for what is signed at the hosts that follow the one whose answer was no good. When
// none is better, the first fault is the one that tells.
func (s *Service) elsewhere(ctx context.Context, app *apps.App, row queue.Entry, fault error) (*asset.DownloadManifest, error) {
	if app.Bundle.TrustedRoot == nil {
		return nil, fault
	}
	hosts := app.Hosts()
	row.URL = site.Beside(hosts, manifestURL(app), row.URL)
	for ctx.Err() == nil {
		next, again := site.Elsewhere(hosts, row.URL)
		if next == "" || again {
			return nil, fault
		}
		row.URL, row.Path, row.Unless = next, "", ""
		m, err := s.proven(ctx, app, row, nil)
		if err == nil {
			s.config.Log.Warn("a host of the app was passed over", "app", app.ID(), "error", fault)
			return m, nil
		}
	}
	return nil, ctx.Err()
}

func (s *Service) verifier(app *apps.App, from trust.Fetcher) *trust.Client {
	return &trust.Client{Anchor: app.Bundle.TrustedRoot, Context: app.Context, Dir: s.config.Dirs.Trust(app.Bundle.Group, app.ID()),
		Disk: s.config.FS, Fetcher: from, Now: time.Now}
}

// siteOf fetches what lies beside an app's manifest on its site.
type siteOf struct {
	s     *Service
	app   *apps.App
	row   queue.Entry
	stamp *trust.Document // the site's timestamp, if it is at hand
}

// Fetch implements trust.Fetcher.
func (f *siteOf) Fetch(ctx context.Context, name string, limit int64, validator string) (trust.Document, error) {
	if at := f.stamp; name == trust.TimestampFile && at != nil && (!at.Unchanged || validator == f.row.Unless) {
		f.stamp = nil
		return *at, nil
	}
	d, err := f.s.dispatcher.Document(ctx, f.app, f.row, beside(f.row.URL, name), limit, validator)
	return trust.Document{Bytes: d.Bytes, Validator: d.Validator, Unchanged: d.Unchanged}, err
}

// signed tells how an app's packs are signed; nil when they need not be, or nothing was
// proved yet.
func (s *Service) signed(app *apps.App) (*trust.Signed, error) {
	if app.Bundle.TrustedRoot == nil {
		return nil, nil
	}
	s.signatures.mu.Lock()
	known := s.signatures.apps[app.ID()]
	s.signatures.mu.Unlock()
	if known == nil {
		proven, err := s.verifier(app, nil).Known()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		known = &proven.Signed
		s.signatures.keep(app.ID(), known)
	}
	now := *known
	now.Expired = now.Expired || !time.Now().Before(now.Expires)
	return &now, nil
}

// current refuses a change of an app's packs whose signatures have expired: who keeps
// news from a device may not make it take old content.
func (s *Service) current(app *apps.App) error {
	signed, err := s.signed(app)
	if err != nil || signed == nil || !signed.Expired {
		return err
	}
	return &asset.Error{Code: asset.CodeExpiredMetadata, Op: "stock asset pack", Subject: string(app.ID()),
		Message: "what its developer signed was good until " + signed.Expires.Format(time.DateOnly),
		Help:    "what is installed stays in use. The developer must publish again or refresh the site's timestamp; if this device's clock is wrong, set it"}
}

// signature is signed in the words of the API.
func (s *Service) signature(app *apps.App) (*asset.Signature, error) {
	known, err := s.signed(app)
	if err != nil || known == nil {
		return nil, err
	}
	return &asset.Signature{Publisher: known.Publisher, Release: known.Release, Expires: known.Expires, Expired: known.Expired}, nil
}
