package apps

import (
	"database/sql"
	"encoding/json"
	"errors"

	"larder/internal/db"
)

// Settings are the person's own choices, for all apps.
type Settings struct {
	// InAppContent off means: no essential downloads and no extension before an
	// app's first launch (classic §2.9).
	InAppContent bool `json:"inAppContent"`
}

// LoadSettings reads the settings; what was never set has its default.
func LoadSettings(tx *db.Tx) (Settings, error) {
	s := Settings{InAppContent: true}
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
