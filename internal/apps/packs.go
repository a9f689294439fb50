package apps

import (
	"larder/asset"
	"larder/internal/db"
)

// Explicit names the packs that an app asked for itself, so that a change of
// language does not remove them (managed §1.8).
func Explicit(tx *db.Tx, id asset.AppID) (map[asset.PackID]bool, error) {
	rows, err := tx.Query("SELECT id FROM packs WHERE app = ? AND explicit", id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[asset.PackID]bool{}
	for rows.Next() {
		var p asset.PackID
		if err := rows.Scan(&p); err != nil {
			return nil, err
		}
		out[p] = true
	}
	return out, rows.Err()
}

// MarkExplicit notes that an app asked for a pack.
func MarkExplicit(tx *db.Tx, id asset.AppID, p asset.PackID) error {
	_, err := tx.Exec("INSERT INTO packs (app, id, explicit) VALUES (?, ?, 1) ON CONFLICT (app, id) DO UPDATE SET explicit = 1", id, p)
	return err
}

// ForgetPack forgets what was noted of a pack.
func ForgetPack(tx *db.Tx, id asset.AppID, p asset.PackID) error {
	_, err := tx.Exec("DELETE FROM packs WHERE app = ? AND id = ?", id, p)
	return err
}
