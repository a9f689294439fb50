package catalog

import (
	"encoding/json"
	"time"

	"larder/asset"
)

// Pack is an asset pack of an app, with all its versions.
type Pack struct {
	ID         string
	App        int64
	Identifier asset.PackID
	Created    time.Time
	Archived   bool // for good
}

const packColumns = "SELECT id, app, identifier, created, archived FROM packs"

func scanPack(r scanner) (p Pack, err error) {
	var created int64
	err = r.Scan(&p.ID, &p.App, &p.Identifier, &created, &p.Archived)
	p.Created = fromMillis(created)
	return p, err
}

// AddPack gives a pack its ID.
func (t Tx) AddPack(p Pack) (Pack, error) {
	p.ID = NewID()
	return p, t.exec("INSERT INTO packs VALUES (?, ?, ?, ?, 0, 0)", p.ID, p.App, p.Identifier, millis(p.Created))
}

// Pack reads one.
func (t Tx) Pack(id string) (Pack, error) {
	return one(scanPack, t.tx.QueryRow(packColumns+" WHERE id = ?", id))
}

// PackOf reads the pack of an app with that identifier, whatever its case, archived or not.
func (t Tx) PackOf(app int64, identifier asset.PackID) (Pack, error) {
	return one(scanPack, t.tx.QueryRow(packColumns+" WHERE app = ? AND identifier = ?", app, identifier))
}

// Packs lists those of an app, the oldest first.
func (t Tx) Packs(app int64) ([]Pack, error) {
	return all(t, scanPack, packColumns+" WHERE app = ? ORDER BY rowid", app)
}

// Archive ends a pack for good.
func (t Tx) Archive(id string) error {
	return t.change("UPDATE packs SET archived = 1 WHERE id = ?", id)
}

// Version states (managed §8.4).
const (
	AwaitingUpload = "AWAITING_UPLOAD"
	Processing     = "PROCESSING"
	Failed         = "FAILED"
	Complete       = "COMPLETE"
)

// Detail is one thing that is to be said of a version or file.
type Detail struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

// Details are all of them.
type Details struct {
	Errors   []Detail `json:"errors,omitempty"`
	Warnings []Detail `json:"warnings,omitempty"`
	Infos    []Detail `json:"infos,omitempty"`
}

// Version is one version of a pack.
type Version struct {
	ID        string
	Pack      string
	Number    int64
	State     string
	Details   Details
	Platforms []string // as Apple spells them; with LINUX and WINDOWS
	Locale    string
	Created   time.Time
	Blob      string      // SHA-256 of the archive; empty until it is known
	Size      int64       // of the archive
	Offer     *asset.Pack // its row in a download manifest, nil until it is known
}

const versionColumns = "SELECT id, pack, number, state, details, platforms, locale, created, blob, size, offer FROM versions"

func scanVersion(r scanner) (v Version, err error) {
	var created int64
	var details, platforms, offer []byte
	if err = r.Scan(&v.ID, &v.Pack, &v.Number, &v.State, &details, &platforms, &v.Locale, &created, &v.Blob, &v.Size, &offer); err != nil {
		return v, err
	}
	v.Created = fromMillis(created)
	if err = json.Unmarshal(details, &v.Details); err == nil {
		err = json.Unmarshal(platforms, &v.Platforms)
	}
	if err == nil && len(offer) > 0 {
		var m *asset.DownloadManifest
		if m, err = asset.ParseDownloadManifest(offer); err == nil {
			v.Offer = &m.Packs[0]
		}
	}
	return v, err
}

// AddVersion gives the next version of a pack its ID and number.
func (t Tx) AddVersion(pack string, now time.Time) (v Version, err error) {
	v = Version{ID: NewID(), Pack: pack, State: AwaitingUpload, Created: now}
	if err = t.tx.QueryRow("UPDATE packs SET last = last + 1 WHERE id = ? RETURNING last", pack).Scan(&v.Number); err != nil {
		return v, err
	}
	return v, t.exec("INSERT INTO versions VALUES (?, ?, ?, ?, '{}', '[]', '', ?, '', 0, '')", v.ID, pack, v.Number, v.State, millis(now))
}

// Version reads one.
func (t Tx) Version(id string) (Version, error) {
	return one(scanVersion, t.tx.QueryRow(versionColumns+" WHERE id = ?", id))
}

// Versions lists those of a pack, the oldest first.
func (t Tx) Versions(pack string) ([]Version, error) {
	return all(t, scanVersion, versionColumns+" WHERE pack = ? ORDER BY number", pack)
}

// SetVersion writes all that can change of one, and has webhooks told.
func (t Tx) SetVersion(v Version) error {
	if err := t.versionChanged(v); err != nil {
		return err
	}
	offer := ""
	if v.Offer != nil { // as a manifest of one pack, which has a reader
		offer = text(asset.DownloadManifest{Packs: []asset.Pack{*v.Offer}})
	}
	if v.Platforms == nil {
		v.Platforms = []string{}
	}
	return t.change("UPDATE versions SET state = ?, details = ?, platforms = ?, locale = ?, blob = ?, size = ?, offer = ? WHERE id = ?",
		v.State, text(v.Details), text(v.Platforms), v.Locale, v.Blob, v.Size, offer, v.ID)
}
