package asset

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// DownloadManifest lists the packs that a device may fetch (managed §3.2). It is
// made for one platform and one context; a pack that is no longer in it is obsolete.
type DownloadManifest struct {
	// PrimaryLanguage is the language of last resort, for apps with localized packs.
	PrimaryLanguage string
	// Packs are in the order of the document. A pack may stand there in several
	// versions that fit different versions of the app: the newest that fits counts.
	Packs []Pack
	// Extra keeps the members that this version does not know.
	Extra map[string]json.RawMessage
}

// Pack describes one version of an asset pack: Apple's members, then ours.
type Pack struct {
	ID             PackID
	Version        int64  // 0 to MaxPackVersion; a higher one replaces a lower one
	DownloadSize   int64  // bytes of the archive
	URL            string // absolute, or a path from the manifest's own URL on
	DownloadPolicy DownloadPolicy
	// Host is kept as it is; ThirdPartyHost in what Larder writes.
	Host json.RawMessage
	// UserInfo is the packaging manifest's object, or nil.
	UserInfo json.RawMessage

	// Content names the tree and Index the index, which is the last IndexSize bytes of
	// the archive: 64 hexadecimal digits each, empty when not known.
	Content   string
	Index     string
	IndexSize int64
	// InstallSize is the bytes of all files, 0 when not known.
	InstallSize int64
	Platforms   []Platform // none means all
	Language    string     // of a localized pack (managed §1.8)
	Deltas      []Delta
	AppVersions *AppVersions // nil: it fits every version of the app
	Rollout     *Rollout     // nil: it is for everybody
	// Extra keeps the members that this version does not know.
	Extra map[string]json.RawMessage
}

// ThirdPartyHost is the host of a pack that Apple does not host (managed §3.2).
var ThirdPartyHost = json.RawMessage(`{"thirdParty":{}}`)

// Delta is a file with which the pack can be made from another version, told by
// its content. A device that lacks that version does without.
type Delta struct {
	From string `json:"from"` // the old version's content
	URL  string `json:"url"`
	Size int64  `json:"size"` // bytes
	Hash string `json:"hash"` // SHA-256 of the file
}

// AppVersions are the versions of the app that a pack fits: from Minimum on, and
// below Below. Each has one to three integers, as CFBundleShortVersionString; an
// empty one binds nothing.
type AppVersions struct {
	Minimum string `json:"minimum,omitempty"`
	Below   string `json:"below,omitempty"`
}

// Rollout offers a pack to a part of the devices. Each device draws its place
// between 0 and 100 from the seed, so that it stays there while the percentage rises.
type Rollout struct {
	Percent int    `json:"percent"` // 0 to 100
	Seed    string `json:"seed,omitempty"`
}

// packJSON has the members of a pack that this version knows, in the order in
// which they are written.
type packJSON struct {
	ID             PackID          `json:"id"`
	Version        int64           `json:"version"`
	DownloadSize   int64           `json:"downloadSize"`
	URL            string          `json:"url"`
	DownloadPolicy DownloadPolicy  `json:"downloadPolicy"`
	Host           json.RawMessage `json:"host,omitempty"`
	UserInfo       json.RawMessage `json:"userInfo,omitempty"`
	Content        string          `json:"content,omitempty"`
	Index          string          `json:"index,omitempty"`
	IndexSize      int64           `json:"indexSize,omitempty"`
	InstallSize    int64           `json:"installSize,omitempty"`
	Platforms      []Platform      `json:"platforms,omitempty"`
	Language       string          `json:"language,omitempty"`
	Deltas         []Delta         `json:"deltas,omitempty"`
	AppVersions    *AppVersions    `json:"appVersions,omitempty"`
	Rollout        *Rollout        `json:"rollout,omitempty"`
}

var packKeys = []string{"id", "version", "downloadSize", "url", "downloadPolicy", "host", "userInfo", "content", "index", "indexSize",
	"installSize", "platforms", "language", "deltas", "appVersions", "rollout"}

// MarshalJSON gives the members of the documents, those that are empty left out.
func (p Pack) MarshalJSON() ([]byte, error) {
	return withExtra(packJSON{ID: p.ID, Version: p.Version, DownloadSize: p.DownloadSize, URL: p.URL, DownloadPolicy: p.DownloadPolicy,
		Host: p.Host, UserInfo: p.UserInfo, Content: p.Content, Index: p.Index, IndexSize: p.IndexSize, InstallSize: p.InstallSize,
		Platforms: p.Platforms, Language: p.Language, Deltas: p.Deltas, AppVersions: p.AppVersions, Rollout: p.Rollout}, p.Extra)
}

// MarshalJSON gives the document in which devices find it.
func (m DownloadManifest) MarshalJSON() ([]byte, error) {
	return withExtra(struct {
		PrimaryLanguage string `json:"primaryLanguage,omitempty"`
		Packs           []Pack `json:"assetPacks"`
	}{m.PrimaryLanguage, append([]Pack{}, m.Packs...)}, m.Extra)
}

// withExtra is v with the members of extra behind its own.
func withExtra(v any, extra map[string]json.RawMessage) ([]byte, error) {
	b, err := marshal(v)
	if err != nil || len(extra) == 0 {
		return b, err
	}
	b = bytes.TrimSuffix(b, []byte("}"))
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		b = append(append(append(append(b, ','), quoted(key)...), ':'), extra[key]...)
	}
	return append(b, '}'), nil
}

// marshal is json.Marshal without the escapes that only HTML needs.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
