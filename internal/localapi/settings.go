package localapi

import (
	_ "embed"
	"fmt"
	"net/http"

	"larder/asset"
)

// settingsSchema is the JSON Schema of Settings and AppSettings; a test holds it
// against the structs and openapi.yaml.
//
//go:embed settings.schema.json
var settingsSchema []byte

// Settings are the person's choices for all apps.
type Settings struct {
	// InAppContent off means that nothing is fetched before an app's first launch
	// and that its gate is open (classic §2.9).
	InAppContent bool `json:"inAppContent"`
	// BackgroundRefresh off means that nothing is done in the background: no
	// check, no download that nobody waits for (classic §2.9).
	BackgroundRefresh bool `json:"backgroundRefresh"`
	// MeteredRule is what files do on a metered network: wait (those in the foreground
	// go), allow (all go) or never (all wait).
	MeteredRule string `json:"meteredRule"`
	// ForegroundCap and BackgroundCap bound the bytes per second of all downloads
	// that somebody waits for, and of all others; 0 is no cap.
	ForegroundCap int64 `json:"downloadCapForeground"`
	BackgroundCap int64 `json:"downloadCapBackground"`
}

// SettingsChange is the body of PATCH /v1/settings: nil leaves a setting as it is.
type SettingsChange struct {
	InAppContent      *bool   `json:"inAppContent,omitempty"`
	BackgroundRefresh *bool   `json:"backgroundRefresh,omitempty"`
	MeteredRule       *string `json:"meteredRule,omitempty"`
	ForegroundCap     *int64  `json:"downloadCapForeground,omitempty"`
	BackgroundCap     *int64  `json:"downloadCapBackground,omitempty"`
}

// AppSettings are the person's choices for one app.
type AppSettings struct {
	// BackgroundRefresh off holds back what Settings.BackgroundRefresh does, for
	// this app alone.
	BackgroundRefresh bool `json:"backgroundRefresh"`
	// Language is a BCP 47 tag; empty means the system's.
	Language string `json:"language"`
	// URLOverride is the base URL (asset.CheckURLOverride) from which the manifest and
	// packs of the app come in place of their own servers; empty means none.
	URLOverride string `json:"urlOverride"`
}

// AppSettingsChange is the body of PATCH /v1/apps/{id}/settings.
type AppSettingsChange struct {
	BackgroundRefresh *bool   `json:"backgroundRefresh,omitempty"`
	Language          *string `json:"language,omitempty"`
	URLOverride       *string `json:"urlOverride,omitempty"`
}

// MinCap is the smallest cap: below it no download would end.
const MinCap = 1024

func (c SettingsChange) check() error {
	if c == (SettingsChange{}) {
		return badRequest("it changes no setting", "known here: "+list(fields(&c)))
	}
	if c.MeteredRule != nil && *c.MeteredRule != "wait" && *c.MeteredRule != "allow" && *c.MeteredRule != "never" {
		return badRequest("its meteredRule is none of wait, allow and never", "")
	}
	for _, limit := range []*int64{c.ForegroundCap, c.BackgroundCap} {
		if limit != nil && *limit != 0 && *limit < MinCap {
			return badRequest(fmt.Sprintf("its cap is neither 0 nor at least %d bytes per second", MinCap), "0 is no cap")
		}
	}
	return nil
}

func (c AppSettingsChange) check() error {
	if c == (AppSettingsChange{}) {
		return badRequest("it changes no setting", "known here: "+list(fields(&c)))
	}
	if c.Language != nil {
		if _, err := asset.ParseLanguage(*c.Language); err != nil {
			return err
		}
	}
	if c.URLOverride != nil {
		return asset.CheckURLOverride(*c.URLOverride)
	}
	return nil
}

func (c *call) settings() error {
	s, err := c.svc.Settings(c.r.Context())
	return c.reply(http.StatusOK, s, err)
}

func (c *call) setSettings() error {
	var change SettingsChange
	if err := read(c.w, c.r, &change, true); err != nil {
		return err
	}
	if err := change.check(); err != nil {
		return err
	}
	s, err := c.svc.SetSettings(c.r.Context(), change)
	return c.reply(http.StatusOK, s, err)
}

func (c *call) appSettings() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	s, err := c.svc.AppSettings(c.r.Context(), id)
	return c.reply(http.StatusOK, s, err)
}

func (c *call) setAppSettings() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	var change AppSettingsChange
	if err := read(c.w, c.r, &change, true); err != nil {
		return err
	}
	if err := change.check(); err != nil {
		return err
	}
	s, err := c.svc.SetAppSettings(c.r.Context(), id, change)
	return c.reply(http.StatusOK, s, err)
}

func (c *call) settingsDocument() error {
	c.w.Header().Set("Content-Type", "application/schema+json")
	_, _ = c.w.Write(settingsSchema)
	return nil
}
