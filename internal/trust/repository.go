package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"larder/asset"
)

// File is a document for the site, to be written below the app's part of it.
type File struct {
	Name  string
	Bytes []byte
}

// Repository is an app's metadata at the publisher's end: read from the site, proved,
// edited, and given back as files. Methods that need a key which is not at hand
// say which one (1005) and change nothing that [Repository.Files] gives.
type Repository struct {
	read  Read // of the site; nil while there is none
	keys  []Key
	life  Lifetimes
	now   time.Time
	root  *metadata.Metadata[metadata.RootType]
	roots []File // not yet on the site

	targets   *metadata.Metadata[metadata.TargetsType]
	delegated map[Role]*metadata.Metadata[metadata.TargetsType]
	snapshot  *metadata.Metadata[metadata.SnapshotType]
	timestamp *metadata.Metadata[metadata.TimestampType]

	floor     int64           // what is signed gets a version above it
	stored    map[Role][]byte // as on the site
	dirty     map[Role]bool   // to be written anew
	manifests []File
}

// Read gives a document of the site, at most limit bytes; fs.ErrNotExist if there is none.
type Read func(name string, limit int64) ([]byte, error)

// OpenRepository reads and proves what the site has, from a root that the
// publisher trusts. Expiry does not matter here: publishing is what mends it.
func OpenRepository(read Read, root []byte, keys []Key, life Lifetimes, now time.Time) (*Repository, error) {
	r := &Repository{read: read, keys: keys, life: life.withDefaults(), now: now.UTC().Truncate(time.Second),
		delegated: map[Role]*metadata.Metadata[metadata.TargetsType]{}, stored: map[Role][]byte{}, dirty: map[Role]bool{}}
	var t *trustedmetadata.TrustedMetadata
	if err := guarded("root", func() (err error) {
		if t, err = trustedmetadata.New(root); err == nil {
			err = sound(t.Root)
		}
		return err
	}); err != nil {
		return nil, err
	}
	t.RefTime = always
	for {
		name := versionedFile(RoleRoot, t.Root.Signed.Version+1)
		b, err := read(name, maxRoot)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err == nil {
			err = guarded(name, func() error {
				if _, err := t.UpdateRoot(b); err != nil {
					return err
				}
				return sound(t.Root)
			})
		}
		if err != nil {
			return nil, err
		}
	}
	r.root = t.Root
	return r, r.readRest(read, t)
}

func (r *Repository) readRest(read Read, t *trustedmetadata.TrustedMetadata) error {
	b, err := read(TimestampFile, MaxTimestamp)
	if errors.Is(err, fs.ErrNotExist) {
		return r.empty()
	}
	if err != nil {
		return err
	}
	take := func(role Role, version int64, use func([]byte) error) error {
		name := versionedFile(role, version)
		b, err := read(name, role.limit())
		if err != nil {
			return absent(name, err)
		}
		r.stored[role] = b
		return guarded(name, func() error { return use(b) })
	}
	r.stored[RoleTimestamp] = b
	if err := guarded(TimestampFile, func() error { _, err := t.UpdateTimestamp(b); return err }); err != nil {
		return err
	}
	r.timestamp = t.Timestamp
	meta := t.Timestamp.Signed.Meta[RoleSnapshot.metaName()]
	if meta == nil {
		return fault(asset.CodeSignature, TimestampFile, "it names no snapshot")
	}
	if err := take(RoleSnapshot, meta.Version, func(b []byte) error { _, err := t.UpdateSnapshot(b, false); return err }); err != nil {
		return err
	}
	r.snapshot = t.Snapshot
	role := func(role Role) error {
		meta := t.Snapshot.Signed.Meta[role.metaName()]
		if meta == nil {
			return nil
		}
		return take(role, meta.Version, func(b []byte) error {
			_, err := t.UpdateDelegatedTargets(b, string(role), role.delegator())
			return err
		})
	}
	if err := role(RoleTargets); err != nil {
		return err
	}
	r.targets = t.Targets[string(RoleTargets)]
	if r.targets == nil || r.targets.Signed.Delegations == nil {
		return fault(asset.CodeSignature, "targets", "it names no publisher")
	}
	for _, d := range r.targets.Signed.Delegations.Roles {
		if err := role(Role(d.Name)); err != nil {
			return err
		}
		if m := t.Targets[d.Name]; m != nil {
			r.delegated[Role(d.Name)] = m
		}
	}
	return nil
}

