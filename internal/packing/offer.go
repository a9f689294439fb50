package packing

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"larder/asset"
	"larder/pack"
)

// Offer is the row of a pack in a download manifest: what the pack says of itself.
// r has the size bytes of the whole pack; base is the URL below which it will lie
// under its identifier. Version is the caller's.
func Offer(r io.ReaderAt, size int64, base string, version int64) (asset.Pack, error) {
	fault := func(code asset.Code, message, help string) (asset.Pack, error) {
		return asset.Pack{}, &asset.Error{Code: code, Op: "offer pack", Message: message, Help: help}
	}
	a, err := pack.Open(r, size)
	if err != nil {
		return asset.Pack{}, err
	}
	if !a.Whole() {
		return fault(asset.CodeConfiguration, "it is the index alone", "name the whole pack")
	}
	m, err := asset.ParsePackagingManifest(a.Metadata())
	if err != nil {
		return fault(asset.CodeConfiguration, "it has no packaging manifest in it: "+err.Error(), "build it with \"larder pack build\"")
	}
	t := a.Totals()
	index := sha256.New()
	if _, err := io.Copy(index, io.NewSectionReader(r, size-t.IndexSize, t.IndexSize)); err != nil {
		return asset.Pack{}, err
	}
	return asset.Pack{ID: m.AssetPackID, Version: version, DownloadSize: size, URL: strings.TrimSuffix(base, "/") + "/" + string(m.AssetPackID),
		DownloadPolicy: m.DownloadPolicy, Host: asset.ThirdPartyHost, UserInfo: m.UserInfo, Content: t.Content.String(), Index: fmt.Sprintf("%x", index.Sum(nil)),
		IndexSize: t.IndexSize, InstallSize: t.InstalledSize, Platforms: m.Platforms, Language: m.Language}, nil
}

// BaseURL judges the URL below which packs will lie.
func BaseURL(base string) error {
	u, err := url.Parse(base)
	if err == nil && (u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		err = errors.New("it has no host, or a scheme that is neither https nor http")
	}
	if err == nil && (u.RawQuery != "" || u.Fragment != "") {
		err = errors.New("a query or fragment would stand before the pack's identifier")
	}
	if err != nil {
		return &asset.Error{Code: asset.CodeBadRequest, Op: "read base URL", Subject: fmt.Sprintf("%q", base), Message: err.Error(), Help: "for example https://cdn.example.com/packs"}
	}
	return nil
}

// For reports whether a pack is for one of these platforms; none asks for all.
func For(p asset.Pack, platforms []asset.Platform) bool {
	return len(p.Platforms) == 0 || len(platforms) == 0 || slices.ContainsFunc(platforms, func(x asset.Platform) bool { return slices.Contains(p.Platforms, x) })
}

// Put adds a pack to a manifest, or makes it the next version of the one that is
// there, at its place, and gives the row. What a person may have set by hand there
// stays: appVersions, rollout, members that we do not know, and the URL unless move
// is set. Deltas led to the old bytes and go.
func Put(m *asset.DownloadManifest, p asset.Pack, move bool) (asset.Pack, error) {
	fault := func(message, help string) (asset.Pack, error) {
		return p, &asset.Error{Code: asset.CodeConfiguration, Op: "update manifest", Message: message, Help: help}
	}
	newest := -1
	for i, old := range m.Packs {
		if strings.EqualFold(string(old.ID), string(p.ID)) && (newest < 0 || old.Version > m.Packs[newest].Version) {
			newest = i
		}
	}
	if newest < 0 {
		if !move {
			return fault(fmt.Sprintf("%s is not in the manifest, so its URL is not known", p.ID), "say --download-base-url")
		}
		m.Packs = append(m.Packs, p)
		return p, nil
	}
	old := m.Packs[newest]
	if old.ID != p.ID {
		return fault(fmt.Sprintf("%s is in the manifest as %s", p.ID, old.ID), "spell the identifier in one way")
	}
	if old.Version == asset.MaxPackVersion {
		return fault(fmt.Sprintf("%s has the highest version there is", p.ID), "give it another identifier")
	}
	p.Version = old.Version + 1
	p.AppVersions, p.Rollout, p.Extra, p.Host = old.AppVersions, old.Rollout, old.Extra, old.Host
	if !move {
		p.URL = old.URL
	}
	m.Packs[newest] = p
	return p, nil
}
