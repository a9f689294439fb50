package client

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"larder/asset"
	"larder/internal/language"
)

// AssetPack is one version of a pack as the manifest has it (managed §2.1): a value,
// which can go stale when the server publishes another.
type AssetPack struct {
	asset.Pack
	group asset.GroupID
}

// String is for logs.
func (p AssetPack) String() string { return fmt.Sprintf("%s %d", p.ID, p.Version) }

// Download is the pack as a download that the app schedules itself, with
// DownloadManager: for apps whose packs are not managed (managed §2.1).
func (p AssetPack) Download() asset.Download { return p.DownloadFor("") }

// DownloadFor is Download in an answer to a content request, which decides whether it is
// essential. Without a request it is not.
func (p AssetPack) DownloadFor(request asset.ContentRequest) asset.Download {
	d := asset.Download{Identifier: string(p.ID), URL: p.URL, FileSize: p.DownloadSize, Group: p.group}
	switch request {
	case asset.RequestInstall:
		d.Essential = p.DownloadPolicy.Blocks(asset.EventFirstInstallation)
	case asset.RequestUpdate:
		d.Essential = p.DownloadPolicy.Blocks(asset.EventSubsequentUpdate)
	}
	return d
}

// AssetPackManifest is a download manifest as an app sees it (managed §3.1).
type AssetPackManifest struct {
	offer asset.PackOffer
	group asset.GroupID
}

// ReadAssetPackManifest reads a download manifest from a local file, for apps whose packs
// are not managed. It has all packs, whatever device and app they are for.
func ReadAssetPackManifest(path string, group asset.GroupID) (*AssetPackManifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &asset.Error{Code: asset.CodeNotFound, Op: "read download manifest", Subject: path, Message: "it cannot be opened", Err: err, Help: "name a local file"}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, asset.MaxDownloadManifest+1))
	if err != nil {
		return nil, err
	}
	return ParseAssetPackManifest(text, group)
}

// ParseAssetPackManifest is ReadAssetPackManifest of bytes at hand.
func ParseAssetPackManifest(text []byte, group asset.GroupID) (*AssetPackManifest, error) {
	if _, err := asset.ParseGroupID(string(group)); err != nil {
		return nil, err
	}
	m, err := asset.ParseDownloadManifest(text)
	if err != nil {
		return nil, err
	}
	out := &AssetPackManifest{group: group, offer: asset.PackOffer{Packs: m.Packs, PrimaryLanguage: m.PrimaryLanguage}}
	for _, p := range m.Packs {
		if p.Language != "" && !slices.Contains(out.offer.AvailableLanguages, p.Language) {
			out.offer.AvailableLanguages = append(out.offer.AvailableLanguages, p.Language)
		}
	}
	return out, nil
}

// MarshalJSON gives a download manifest.
func (m *AssetPackManifest) MarshalJSON() ([]byte, error) {
	return json.Marshal(asset.DownloadManifest{PrimaryLanguage: m.offer.PrimaryLanguage, Packs: m.offer.Packs})
}

func (m *AssetPackManifest) wrap(packs []asset.Pack) []AssetPack {
	out := make([]AssetPack, len(packs))
	for n, p := range packs {
		out[n] = AssetPack{Pack: p, group: m.group}
	}
	return out
}

// AssetPacks are those that can be downloaded, in the manifest's order.
func (m *AssetPackManifest) AssetPacks() []AssetPack { return m.wrap(m.offer.Packs) }

// AssetPack finds one; false when the manifest has none of that identifier.
func (m *AssetPackManifest) AssetPack(id asset.PackID) (AssetPack, bool) {
	p, ok := m.offer.Pack(id)
	return AssetPack{Pack: p, group: m.group}, ok
}

// PrimaryLanguage is the app's language of last resort.
func (m *AssetPackManifest) PrimaryLanguage() string { return m.offer.PrimaryLanguage }

// AvailableLanguages are those of the localized packs.
func (m *AssetPackManifest) AvailableLanguages() []string {
	return slices.Clone(m.offer.AvailableLanguages)
}

// ResolvedLanguage is the one whose packs are kept installed; "" when there is none.
func (m *AssetPackManifest) ResolvedLanguage() string { return m.offer.ResolvedLanguage }

// LocalizedAssetPacks are the packs of the resolved language.
func (m *AssetPackManifest) LocalizedAssetPacks() []AssetPack {
	return m.localized(m.offer.ResolvedLanguage)
}

// LocalizedAssetPacksFor are the packs of the language that serves best whoever reads
// tag; it may be another (managed §1.8).
func (m *AssetPackManifest) LocalizedAssetPacksFor(tag string) []AssetPack {
	var preferred, offered []language.Tag
	if t, ok := language.Prefer(tag); ok {
		preferred = append(preferred, t)
	}
	for _, s := range m.offer.AvailableLanguages {
		if t, err := language.Parse(s); err == nil {
			offered = append(offered, t)
		}
	}
	primary, _ := language.Parse(m.offer.PrimaryLanguage) // none, if there is none
	best, ok := language.Choose(preferred, offered, primary)
	if !ok {
		return nil
	}
	return m.localized(best.String())
}

func (m *AssetPackManifest) localized(tag string) []AssetPack {
	want, err := language.Parse(tag)
	if err != nil {
		return nil
	}
	var out []asset.Pack
	for _, p := range m.offer.Packs {
		if t, err := language.Parse(p.Language); err == nil && t.Same(want) {
			out = append(out, p)
		}
	}
	return m.wrap(out)
}

// AllDownloads gives one download per pack, for DownloadManager.
func (m *AssetPackManifest) AllDownloads() []asset.Download { return m.AllDownloadsFor("") }

// AllDownloadsFor gives one download per pack, for an extension's answer to a content request.
func (m *AssetPackManifest) AllDownloadsFor(request asset.ContentRequest) []asset.Download {
	out := make([]asset.Download, 0, len(m.offer.Packs))
	for _, p := range m.AssetPacks() {
		out = append(out, p.DownloadFor(request))
	}
	return out
}
