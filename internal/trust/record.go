package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"larder/asset"
	"larder/internal/fsx"
)

// record is all that a device remembers of a site, in one file that is replaced
// in one step: documents that drift apart cannot be told from an attack.
type record struct {
	Anchor    string            `json:"anchor"` // SHA-256 of the bundle's root it grew from
	Root      []byte            `json:"root"`
	Newest    []byte            `json:"newest,omitempty"`    // timestamp; what follows may be older
	Timestamp []byte            `json:"timestamp,omitempty"` // all below belongs together
	Snapshot  []byte            `json:"snapshot,omitempty"`
	Roles     map[Role][]byte   `json:"roles,omitempty"`
	Manifests map[string][]byte `json:"manifests,omitempty"` // by context
	Validator string            `json:"validator,omitempty"` // of the timestamp, as the server named it
	Issued    time.Time         `json:"issued"`              // newest signed time
}

// settled tells that what the newest timestamp names was had. Whoever saw a newer one, and could not
// get that, does not take "nothing changed" for an answer.
func (r *record) settled() bool { return bytes.Equal(r.Newest, r.Timestamp) }

// validator asks a site whether anything changed since the record.
func (r *record) validator() string {
	if !r.settled() {
		return ""
	}
	return r.Validator
}

const recordFile = "trust.json"

const maxRecord = 64 << 20

func anchorOf(root []byte) string {
	h := sha256.Sum256(root)
	return hex.EncodeToString(h[:])
}

// load reads the record; one that is missing, unreadable or of another anchor
// begins anew at the bundle's root.
func (c *Client) load() (*record, error) {
	fresh := &record{Anchor: anchorOf(c.Anchor), Root: c.Anchor, Roles: map[Role][]byte{}, Manifests: map[string][]byte{}}
	name := filepath.Join(c.Dir, recordFile)
	f, err := c.Disk.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxRecord {
		return fresh, nil
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, err
	}
	r := &record{Roles: map[Role][]byte{}, Manifests: map[string][]byte{}}
	if json.Unmarshal(b, r) != nil || r.Anchor != fresh.Anchor || r.Roles == nil || r.Manifests == nil {
		return fresh, nil
	}
	return r, nil
}

func (c *Client) save(r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return &asset.Error{Code: asset.CodeInternal, Op: opVerify, Subject: recordFile, Message: "it cannot be written", Err: err}
	}
	if err := fsx.MkdirAll(c.Disk, c.Dir, 0o700); err != nil {
		return err
	}
	return fsx.WriteFile(c.Disk, filepath.Join(c.Dir, recordFile), b, 0o600)
}
