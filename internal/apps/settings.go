package apps

import (
	"database/sql"
	"encoding/json"
	"errors"

	"larder/asset"
	"larder/internal/db"
)

// Settings are the person's own choices, for all apps.
type Settings struct {
	// InAppContent off means: no essential downloads and no extension before an
	// app's first launch (classic §2.9).
	InAppContent bool `json:"inAppContent"`
	// BackgroundRefresh off means: nothing in the background (classic §2.9).
	BackgroundRefresh bool `json:"backgroundRefresh"`
	// Metered says what files do on a metered network.
	Metered MeteredRule `json:"meteredRule"`
	// Caps on bytes per second, 0 for none: of what somebody waits for, and of
	// everything else.
	ForegroundCap int64 `json:"downloadCapForeground"`
	BackgroundCap int64 `json:"downloadCapBackground"`
}

// MeteredRule says what files do on a metered network; manifests are small and go.
type MeteredRule string

// The rules.
const (
	MeteredWait  MeteredRule = "wait"  // files wait, but for what a person has in front of them
	MeteredAllow MeteredRule = "allow" // all go
	MeteredNever MeteredRule = "never" // all files wait
)

// Preferences are the person's choices for one app.
type Preferences struct {
	RefreshOff bool   `json:"refreshOff,omitempty"`
	Language   string `json:"language,omitempty"` // BCP 47; empty: the system's
	// PackLanguage is what the app chose over both (managed §1.8); empty: nothing.
	PackLanguage string `json:"packLanguage,omitempty"`
	// URLOverride is the base URL that a developer put in place of those of manifest
	// and packs (managed §7.2); empty: none.
	URLOverride string `json:"urlOverride,omitempty"`
}

// SetPreferences stores them.
func SetPreferences(tx *db.Tx, id asset.AppID, p Preferences) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return set(tx, id, "prefs = ?", string(text))
}

// LoadSettings reads the settings; what was never set has its default.
func LoadSettings(tx *db.Tx) (Settings, error) {
	s := Settings{InAppContent: true, BackgroundRefresh: true, Metered: MeteredWait}
	var text string
	err := tx.QueryRow("SELECT value FROM settings WHERE name = 'settings'").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s)
}

// SaveSettings stores them.
func SaveSettings(tx *db.Tx, s Settings) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = tx.Exec("INSERT INTO settings (name, value) VALUES ('settings', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", string(text))
	return err
}
