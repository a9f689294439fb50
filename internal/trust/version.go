package trust

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"larder/asset"
)

// Version is what a publisher signs of a pack: that this content, whose index
// is IndexSize bytes with this hash, is version Version of pack ID. The index names
// every other byte. Hashes are SHA-256.
type Version struct {
	ID        string
	Version   int64
	Content   [32]byte
	Index     [32]byte
	IndexSize int64
}

// custom travels with a target of the publisher.
type custom struct {
	Content string `json:"content"`
}

func (v Version) target() (*metadata.TargetFiles, error) {
	raw, err := json.Marshal(custom{Content: hex.EncodeToString(v.Content[:])})
	if err != nil {
		return nil, err
	}
	c := json.RawMessage(raw)
	return &metadata.TargetFiles{Length: v.IndexSize, Hashes: metadata.Hashes{"sha256": v.Index[:]}, Custom: &c}, nil
}

// VersionOf gives the version that a row of a download manifest names. A row that names
// neither content nor index is 1005: no signature can be about it.
func VersionOf(p asset.Pack) (Version, error) {
	v := Version{ID: string(p.ID), Version: p.Version, IndexSize: p.IndexSize}
	content, err1 := hex.DecodeString(p.Content)
	index, err2 := hex.DecodeString(p.Index)
	if err1 != nil || err2 != nil || len(content) != len(v.Content) || len(index) != len(v.Index) {
		e := fault(asset.CodeSignature, string(p.ID), "the manifest does not name the pack's content and index, so no signature can")
		e.Help = "publish the pack with \"larder publish\""
		return v, e
	}
	copy(v.Content[:], content)
	copy(v.Index[:], index)
	return v, nil
}

// fromTarget reads back what target wrote.
func fromTarget(path string, t *metadata.TargetFiles) (v Version, err error) {
	parts := strings.Split(path, "/")
	if len(parts) != 3 || parts[0] != "packs" {
		return v, fmt.Errorf("%q is not the name of a pack version", path)
	}
	v.ID, v.IndexSize = parts[1], t.Length
	if v.Version, err = strconv.ParseInt(parts[2], 10, 64); err != nil || v.Version < 0 || versionText(v.Version) != parts[2] {
		return v, fmt.Errorf("%q does not end in a version", path)
	}
	var c custom
	if t.Custom == nil || json.Unmarshal(*t.Custom, &c) != nil {
		return v, fmt.Errorf("%s does not say its content", path)
	}
	content, err := hex.DecodeString(c.Content)
	if err != nil || len(content) != len(v.Content) || len(t.Hashes["sha256"]) != len(v.Index) {
		return v, fmt.Errorf("%s lacks a hash of 32 bytes", path)
	}
	copy(v.Content[:], content)
	copy(v.Index[:], t.Hashes["sha256"])
	return v, nil
}

type versionKey struct {
	id      string
	version int64
}

// Proven is what a site's developer has signed for one release context.
type Proven struct {
	// Manifest is the download manifest, to the byte.
	Manifest []byte
	// Changed says that this call brought something new.
	Changed bool
	// Signed tells people by which keys, and until when it may be acted on.
	Signed Signed

	versions map[versionKey]Version
}

// Signed describes the signatures, for status and logs.
type Signed struct {
	Root      int64     `json:"root"`      // version of the root in force
	Publisher []string  `json:"publisher"` // key IDs that signed the pack versions
	Release   []string  `json:"release"`   // key IDs that signed the manifest
	Expires   time.Time `json:"expires"`   // when changes stop
	Expired   bool      `json:"expired"`
	Bytes     int64     `json:"bytes"` // of metadata that the last check fetched, the manifest not among them
}

// Vouch accepts a pack version that a manifest names if the publisher signed
// just that one. Otherwise it is 1005.
func (p *Proven) Vouch(v Version) error {
	signed, ok := p.versions[versionKey{v.ID, v.Version}]
	subject := fmt.Sprintf("pack %q version %d", v.ID, v.Version)
	if !ok {
		return fault(asset.CodeSignature, subject, "the manifest names it, and the publisher's key has not signed it")
	}
	if signed != v {
		return fault(asset.CodeSignature, subject, "the manifest names other bytes than those that the publisher's key signed")
	}
	return nil
}
