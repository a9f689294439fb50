package trust

import (
	"bytes"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Files signs snapshot and timestamp anew and gives all that must be written to
// the site, in this order: whoever reads in between finds the old state or the new one.
// The last is the timestamp. With nothing edited it renews what is past half its life
// and the timestamp, which online keys alone can do.
func (r *Repository) Files() ([]File, error) {
	files := append(append([]File(nil), r.roots...), r.manifests...)
	if err := r.renew(); err != nil {
		return nil, err
	}
	moved := false
	for _, role := range append([]Role{RoleTargets}, r.delegations()...) {
		m := r.delegated[role]
		if role == RoleTargets {
			m = r.targets
		}
		if !r.dirty[role] || m == nil {
			continue
		}
		b, err := m.ToBytes(false)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: versionedFile(role, m.Signed.Version), Bytes: b})
		meta, err := metaOf(m.Signed.Version, b)
		if err != nil {
			return nil, err
		}
		r.snapshot.Signed.Meta[role.metaName()] = meta
		moved = true
	}
	if moved || len(r.roots) > 0 || r.snapshot.Signed.Version <= r.floor || !r.snapshot.Signed.Expires.After(r.now.Add(r.life.Release/2)) {
		var err error
		if r.snapshot.Signed.Version, err = r.next(RoleSnapshot, r.snapshot.Signed.Version); err != nil {
			return nil, err
		}
		r.snapshot.Signed.Expires = r.now.Add(r.life.Release)
		b, err := signWhole(r, RoleSnapshot, r.snapshot)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: versionedFile(RoleSnapshot, r.snapshot.Signed.Version), Bytes: b})
		r.stored[RoleSnapshot] = b
	}
	meta, err := metaOf(r.snapshot.Signed.Version, r.stored[RoleSnapshot])
	if err != nil {
		return nil, err
	}
	t := r.timestamp
	t.Signed.Version = max(t.Signed.Version, r.floor) + 1
	t.Signed.Expires = r.now.Add(r.life.Timestamp)
	t.Signed.Meta = map[string]*metadata.MetaFiles{RoleSnapshot.metaName(): meta}
	if t.Signed.UnrecognizedFields == nil {
		t.Signed.UnrecognizedFields = map[string]any{}
	}
	t.Signed.UnrecognizedFields[issuedField] = r.now.Format(time.RFC3339)
	b, err := signWhole(r, RoleTimestamp, t)
	if err != nil {
		return nil, err
	}
	// Servers of files make an ETag of time, in seconds, and size: of two timestamps in one
	// second, whose sizes would be the same, a device would be told that nothing changed.
	b = append(b, bytes.Repeat([]byte("\n"), int(t.Signed.Version%16))...)
	return append(files, File{Name: TimestampFile, Bytes: b}), nil
}

// Changed reports whether anything was signed since the repository was opened, or
// must be renewed: then Files has something to say to devices.
func (r *Repository) Changed() bool {
	if len(r.roots) > 0 || len(r.dirty) > 0 || r.timestamp.Signed.Version == 0 {
		return true
	}
	if !r.timestamp.Signed.Expires.After(r.now.Add(r.life.Timestamp / 2)) {
		return true
	}
	return !r.snapshot.Signed.Expires.After(r.now.Add(r.life.Release / 2))
}

// renew signs releases that are past half their life again, where their key is at hand.
func (r *Repository) renew() error {
	for _, role := range r.delegations() {
		m := r.delegated[role]
		if _, release := role.context(); !release || m == nil || r.dirty[role] {
			continue
		}
		if m.Signed.Expires.After(r.now.Add(r.life.Release/2)) && m.Signed.Version > r.floor {
			continue
		}
		if err := r.edit(role, r.life.Release, m.Signed.Targets); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repository) delegations() []Role {
	var roles []Role
	for _, d := range r.targets.Signed.Delegations.Roles {
		roles = append(roles, Role(d.Name))
	}
	return roles
}

func metaOf(version int64, b []byte) (*metadata.MetaFiles, error) {
	t, err := metadata.TargetFile().FromBytes("", b, "sha256")
	if err != nil {
		return nil, err
	}
	return &metadata.MetaFiles{Version: version, Length: t.Length, Hashes: t.Hashes}, nil
}

// signWhole signs with the keys at hand and insists on the threshold.
func signWhole[T metadata.Roles](r *Repository, role Role, m *metadata.Metadata[T]) ([]byte, error) {
	ids, threshold := r.holders(role)
	m.ClearSignatures()
	n, err := sign(m, r.keys, ids)
	if err != nil {
		return nil, err
	}
	if n < threshold || threshold == 0 {
		return nil, lacking(role, n, threshold, ids)
	}
	return m.ToBytes(false)
}
