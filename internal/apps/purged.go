package apps

import (
	"larder/asset"
	"larder/internal/db"
)

// maxPurged is how many purged files an app is told of at most; of more it
// learns as Apple's do, by finding them missing (classic §7).
const maxPurged = 4096

// NotePurged keeps that files of an app are deleted, until it was told. It is
// written before they are: to hear of a file that is still there does no harm.
func NotePurged(tx *db.Tx, id asset.AppID, files []asset.PurgedFile) error {
	for _, f := range files {
		if _, err := tx.Exec("INSERT INTO purged (app, path, size) VALUES (?, ?, ?)", id, f.Path, f.Size); err != nil {
			return err
		}
	}
	_, err := tx.Exec("DELETE FROM purged WHERE app = ? AND seq <= (SELECT max(seq) FROM purged WHERE app = ?) - ?", id, id, maxPurged)
	return err
}

// Purged gives up to n files that an app was not told of, oldest first, and the
// mark that ToldPurged takes; 0 when there are none.
func Purged(tx *db.Tx, id asset.AppID, after int64, n int) (files []asset.PurgedFile, last int64, err error) {
	rows, err := tx.Query("SELECT seq, path, size FROM purged WHERE app = ? AND seq > ? ORDER BY seq LIMIT ?", id, after, n)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var f asset.PurgedFile
		if err := rows.Scan(&last, &f.Path, &f.Size); err != nil {
			return nil, 0, err
		}
		files = append(files, f)
	}
	return files, last, rows.Err()
}

// ToldPurged forgets what an app was told of.
func ToldPurged(tx *db.Tx, id asset.AppID, last int64) error {
	_, err := tx.Exec("DELETE FROM purged WHERE app = ? AND seq <= ?", id, last)
	return err
}
