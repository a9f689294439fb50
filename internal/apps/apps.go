// Package apps is the one door to what the service remembers of an app: its
// bundle, life cycle, launches, the day's budget of its extension and what it
// spent of its allowances. Every call works inside the caller's transaction.
package apps

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/db"
	"larder/internal/lifecycle"
)

// App is one installed app.
type App struct {
	Bundle      bundle.Bundle
	Context     string // release context
	Life        lifecycle.State
	FirstLaunch time.Time // zero: never launched
	LastLaunch  time.Time
	Launches    int
	Prefs       Preferences
	Habit       lifecycle.Habit

	spent, spentEssential int64
}

// ID is the app's identifier.
func (a *App) ID() asset.AppID { return a.Bundle.ID }

// Launched reports whether the app was ever launched, which lifts its download
// restrictions for good (classic §1).
func (a *App) Launched() bool { return !a.FirstLaunch.IsZero() }

// Hosts are the servers that deliver the app's packs, in the order in which they are asked; none if the app
// has servers of its own, or a developer sends it to another.
func (a *App) Hosts() []string {
	if !a.Bundle.UsesAppleHosting || a.Prefs.URLOverride != "" {
		return nil
	}
	return append([]string{a.Bundle.HostURL}, a.Bundle.Mirrors...)
}

const columns = "bundle, context, life, first_launch, last_launch, launches, spent, spent_essential, prefs, " + habitColumns

func scan(row interface{ Scan(...any) error }) (App, error) {
	var a App
	var b, life, prefs string
	var first, last int64
	var h habitRow
	if err := row.Scan(append([]any{&b, &a.Context, &life, &first, &last, &a.Launches, &a.spent, &a.spentEssential, &prefs}, h.fields()...)...); err != nil {
		return a, err
	}
	a.FirstLaunch, a.LastLaunch, a.Habit = fromMillis(first), fromMillis(last), h.habit(last)
	err := errors.Join(json.Unmarshal([]byte(b), &a.Bundle), json.Unmarshal([]byte(life), &a.Life), json.Unmarshal([]byte(prefs), &a.Prefs))
	a.admitOverride()
	return a, err
}

// admitOverride puts the server that a developer sends the app to on its domain list:
// who says so holds the owner's socket, and may change the bundle as well.
func (a *App) admitOverride() {
	u, err := url.Parse(a.Prefs.URLOverride)
	if r := a.Bundle.Restrictions; r != nil && err == nil && u.Host != "" {
		wider := *r
		wider.DomainAllowList = append(slices.Clone(r.DomainAllowList), u.Hostname())
		a.Bundle.Restrictions = &wider
	}
}

// Get finds an app; code 1013 when there is none.
func Get(tx *db.Tx, id asset.AppID) (App, error) {
	a, err := scan(tx.QueryRow("SELECT "+columns+" FROM apps WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return a, &asset.Error{Code: asset.CodeNotFound, Op: "find app", Subject: string(id), Message: "no such app is installed",
			Help: "see \"larder app list\" for those that are"}
	}
	return a, err
}

// List gives all apps by identifier.
func List(tx *db.Tx) ([]App, error) { return list(tx, "ORDER BY id") }

// UnderWay gives the apps whose installation, update or check is under way.
func UnderWay(tx *db.Tx) ([]App, error) { return list(tx, "WHERE waits ORDER BY id") }

// Authorities are the certificates, in PEM, that the bundles of a group's apps
// bring along: they are trusted for downloads of these apps and of no others.
func Authorities(tx *db.Tx, group asset.GroupID) (pem string, err error) {
	err = tx.QueryRow(`SELECT coalesce(group_concat(json_extract(bundle, '$.Authorities'), char(10)), '') FROM
		(SELECT bundle FROM apps WHERE json_extract(bundle, '$.Group') = ? AND json_extract(bundle, '$.Authorities') <> '' ORDER BY id)`, group).Scan(&pem)
	return pem, err
}

func list(tx *db.Tx, where string) ([]App, error) {
	rows, err := tx.Query("SELECT " + columns + " FROM apps " + where)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []App
	for rows.Next() {
		a, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// Add records a new app; code 1015 when it is installed already.
func Add(tx *db.Tx, a App) error {
	if _, err := Get(tx, a.ID()); err == nil {
		return &asset.Error{Code: asset.CodeState, Op: "install app", Subject: string(a.ID()), Message: "it is installed already",
			Help: "use \"larder app update\" for a new version of it"}
	}
	b, err := json.Marshal(a.Bundle)
	if err != nil {
		return err
	}
	_, err = tx.Exec("INSERT INTO apps (id, bundle, context, life, waits, asks) VALUES (?, ?, ?, '{}', 0, ?)", a.ID(), string(b), a.Context, a.Bundle.Asks())
	if err != nil {
		return err
	}
	if err := SetPreferences(tx, a.ID(), a.Prefs); err != nil {
		return err
	}
	return SetLife(tx, a.ID(), a.Life)
}

// SetBundle records the bundle of an update.
func SetBundle(tx *db.Tx, b bundle.Bundle) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return set(tx, b.ID, "bundle = ?, asks = ?", string(text), b.Asks())
}

// SetLife stores where the app stands.
func SetLife(tx *db.Tx, id asset.AppID, s lifecycle.State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return set(tx, id, "life = ?, waits = ?", string(text), s.Phase != asset.AppReady)
}

// Remove forgets an app and, through the schema, its downloads.
func Remove(tx *db.Tx, id asset.AppID) error {
	_, err := tx.Exec("DELETE FROM apps WHERE id = ?", id)
	return err
}

func set(tx *db.Tx, id asset.AppID, what string, args ...any) error {
	res, err := tx.Exec("UPDATE apps SET "+what+" WHERE id = ?", append(args, id)...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	_, err = Get(tx, id)
	return err
}

func fromMillis(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