// empty begins the metadata of a site that has none, below a root.
func (r *Repository) empty() error {
	r.targets = metadata.Targets(r.now.Add(r.life.Offline))
	r.targets.Signed.Version = 0
	r.targets.Signed.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}}
	r.snapshot = metadata.Snapshot(r.now.Add(r.life.Release))
	r.snapshot.Signed.Version = 0
	r.snapshot.Signed.Meta = map[string]*metadata.MetaFiles{}
	r.timestamp = metadata.Timestamp(r.now.Add(r.life.Timestamp))
	r.timestamp.Signed.Version = 0
	return nil
}

// Above has everything but root and targets signed anew with versions above floor, where a key is at hand: for
// a site that devices saw at versions which nobody has any more. What is above it already stays.
func (r *Repository) Above(floor int64) { r.floor = floor }

// Root is the newest root, for bundles.
func (r *Repository) Root() ([]byte, error) { return r.root.ToBytes(false) }

// SetVersions makes versions the whole of what the publisher vouches for. If it is so
// already, nothing is signed, and the publisher's key is not needed.
func (r *Repository) SetVersions(versions []Version) error {
	want := map[string]*metadata.TargetFiles{}
	for _, v := range versions {
		t, err := v.target()
		if err != nil {
			return err
		}
		want[packPath(v.ID, versionText(v.Version))] = t
	}
	return r.edit(RolePublisher, r.life.Offline, want)
}

// Versions that the publisher vouches for now.
func (r *Repository) Versions() ([]Version, error) {
	m := r.delegated[RolePublisher]
	if m == nil {
		return nil, nil
	}
	var all []Version
	for path, t := range m.Signed.Targets {
		v, err := fromTarget(path, t)
		if err != nil {
			return nil, fault(asset.CodeSignature, string(RolePublisher), "%v", err)
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b Version) int {
		if a.ID != b.ID {
			return compare(a.ID, b.ID)
		}
		return compare(a.Version, b.Version)
	})
	return all, nil
}

