package trust

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"larder/asset"
)

// walk is one way from what a device remembers to what the site says now: the
// client workflow of TUF, section 5.3, over our record.
type walk struct {
	client *Client
	ctx    context.Context
	rec    *record
	bytes  int64 // of metadata fetched
	t      *trustedmetadata.TrustedMetadata
}

func (w *walk) fetch(name string, r Role, validator string) (Document, error) {
	d, err := w.client.Fetcher.Fetch(w.ctx, name, r.limit(), validator)
	if asset.CodeOf(err) == asset.CodeTooLarge || int64(len(d.Bytes)) > r.limit() {
		return d, Endless(name, r.limit())
	}
	if err != nil {
		return d, err
	}
	w.bytes += int64(len(d.Bytes))
	return d, nil
}

// run goes from the site's timestamp to its manifest. The record is whole again when
// it succeeds; the newest timestamp is kept in any case.
func (w *walk) run(stamp Document) error {
	if err := w.roots(); err != nil {
		return err
	}
	switch {
	case stamp.Unchanged && w.rec.Newest == nil: // the key behind it is no longer in force
		var err error
		if stamp, err = w.fetch(TimestampFile, RoleTimestamp, ""); err != nil {
			return err
		}
	case stamp.Unchanged:
		stamp = Document{Bytes: w.rec.Newest, Validator: w.rec.Validator}
	}
	newest := w.rec.Newest
	if err := w.timestamp(stamp.Bytes); err != nil {
		return err
	}
	if !bytes.Equal(newest, w.rec.Newest) {
		if err := w.client.save(w.rec); err != nil {
			return err
		}
	}
	if err := w.snapshot(); err != nil {
		return err
	}
	for _, r := range w.client.roles() {
		if err := w.role(r); err != nil {
			return err
		}
	}
	if err := w.manifest(); err != nil {
		return err
	}
	w.rec.Timestamp, w.rec.Validator = w.rec.Newest, stamp.Validator
	return nil
}

// roots follows the chain of roots to its end. A root is written down at once: it is
// proved, and a device that must follow many may be interrupted.
func (w *walk) roots() error {
	err := guarded("root "+recordFile, func() (err error) {
		if w.t, err = trustedmetadata.New(w.rec.Root); err == nil {
			err = sound(w.t.Root)
		}
		return err
	})
	if err != nil {
		return err
	}
	before := w.t.Root
	for range maxRotations {
		name := versionedFile(RoleRoot, w.t.Root.Signed.Version+1)
		d, err := w.fetch(name, RoleRoot, "")
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		if err := guarded(name, func() error {
			if _, err := w.t.UpdateRoot(d.Bytes); err != nil {
				return err
			}
			return sound(w.t.Root)
		}); err != nil {
			return err
		}
		w.rec.Root = d.Bytes
	}
	if w.t.Root == before {
		return nil
	}
	// Whoever holds new keys for these need not outbid the numbers of a thief
	// (TUF 5.3.11), nor a time that the thief signed.
	if changed(before, w.t.Root, RoleTimestamp) || changed(before, w.t.Root, RoleSnapshot) {
		w.rec.Newest, w.rec.Timestamp, w.rec.Snapshot, w.rec.Issued, w.rec.Validator = nil, nil, nil, time.Time{}, ""
	}
	return w.client.save(w.rec)
}

// sound refuses a root that would let anybody in.
func sound(root *metadata.Metadata[metadata.RootType]) error {
	for _, r := range []Role{RoleRoot, RoleTargets, RoleSnapshot, RoleTimestamp} {
		held, ok := root.Signed.Roles[string(r)]
		if !ok || held == nil || held.Threshold < 1 {
			return fault(asset.CodeSignature, "root", "it asks for no signature by %s", r)
		}
	}
	return nil
}

func changed(a, b *metadata.Metadata[metadata.RootType], r Role) bool {
	keys := map[string]bool{}
	for _, id := range a.Signed.Roles[string(r)].KeyIDs {
		keys[id] = true
	}
	for _, id := range b.Signed.Roles[string(r)].KeyIDs {
		if !keys[id] {
			return true
		}
		delete(keys, id)
	}
	return len(keys) > 0
}

