package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/fsx"
	"larder/internal/language"
	"larder/internal/reconcile"
	"larder/internal/shelf"
)

// catalogue keeps, per app, the download manifest that was accepted last. The file
// beside is the truth.
type catalogue struct {
	mu   sync.Mutex
	apps map[asset.AppID]*accepted
}

// accepted is a manifest as it was read, with absolute URLs.
type accepted struct {
	Fetched  time.Time               `json:"fetched"`
	Manifest *asset.DownloadManifest `json:"manifest"`
	URL      string                  `json:"url"`            // whence
	Name     string                  `json:"name,omitempty"` // of these bytes: at the server, see transfer.Job.Unless, or their SHA-256 where they are signed
	Reader   string                  `json:"reader"`         // version of the Larder that read it: another may see more in it
}

const (
	manifestFile = "manifest.json" // accepted
	offerFile    = "offer.json"    // asset.PackOffer, which apps read
)

// manifestOf is the manifest that was accepted last; nil when there was none yet.
func (s *Service) manifestOf(app *apps.App) (*accepted, error) {
	s.catalogue.mu.Lock()
	defer s.catalogue.mu.Unlock()
	if a := s.catalogue.apps[app.ID()]; a != nil {
		return a, nil
	}
	text, err := s.readFile(filepath.Join(s.config.Dirs.Offer(app.Bundle.Group, app.ID()), manifestFile), 2*asset.MaxDownloadManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a := &accepted{}
	if err := json.Unmarshal(text, a); err != nil || a.Manifest == nil {
		return nil, nil // of another version of Larder: the next check fetches it again
	}
	s.catalogue.keep(app.ID(), a)
	return a, nil
}

func (c *catalogue) keep(id asset.AppID, a *accepted) {
	if c.apps == nil {
		c.apps = map[asset.AppID]*accepted{}
	}
	c.apps[id] = a
}

func (c *catalogue) forget(id asset.AppID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.apps, id)
}

// looked notes that an app's manifest still held then. After a restart it is as old as its file.
func (c *catalogue) looked(id asset.AppID, then time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.apps[id]; a != nil {
		now := *a
		now.Fetched = then
		c.apps[id] = &now
	}
}

// accept makes a the app's manifest.
func (s *Service) accept(app *apps.App, a *accepted) error {
	a.Fetched, a.Reader = time.Now(), s.config.Version
	if err := s.writeJSON(app, manifestFile, a); err != nil {
		return err
	}
	s.catalogue.mu.Lock()
	s.catalogue.keep(app.ID(), a)
	s.catalogue.mu.Unlock()
	return s.tellOffer(app)
}

func (s *Service) offerFile(app *apps.App) string {
	return filepath.Join(s.config.Dirs.Offer(app.Bundle.Group, app.ID()), offerFile)
}

// tellOffer writes what the manifest means for this app and device, for the app to read.
func (s *Service) tellOffer(app *apps.App) error {
	offer, err := s.offerTo(app)
	if err != nil {
		return err
	}
	text, err := json.Marshal(offer)
	if err != nil {
		return err
	}
	if old, err := s.readFile(s.offerFile(app), int64(len(text))+1); err == nil && bytes.Equal(old, text) {
		return nil // an idle check writes nothing
	}
	return s.write(app, offerFile, text)
}

func (s *Service) offerTo(app *apps.App) (asset.PackOffer, error) {
	a, err := s.manifestOf(app)
	if err != nil || a == nil {
		return asset.PackOffer{Packs: []asset.Pack{}}, err
	}
	d := s.deviceOf(app, a.Manifest)
	out := asset.PackOffer{Packs: []asset.Pack{}, PrimaryLanguage: a.Manifest.PrimaryLanguage, ResolvedLanguage: d.Language.String()}
	for _, t := range reconcile.Languages(a.Manifest, d) {
		out.AvailableLanguages = append(out.AvailableLanguages, t.String())
	}
	for _, o := range reconcile.Offers(a.Manifest, d) {
		if o.Fit != nil {
			out.Packs = append(out.Packs, *o.Fit)
			continue
		}
		if out.Unfit == nil {
			out.Unfit = map[asset.PackID]string{}
		}
		out.Unfit[o.ID] = o.Refusal().Message
	}
	return out, nil
}

// deviceOf is what of this device and app decides which packs are for it.
func (s *Service) deviceOf(app *apps.App, m *asset.DownloadManifest) reconcile.Device {
	d := reconcile.Device{Platform: platform(), App: app.Bundle.Version}
	d.Language = reconcile.Resolve(m, d, s.preferred(app))
	return d
}

func platform() asset.Platform {
	switch runtime.GOOS {
	case "darwin":
		return asset.PlatformMacOS
	case "windows":
		return asset.PlatformWindows
	}
	return asset.PlatformLinux
}

// preferred are the languages of a person for an app, best first: what the app
// chose, what the person chose for the app, what the system speaks.
func (s *Service) preferred(app *apps.App) (out []language.Tag) {
	for _, word := range append([]string{app.Prefs.PackLanguage, app.Prefs.Language}, s.config.Languages()...) {
		if t, ok := language.Prefer(word); ok {
			out = append(out, t)
		}
	}
	return out
}

// systemLanguages are those of the environment, as POSIX and GNU have them.
func systemLanguages() []string {
	out := strings.Split(os.Getenv("LANGUAGE"), ":")
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			return append(out, v)
		}
	}
	return out
}

func (s *Service) writeJSON(app *apps.App, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(app, name, text)
}

func (s *Service) write(app *apps.App, name string, text []byte) error {
	dir := s.config.Dirs.Offer(app.Bundle.Group, app.ID())
	if err := fsx.MkdirAll(s.config.FS, dir, 0o755); err != nil {
		return err
	}
	return fsx.WriteFile(s.config.FS, filepath.Join(dir, name), text, 0o644)
}

func (s *Service) readFile(name string, most int64) ([]byte, error) {
	f, err := s.config.FS.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// onShelf is the newest view of an app's packs.
func (s *Service) onShelf(app *apps.App) (shelf.View, error) {
	return shelf.Current(s.config.Dirs.Shelf(app.Bundle.Group, app.ID()))
}

// installed is the shelf as reconcile sees it.
func installed(v shelf.View, explicit map[asset.PackID]bool) (out []reconcile.Installed) {
	for _, p := range v.Packs {
		tag, _ := language.Parse(p.Language) // none, if it is none
		id := asset.PackID(p.ID)
		out = append(out, reconcile.Installed{ID: id, Version: p.Version, Language: tag, Explicit: explicit[id]})
	}
	return out
}
