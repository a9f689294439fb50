package catalog

import "time"

// Delta makes a version from another, told by its content.
type Delta struct {
	Base string
	Blob string // SHA-256
	Size int64
}

// PutDelta notes a delta before its blob gets its place.
func (t Tx) PutDelta(version string, d Delta) error {
	return t.exec("INSERT INTO deltas VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET blob = excluded.blob, size = excluded.size", version, d.Base, d.Blob, d.Size)
}

// Deltas lists those that lead to a version.
func (t Tx) Deltas(version string) ([]Delta, error) {
	return all(t, func(r scanner) (d Delta, err error) { return d, r.Scan(&d.Base, &d.Blob, &d.Size) },
		"SELECT base, blob, size FROM deltas WHERE version = ? ORDER BY base", version)
}

// needed says of a version v of a pack p whether its blob may be asked for: it is not
// archived and in some channel not superseded, or is on its way; or it was the last one
// before the present one in production or with external testers, to which people go back.
const needed = `p.archived = 0 AND v.state <> 'FAILED' AND (
	NOT EXISTS (SELECT 1 FROM releases r WHERE r.version = v.id)
	OR EXISTS (SELECT 1 FROM releases r WHERE r.version = v.id AND r.state <> 'SUPERSEDED')
	OR EXISTS (SELECT 1 FROM releases r JOIN versions w ON w.id = r.version WHERE w.pack = p.id AND r.state = 'SUPERSEDED' AND r.live <> 0 AND r.channel <> 'internal'
		GROUP BY r.channel HAVING max(w.number) = v.number))`

// Needs reports whether a blob is the archive, or a delta, of a version that is needed.
func (t Tx) Needs(hash string) (needs bool, err error) {
	err = t.tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM versions v JOIN packs p ON p.id = v.pack WHERE v.blob = ?1 AND `+needed+`)
		OR EXISTS (SELECT 1 FROM deltas d JOIN versions v ON v.id = d.version JOIN packs p ON p.id = v.pack WHERE d.blob = ?1 AND `+needed+`)`, hash).Scan(&needs)
	return needs, err
}

// Blobs lists all blobs that are needed.
func (t Tx) Blobs() (map[string]bool, error) {
	list, err := all(t, func(r scanner) (s string, err error) { return s, r.Scan(&s) },
		`SELECT v.blob FROM versions v JOIN packs p ON p.id = v.pack WHERE v.blob <> '' AND `+needed+`
		UNION SELECT d.blob FROM deltas d JOIN versions v ON v.id = d.version JOIN packs p ON p.id = v.pack WHERE `+needed)
	set := map[string]bool{}
	for _, h := range list {
		set[h] = true
	}
	return set, err
}

// Orphan notes that a blob is not needed, and gives since when.
func (t Tx) Orphan(hash string, now time.Time) (since time.Time, err error) {
	if err := t.exec("INSERT INTO orphans VALUES (?, ?) ON CONFLICT DO NOTHING", hash, millis(now)); err != nil {
		return since, err
	}
	var ms int64
	err = t.tx.QueryRow("SELECT since FROM orphans WHERE hash = ?", hash).Scan(&ms)
	return fromMillis(ms), err
}

// Adopt notes that a blob is needed again, or gone.
func (t Tx) Adopt(hash string) error { return t.exec("DELETE FROM orphans WHERE hash = ?", hash) }

// Eligible lists the versions of a pack that count against the quota: complete, and not
// superseded in every channel (managed §8.5).
func (t Tx) Eligible(pack string) ([]Version, error) {
	return all(t, scanVersion, versionColumns+` AS v WHERE pack = ? AND state = 'COMPLETE'
		AND EXISTS (SELECT 1 FROM releases r WHERE r.version = v.id AND r.state <> 'SUPERSEDED') ORDER BY number`, pack)
}

// Count is how many versions are in each state.
func (t Tx) Count() (map[string]int64, error) {
	type row struct {
		state string
		n     int64
	}
	list, err := all(t, func(r scanner) (x row, err error) { return x, r.Scan(&x.state, &x.n) }, "SELECT state, count(*) FROM versions GROUP BY state")
	out := map[string]int64{}
	for _, r := range list {
		out[r.state] = r.n
	}
	return out, err
}
