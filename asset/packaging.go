package asset

import (
	"encoding/json"
	"slices"
	"strings"
)

// PackagingManifest says what goes into one pack, in Apple's schema (managed §6.3)
// with Linux and Windows among the platforms.
type PackagingManifest struct {
	AssetPackID    PackID
	DownloadPolicy DownloadPolicy
	FileSelectors  []Selector
	Platforms      []Platform // none means all
	Language       string     // of a localized pack; empty otherwise
	// SourceRoot is the directory in which the selectors look, relative to the
	// manifest's own directory or absolute; empty means that directory.
	SourceRoot string
	UserInfo   json.RawMessage // an object, or nil
}

// SelectorKind is what a selector does, named by its first key.
type SelectorKind string

// The six shapes of a selector.
const (
	SelectFile        SelectorKind = "file"            // one file, at its own path
	SelectDirectory   SelectorKind = "directory"       // all below a directory, at their own paths
	SelectPattern     SelectorKind = "filePattern"     // files whose paths match a glob
	SelectMovedFile   SelectorKind = "fileSource"      // one file, at another path
	SelectMovedFolder SelectorKind = "directorySource" // all below a directory, below another
	SelectExclusion   SelectorKind = "fileExclusion"   // takes out what others select
)

// destinations are the second keys, of the shapes that have one.
var destinations = map[SelectorKind]string{SelectMovedFile: "fileDestination", SelectMovedFolder: "directoryDestination"}

var selectorKinds = []SelectorKind{SelectFile, SelectDirectory, SelectPattern, SelectMovedFile, SelectMovedFolder, SelectExclusion}

// Selector adds files to a pack or takes some out. Paths have slashes, are relative
// and never go up; "." is the source root or, as a destination, the pack's root.
type Selector struct {
	Kind        SelectorKind
	Source      string // a path, or the glob of a pattern or exclusion
	Destination string // of the two kinds that move
	Line        int    // where it stands in the manifest; 0 when it was not read
}

// String gives `directorySource "a" → "b"`.
func (s Selector) String() string {
	text := string(s.Kind) + " " + quote(s.Source)
	if destinations[s.Kind] != "" {
		text += " → " + quote(s.Destination)
	}
	return text
}

// MarshalJSON gives the object that manifests have.
func (s Selector) MarshalJSON() ([]byte, error) {
	text := append(append([]byte("{"), quoted(string(s.Kind))...), ':')
	text = append(text, quoted(s.Source)...)
	if second := destinations[s.Kind]; second != "" {
		text = append(append(append(append(text, ','), quoted(second)...), ':'), quoted(s.Destination)...)
	}
	return append(text, '}'), nil
}

// MarshalJSON gives the manifest as one writes it.
func (m PackagingManifest) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		AssetPackID    PackID          `json:"assetPackID"`
		DownloadPolicy DownloadPolicy  `json:"downloadPolicy"`
		SourceRoot     string          `json:"sourceRoot,omitempty"`
		FileSelectors  []Selector      `json:"fileSelectors"`
		Platforms      []Platform      `json:"platforms"`
		Language       string          `json:"language,omitempty"`
		UserInfo       json.RawMessage `json:"userInfo,omitempty"`
	}{m.AssetPackID, m.DownloadPolicy, m.SourceRoot, append([]Selector{}, m.FileSelectors...), append([]Platform{}, m.Platforms...), m.Language, m.UserInfo})
}

// Canonical is the manifest as a pack carries it: the same bytes for manifests that
// mean the same. Selectors are sorted, and the source root is left out: it tells of
// the machine on which the pack was made, not of the pack.
func (m PackagingManifest) Canonical() []byte {
	m.SourceRoot, m.FileSelectors = "", slices.Clone(m.FileSelectors)
	slices.SortFunc(m.FileSelectors, func(a, b Selector) int {
		x := slices.Index(selectorKinds, a.Kind) - slices.Index(selectorKinds, b.Kind)
		if x == 0 {
			x = strings.Compare(a.Source, b.Source)
		}
		if x == 0 {
			x = strings.Compare(a.Destination, b.Destination)
		}
		return x
	})
	text, err := m.MarshalJSON()
	if err != nil {
		return nil // UserInfo is not JSON: the manifest was not read by us
	}
	return text
}
