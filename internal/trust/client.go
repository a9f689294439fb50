package trust

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"larder/asset"
	"larder/internal/fsx"
)

// Document is what a site answered.
type Document struct {
	Bytes     []byte
	Validator string // names these bytes at the server (an ETag), or empty
	Unchanged bool   // the server says they are those of the validator asked with
}

// Fetcher reads a document below the app's part of a site: at most limit bytes,
// more is an error. A missing one is fs.ErrNotExist. With a validator that still
// holds, it may answer Unchanged and no bytes.
type Fetcher interface {
	Fetch(ctx context.Context, name string, limit int64, validator string) (Document, error)
}

// Client checks one app's site on a device. All fields but Offer are required. One call at
// a time.
type Client struct {
	Anchor  []byte // the root in the app's bundle
	Context string // release context
	Dir     string // where it remembers, its alone
	Disk    fsx.FS
	Fetcher Fetcher
	Now     func() time.Time
	// Offer is a manifest at hand: if it is the signed one, it need not be fetched. Optional.
	Offer []byte
}

// Refresh asks the site for what is new and proves it. When nothing is, that takes
// one request that transfers no document. What was proved is on the disk when it returns.
//
// Errors: 1005, 1006, or the fetcher's. After any of them the last proved state
// stands, and Known tells it.
func (c *Client) Refresh(ctx context.Context) (*Proven, error) {
	rec, err := c.load()
	if err != nil {
		return nil, err
	}
	w := &walk{client: c, ctx: ctx, rec: rec}
	stamp, err := w.fetch(TimestampFile, RoleTimestamp, rec.validator())
	if err != nil {
		return nil, err
	}
	// A server without validators sends again what is known.
	if stamp.Unchanged || rec.settled() && len(stamp.Bytes) > 0 && bytes.Equal(stamp.Bytes, rec.Timestamp) {
		if p, err := c.known(rec); err == nil && !p.Signed.Expired {
			p.Signed.Bytes = w.bytes
			return p, nil
		}
	}
	before := rec.Manifests[c.Context]
	if err := w.run(stamp); err != nil {
		return nil, err
	}
	if err := c.save(rec); err != nil {
		return nil, err
	}
	p, err := c.known(rec)
	if err != nil {
		return nil, err
	}
	p.Changed, p.Signed.Bytes = !bytes.Equal(before, p.Manifest), w.bytes
	return p, nil
}

// Known is what was proved last, expired or not, without the network. If
// nothing was, it is fs.ErrNotExist.
func (c *Client) Known() (*Proven, error) {
	rec, err := c.load()
	if err != nil {
		return nil, err
	}
	return c.known(rec)
}

// Validator names the timestamp of what was proved last, as the site named it: a request for
// another than that asks whether anything is new. Empty when nothing was proved, or the site
// names nothing.
func (c *Client) Validator() (string, error) {
	rec, err := c.load()
	if err != nil || rec.Manifests[c.Context] == nil {
		return "", err
	}
	return rec.validator(), nil
}

// now is the device's clock, or the newest signed time if the clock is behind it.
func (c *Client) now(rec *record) time.Time {
	if now := c.Now().UTC(); now.After(rec.Issued) {
		return now
	}
	return rec.Issued
}

// always is a time at which nothing has expired: for what was proved before.
var always = time.Unix(0, 0)

// known proves the record again, for the disk may have rotted, whatever the time.
func (c *Client) known(rec *record) (p *Proven, err error) {
	if rec.Manifests[c.Context] == nil {
		return nil, fs.ErrNotExist
	}
	err = guarded("what this device remembers", func() error {
		t, err := trustedmetadata.New(rec.Root)
		if err != nil {
			return err
		}
		t.RefTime = always
		if _, err = t.UpdateTimestamp(rec.Timestamp); err != nil {
			return err
		}
		if _, err = t.UpdateSnapshot(rec.Snapshot, true); err != nil {
			return err
		}
		for _, r := range c.roles() {
			if _, err = t.UpdateDelegatedTargets(rec.Roles[r], string(r), r.delegator()); err != nil {
				return err
			}
		}
		p, err = c.proven(t, rec)
		return err
	})
	return p, err
}

// roles are those that a device reads, each after the one that names it.
func (c *Client) roles() []Role { return []Role{RoleTargets, RolePublisher, ReleaseRole(c.Context)} }

func (r Role) delegator() string {
	if r.delegated() {
		return string(RoleTargets)
	}
	return string(RoleRoot)
}

// proven gathers what both tiers say in t.
func (c *Client) proven(t *trustedmetadata.TrustedMetadata, rec *record) (*Proven, error) {
	p := &Proven{Manifest: rec.Manifests[c.Context], versions: map[versionKey]Version{}}
	release := t.Targets[string(ReleaseRole(c.Context))]
	target, ok := release.Signed.Targets[manifestPath(c.Context)]
	if !ok {
		return nil, errors.New("the release key has signed no manifest")
	}
	if err := target.VerifyLengthHashes(p.Manifest); err != nil || len(target.Hashes["sha256"]) == 0 {
		return nil, fault(asset.CodeSignature, manifestPath(c.Context), "it is not the manifest that the release key signed")
	}
	publisher := t.Targets[string(RolePublisher)]
	for path, target := range publisher.Signed.Targets {
		v, err := fromTarget(path, target)
		if err != nil {
			return nil, err
		}
		p.versions[versionKey{v.ID, v.Version}] = v
	}
	p.Signed = c.signed(t, rec)
	return p, nil
}

func (c *Client) signed(t *trustedmetadata.TrustedMetadata, rec *record) Signed {
	ends := []time.Time{t.Root.Signed.Expires, t.Timestamp.Signed.Expires, t.Snapshot.Signed.Expires}
	for _, r := range c.roles() {
		ends = append(ends, t.Targets[string(r)].Signed.Expires)
	}
	end := slices.MinFunc(ends, time.Time.Compare)
	s := Signed{Root: t.Root.Signed.Version, Expires: end.UTC(), Expired: !end.After(c.now(rec))}
	for _, d := range t.Targets[string(RoleTargets)].Signed.Delegations.Roles {
		switch Role(d.Name) {
		case RolePublisher:
			s.Publisher = signers(t.Targets[d.Name].Signatures, d.KeyIDs)
		case ReleaseRole(c.Context):
			s.Release = signers(t.Targets[d.Name].Signatures, d.KeyIDs)
		}
	}
	return s
}

// signers are the keys of a role that signed.
func signers(all []metadata.Signature, role []string) []string {
	ids := map[string]bool{}
	for _, s := range all {
		if slices.Contains(role, s.KeyID) {
			ids[s.KeyID] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