// Manifest reads the manifest of a context that is signed, and proves it as a device would:
// each pack version in it must be the publisher's. It is nil if none is signed. vouch gives
// the versions that a manifest names.
func (r *Repository) Manifest(context string, vouch func(manifest []byte) ([]Version, error)) ([]byte, error) {
	m := r.delegated[ReleaseRole(context)]
	if m == nil || m.Signed.Targets[manifestPath(context)] == nil {
		return nil, nil
	}
	target := m.Signed.Targets[manifestPath(context)]
	hash := target.Hashes["sha256"]
	if len(hash) != 32 {
		return nil, fault(asset.CodeSignature, manifestPath(context), "it is signed without a SHA-256")
	}
	name := ManifestFile(context, [32]byte(hash))
	b, err := r.read(name, maxManifest)
	if err != nil {
		return nil, absent(name, err)
	}
	if err := target.VerifyLengthHashes(b); err != nil {
		return nil, fault(asset.CodeSignature, name, "its bytes are not those that the release key signed")
	}
	named, err := vouch(b)
	if err != nil {
		return nil, err
	}
	signed, err := r.Versions()
	if err != nil {
		return nil, err
	}
	p := Proven{versions: map[versionKey]Version{}}
	for _, v := range signed {
		p.versions[versionKey{v.ID, v.Version}] = v
	}
	for _, v := range named {
		if err := p.Vouch(v); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// next is the first version after this one whose document the site does not have: one that is there was
// left by a publication that was cut off, or is written by another right now, and must not change.
func (r *Repository) next(role Role, version int64) (int64, error) {
	version = max(version, r.floor)
	for range maxLeft {
		version++
		if r.read == nil {
			return version, nil
		}
		name := versionedFile(role, version)
		_, err := r.read(name, role.limit())
		if errors.Is(err, fs.ErrNotExist) {
			return version, nil
		}
		if err != nil && asset.CodeOf(err) != asset.CodeTooLarge {
			return 0, err
		}
	}
	return 0, fault(asset.CodeSignature, versionedFile(role, version), "it and %d others before it were left there", maxLeft)
}

// maxLeft bounds how many documents next passes over.
const maxLeft = 1 << 10

// SetManifest signs the manifest of a context. If it is signed already, nothing is.
func (r *Repository) SetManifest(context string, manifest []byte) error {
	if len(manifest) > maxManifest {
		return fault(asset.CodeTooLarge, manifestPath(context), "it is larger than %d bytes", maxManifest)
	}
	t, err := metadata.TargetFile().FromBytes(manifestPath(context), manifest, "sha256")
	if err != nil {
		return err
	}
	if err := r.edit(ReleaseRole(context), r.life.Release, map[string]*metadata.TargetFiles{manifestPath(context): t}); err != nil {
		return err
	}
	r.manifests = append(r.manifests, File{Name: ManifestFile(context, [32]byte(t.Hashes["sha256"])), Bytes: manifest})
	return nil
}

// edit signs a delegated role with new targets, unless it has them.
func (r *Repository) edit(role Role, life time.Duration, want map[string]*metadata.TargetFiles) error {
	old := r.delegated[role]
	same := old != nil && !r.dirty[role] && sameTargets(old.Signed.Targets, want) && old.Signed.Expires.After(r.now.Add(life/2))
	if same && old.Signed.Version > r.floor {
		return nil
	}
	m := metadata.Targets(r.now.Add(life))
	m.Signed.Targets = want
	var last int64
	if meta := r.snapshot.Signed.Meta[role.metaName()]; meta != nil {
		last = meta.Version
	}
	var err error
	if m.Signed.Version, err = r.next(role, last); err != nil {
		return err
	}
	keys, threshold := r.holders(role)
	n, err := sign(m, r.keys, keys)
	if err != nil {
		return err
	}
	if n < threshold || threshold == 0 {
		if same { // it is below the floor, and good as long as nobody saw a later one
			return nil
		}
		return lacking(role, n, threshold, keys)
	}
	r.delegated[role], r.dirty[role] = m, true
	return nil
}

// holders are the keys of a role, and how many of them must sign.
func (r *Repository) holders(role Role) ([]string, int) {
	if !role.delegated() {
		if held := r.root.Signed.Roles[string(role)]; held != nil {
			return held.KeyIDs, held.Threshold
		}
		return nil, 0
	}
	for _, d := range r.targets.Signed.Delegations.Roles {
		if d.Name == string(role) {
			return d.KeyIDs, d.Threshold
		}
	}
	return nil, 0
}

func lacking(role Role, have, need int, ids []string) error {
	short := make([]string, len(ids))
	for i, id := range ids {
		short[i] = id[:min(8, len(id))]
	}
	e := &asset.Error{Code: asset.CodeSignature, Op: "sign site", Subject: string(role),
		Message: fmt.Sprintf("%d of %d signatures: the keys at hand are not enough (it takes %v)", have, need, short),
		Help:    "bring the key's file into the directory of keys"}
	if need == 0 {
		e.Message, e.Help = "the site's root names no such role", fmt.Sprintf("add it: larder keys add --role %s", role)
	}
	return e
}

func sameTargets(a, b map[string]*metadata.TargetFiles) bool {
	if len(a) != len(b) {
		return false
	}
	for name, t := range a {
		u, ok := b[name]
		if !ok || t.Length != u.Length || !t.Hashes.Equal(u.Hashes) || (t.Custom == nil) != (u.Custom == nil) ||
			t.Custom != nil && string(*t.Custom) != string(*u.Custom) {
			return false
		}
	}
	return true
}

func compare[T int64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
