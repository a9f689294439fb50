package catalog

import (
	"time"

	"larder/asset"
)

// App is a program whose packs are hosted. Its ID is a number, as at Apple.
type App struct {
	ID      int64
	Bundle  asset.AppID
	Name    string
	Locale  string // the app's language of last resort; may be empty
	Review  bool   // a person decides before external testers and the public get a version
	Quota   int64  // bytes
	Created time.Time
}

const appColumns = "SELECT id, bundle, name, locale, review, quota, created FROM apps"

func scanApp(r scanner) (a App, err error) {
	var created int64
	err = r.Scan(&a.ID, &a.Bundle, &a.Name, &a.Locale, &a.Review, &a.Quota, &created)
	a.Created = fromMillis(created)
	return a, err
}

// AddApp gives an app its ID. A bundle that is there already fails.
func (t Tx) AddApp(a App) (App, error) {
	r, err := t.tx.Exec("INSERT INTO apps (bundle, name, locale, review, quota, created) VALUES (?, ?, ?, ?, ?, ?)",
		a.Bundle, a.Name, a.Locale, a.Review, a.Quota, millis(a.Created))
	if err != nil {
		return a, err
	}
	a.ID, err = r.LastInsertId()
	return a, err
}

// App reads one.
func (t Tx) App(id int64) (App, error) {
	return one(scanApp, t.tx.QueryRow(appColumns+" WHERE id = ?", id))
}

// AppOf reads the app of a bundle.
func (t Tx) AppOf(bundle asset.AppID) (App, error) {
	return one(scanApp, t.tx.QueryRow(appColumns+" WHERE bundle = ?", bundle))
}

// Apps lists all.
func (t Tx) Apps() ([]App, error) { return all(t, scanApp, appColumns+" ORDER BY id") }

// SetApp changes name, locale, review and quota.
func (t Tx) SetApp(a App) error {
	return t.change("UPDATE apps SET name = ?, locale = ?, review = ?, quota = ? WHERE id = ?", a.Name, a.Locale, a.Review, a.Quota, a.ID)
}

// Key is the public half of a key with which callers sign their requests.
type Key struct {
	ID      string
	Name    string
	Role    string
	App     int64  // the one that it may touch; 0: all
	Public  []byte // PKIX, DER
	Created time.Time
	Revoked time.Time // zero: it is in force
}

const keyColumns = "SELECT id, name, role, app, public, created, revoked FROM keys"

func scanKey(r scanner) (k Key, err error) {
	var created, revoked int64
	err = r.Scan(&k.ID, &k.Name, &k.Role, &k.App, &k.Public, &created, &revoked)
	k.Created, k.Revoked = fromMillis(created), maybe(revoked)
	return k, err
}

// AddKey adds one.
func (t Tx) AddKey(k Key) error {
	return t.exec("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, 0)", k.ID, k.Name, k.Role, k.App, k.Public, millis(k.Created))
}

// Key reads one, in force or not.
func (t Tx) Key(id string) (Key, error) {
	return one(scanKey, t.tx.QueryRow(keyColumns+" WHERE id = ?", id))
}

// Keys lists all.
func (t Tx) Keys() ([]Key, error) { return all(t, scanKey, keyColumns+" ORDER BY created, id") }

// Revoke ends a key for good.
func (t Tx) Revoke(id string, now time.Time) error {
	return t.change("UPDATE keys SET revoked = ? WHERE id = ? AND revoked = 0", millis(now), id)
}