func (w *walk) timestamp(fetched []byte) error {
	if w.rec.Newest != nil {
		w.t.RefTime = always
		if err := guarded(TimestampFile, func() error {
			_, err := w.t.UpdateTimestamp(w.rec.Newest)
			return err
		}); err != nil {
			return err // the keys are those it was proved by
		}
	}
	w.t.RefTime = w.client.now(w.rec)
	err := guarded(TimestampFile, func() error {
		_, err := w.t.UpdateTimestamp(fetched)
		if same := (*metadata.ErrEqualVersionNumber)(nil); !errors.As(err, &same) {
			if err == nil {
				w.rec.Newest = fetched
			}
			return err
		}
		if w.t.Timestamp.Signed.IsExpired(w.t.RefTime) {
			return &metadata.ErrExpiredMetadata{}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if at := issued(w.t.Timestamp); at.After(w.rec.Issued) {
		w.rec.Issued = at
	}
	return nil
}

// issuedField is the signed time of a timestamp, RFC 3339. TUF has none of its own.
const issuedField = "x-larder-issued"

func issued(t *metadata.Metadata[metadata.TimestampType]) time.Time {
	text, _ := t.Signed.UnrecognizedFields[issuedField].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.After(t.Signed.Expires) {
		return time.Time{}
	}
	return at.UTC()
}

func (w *walk) snapshot() error {
	if w.rec.Snapshot != nil {
		err := guarded("snapshot", func() error {
			_, err := w.t.UpdateSnapshot(w.rec.Snapshot, true)
			return err
		})
		if err == nil {
			return nil
		}
		// An older one stays loaded and guards against going back.
	}
	meta, ok := w.t.Timestamp.Signed.Meta[RoleSnapshot.metaName()]
	if !ok || meta == nil {
		return fault(asset.CodeSignature, TimestampFile, "it names no snapshot")
	}
	name := versionedFile(RoleSnapshot, meta.Version)
	d, err := w.fetch(name, RoleSnapshot, "")
	if err != nil {
		return absent(name, err)
	}
	if err := guarded(name, func() error {
		_, err := w.t.UpdateSnapshot(d.Bytes, false)
		return err
	}); err != nil {
		return err
	}
	w.rec.Snapshot = d.Bytes
	return nil
}

// role takes the metadata of a role that the snapshot names, from the record if
// it is there already.
func (w *walk) role(r Role) error {
	use := func(b []byte) error {
		_, err := w.t.UpdateDelegatedTargets(b, string(r), r.delegator())
		if err == nil && r == RoleTargets {
			err = w.delegations()
		}
		return err
	}
	if b := w.rec.Roles[r]; b != nil && guarded(string(r), func() error { return use(b) }) == nil {
		return nil
	}
	meta, ok := w.t.Snapshot.Signed.Meta[r.metaName()]
	if !ok || meta == nil {
		return fault(asset.CodeSignature, "snapshot", "it does not name %s", r)
	}
	name := versionedFile(r, meta.Version)
	d, err := w.fetch(name, r, "")
	if err != nil {
		return absent(name, err)
	}
	if err := guarded(name, func() error { return use(d.Bytes) }); err != nil {
		return err
	}
	w.rec.Roles[r] = d.Bytes
	return nil
}

// delegations judges whom the targets name.
func (w *walk) delegations() error {
	d := w.t.Targets[string(RoleTargets)].Signed.Delegations
	if d == nil {
		return fault(asset.CodeSignature, "targets", "it names no publisher")
	}
	return apart(d)
}

// apart holds the two tiers apart: no key may be on both, for then a thief of
// one would have the other.
func apart(d *metadata.Delegations) error {
	holder := map[string]Role{}
	for _, d := range d.Roles {
		r := Role(d.Name)
		if !r.delegated() {
			continue
		}
		if d.Threshold < 1 || len(d.KeyIDs) == 0 {
			return fault(asset.CodeSignature, "targets", "it asks for no signature by %s", r)
		}
		for _, id := range d.KeyIDs {
			if other, taken := holder[id]; taken && (other == RolePublisher) != (r == RolePublisher) {
				return fault(asset.CodeSignature, "targets", "%s and %s have a key in common", other, r)
			}
			holder[id] = r
		}
	}
	return nil
}

func (w *walk) manifest() error {
	context := w.client.Context
	target, ok := w.t.Targets[string(ReleaseRole(context))].Signed.Targets[manifestPath(context)]
	if !ok || target == nil {
		return fault(asset.CodeSignature, manifestPath(context), "the release key has signed no such manifest")
	}
	hash := target.Hashes["sha256"]
	if len(hash) != 32 || target.Length > maxManifest {
		return fault(asset.CodeSignature, manifestPath(context), "it is larger than %d bytes, or has no hash", maxManifest)
	}
	if old := w.rec.Manifests[context]; old != nil && target.VerifyLengthHashes(old) == nil {
		return nil
	}
	if offer := w.client.Offer; offer != nil && target.VerifyLengthHashes(offer) == nil {
		w.rec.Manifests[context] = offer
		return nil
	}
	name := ManifestFile(context, [32]byte(hash))
	d, err := w.client.Fetcher.Fetch(w.ctx, name, target.Length, "")
	if asset.CodeOf(err) == asset.CodeTooLarge {
		return Endless(name, target.Length)
	}
	if err != nil {
		return absent(name, err)
	}
	if err := target.VerifyLengthHashes(d.Bytes); err != nil {
		return fault(asset.CodeSignature, name, "its bytes are not those that the release key signed (SHA-256 %s)", hex.EncodeToString(hash))
	}
	w.rec.Manifests[context] = d.Bytes
	return nil
}

// absent says that the site lacks what its own metadata names.
func absent(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault(asset.CodeSignature, name, "the site's metadata names it, and the site does not have it")
	}
	return err
}
