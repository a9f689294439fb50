package trust

import (
	"encoding/hex"
	"errors"
	"io/fs"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"larder/asset"
)

// Version numbers what a site has signed: it rises whenever devices have something to learn.
func (r *Repository) Version() int64 { return r.snapshot.Signed.Version }

// Authority numbers who may sign: the versions of root and targets. They rise when keys are changed.
func (r *Repository) Authority() (root, targets int64) {
	return r.root.Signed.Version, r.targets.Signed.Version
}

// Contexts have a signed manifest.
func (r *Repository) Contexts() (all []string) {
	for _, role := range r.delegations() {
		context, release := role.context()
		if m := r.delegated[role]; release && m != nil && m.Signed.Targets[manifestPath(context)] != nil {
			all = append(all, context)
		}
	}
	return all
}

// Documents are all that a site needs to deliver what is signed now, but for the manifests. They are in the order in
// which they must be written: the last is the timestamp.
func (r *Repository) Documents() ([]File, error) {
	var all []File
	for v := int64(1); v <= r.root.Signed.Version; v++ {
		name := versionedFile(RoleRoot, v)
		b, err := r.read(name, maxRoot)
		if err != nil {
			return nil, absent(name, err)
		}
		all = append(all, File{Name: name, Bytes: b})
	}
	for _, role := range append([]Role{RoleTargets}, append(r.delegations(), RoleSnapshot)...) {
		version := r.snapshot.Signed.Version
		if role != RoleSnapshot {
			meta := r.snapshot.Signed.Meta[role.metaName()]
			if meta == nil {
				continue
			}
			version = meta.Version
		}
		if b := r.stored[role]; b != nil {
			all = append(all, File{Name: versionedFile(role, version), Bytes: b})
		}
	}
	return append(all, File{Name: TimestampFile, Bytes: r.stored[RoleTimestamp]}), nil
}

// ManifestsAt are the manifests that a site had signed at an earlier version. What they say is only good for
// leaving out what somebody has: nobody vouches for them any more.
func (r *Repository) ManifestsAt(version int64) (all [][]byte, err error) {
	name := versionedFile(RoleSnapshot, version)
	b, err := r.read(name, maxSnapshot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &asset.Error{Code: asset.CodeNotFound, Op: "read site", Subject: name, Message: "the site never had this version",
			Help: "name one that an export told, or leave it out to take everything"}
	}
	if err != nil {
		return nil, err
	}
	err = guarded(name, func() error {
		snapshot, err := metadata.Snapshot().FromBytes(b)
		if err != nil {
			return err
		}
		for _, role := range r.delegations() {
			context, release := role.context()
			meta := snapshot.Signed.Meta[role.metaName()]
			if !release || meta == nil {
				continue
			}
			text, err := r.manifestAt(role, context, meta.Version)
			if err != nil {
				return err
			}
			if text != nil {
				all = append(all, text)
			}
		}
		return nil
	})
	return all, err
}

func (r *Repository) manifestAt(role Role, context string, version int64) ([]byte, error) {
	name := versionedFile(role, version)
	b, err := r.read(name, role.limit())
	if err != nil {
		return nil, absent(name, err)
	}
	m, err := metadata.Targets().FromBytes(b)
	if err != nil {
		return nil, err
	}
	target := m.Signed.Targets[manifestPath(context)]
	if target == nil {
		return nil, nil
	}
	hash := target.Hashes["sha256"]
	if len(hash) != 32 {
		return nil, errors.New("a manifest has no SHA-256: " + hex.EncodeToString(hash))
	}
	name = ManifestFile(context, [32]byte(hash))
	text, err := r.read(name, maxManifest)
	if err != nil {
		return nil, absent(name, err)
	}
	return text, target.VerifyLengthHashes(text)
}
