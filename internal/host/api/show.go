package api

import (
	"strconv"
	"time"

	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
)

func (c *call) self(path string) string { return c.Base + path }

// on gives the links of a relationship that is a list of its own.
func (c *call) on(typ, id, name string) *jsonapi.Links {
	at := c.self("/v1/" + typ + "/" + id)
	return &jsonapi.Links{Self: at + "/relationships/" + name, Related: at + "/" + name}
}

func (c *call) resource(typ, id string) jsonapi.Resource {
	return jsonapi.Resource{Type: typ, ID: id, Links: &jsonapi.Links{Self: c.self("/v1/" + typ + "/" + id)}}
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func appNumber(id int64) string { return strconv.FormatInt(id, 10) }

func (c *call) showApp(a catalog.App) jsonapi.Resource {
	r := c.resource(typeApps, appNumber(a.ID))
	r.Attributes = map[string]any{"bundleId": a.Bundle, "name": a.Name, "primaryLocale": a.Locale, "sku": string(a.Bundle), "review": a.Review, "quota": a.Quota}
	r.Relationships = map[string]jsonapi.Relation{"backgroundAssets": {Links: c.on(typeApps, r.ID, "backgroundAssets")}}
	return r
}

// to names a resource if there is one.
func to(typ, id string) jsonapi.Relation {
	if id == "" {
		return jsonapi.Relation{}
	}
	return jsonapi.Relation{Data: jsonapi.Ref{Type: typ, ID: id}}
}

// packView is a pack with what is told of its versions.
type packView struct {
	catalog.Pack
	used                           int64
	internal, external, production string // IDs of the versions that are live
	versions                       []catalog.Version
}

func readPack(tx catalog.Tx, p catalog.Pack) (v packView, err error) {
	v.Pack = p
	if v.versions, err = tx.Versions(p.ID); err != nil || p.Archived {
		return v, err
	}
	counted, err := tx.Eligible(p.ID)
	if err != nil {
		return v, err
	}
	for _, e := range counted {
		v.used = max(v.used, e.Size)
	}
	for channel, at := range map[string]*string{catalog.Internal: &v.internal, catalog.External: &v.external, catalog.Production: &v.production} {
		releases, err := tx.ReleasesOf(p.ID, channel)
		if err != nil {
			return v, err
		}
		for _, r := range releases { // the newest of several that are live
			if r.State == catalog.ReadyForTesting || r.State == catalog.ReadyForDistribution {
				*at = r.Version
			}
		}
	}
	return v, nil
}

func (c *call) showPack(p packView) jsonapi.Resource {
	r := c.resource(typePacks, p.ID)
	r.Attributes = map[string]any{"archived": p.Archived, "assetPackIdentifier": p.Identifier, "createdDate": date(p.Created), "usedBytes": p.used}
	r.Relationships = map[string]jsonapi.Relation{"app": to(typeApps, appNumber(p.App)), "versions": {Links: c.on(typePacks, p.ID, "versions")},
		"appStoreVersion": to(typeVersions, p.production), "internalBetaVersion": to(typeVersions, p.internal), "externalBetaVersion": to(typeVersions, p.external)}
	return r
}

// versionView is a version with its files and releases.
type versionView struct {
	catalog.Version
	files    []catalog.File
	releases map[string]catalog.Release // by channel
}

func readVersion(tx catalog.Tx, v catalog.Version) (out versionView, err error) {
	out = versionView{Version: v, releases: map[string]catalog.Release{}}
	if out.files, err = tx.Files(v.ID); err != nil {
		return out, err
	}
	list, err := tx.Releases(v.ID)
	for _, r := range list {
		if r.Channel == catalog.Internal && r.State == catalog.ProcessingForTesting {
			continue // internal testers have no such state: the version is still processed
		}
		out.releases[r.Channel] = r
	}
	if v.State != catalog.Complete {
		out.releases = nil
	}
	return out, err
}

// fileOf is the file of a type, or one with an empty ID.
func (v versionView) fileOf(typ string) (f catalog.File) {
	for _, f = range v.files {
		if f.Type == typ {
			return f
		}
	}
	return catalog.File{}
}

func (c *call) showVersion(v versionView) jsonapi.Resource {
	r := c.resource(typeVersions, v.ID)
	platforms := v.Platforms
	if platforms == nil {
		platforms = []string{}
	}
	r.Attributes = map[string]any{"createdDate": date(v.Created), "platforms": platforms, "state": v.State, "stateDetails": v.Details, "version": strconv.FormatInt(v.Number, 10)}
	if v.Locale != "" {
		r.Attributes["locale"] = v.Locale
	}
	r.Relationships = map[string]jsonapi.Relation{"backgroundAsset": to(typePacks, v.Pack), "assetFile": to(typeFiles, v.fileOf(catalog.Asset).ID),
		"manifestFile": to(typeFiles, v.fileOf(catalog.Manifest).ID), "internalBetaRelease": to(typeInternal, v.releases[catalog.Internal].ID),
		"externalBetaRelease": to(typeExternal, v.releases[catalog.External].ID), "appStoreRelease": to(typeProduction, v.releases[catalog.Production].ID),
		"backgroundAssetUploadFiles": {Links: c.on(typeVersions, v.ID, "backgroundAssetUploadFiles")}}
	return r
}

var releaseTypes = map[string]string{catalog.Internal: typeInternal, catalog.External: typeExternal, catalog.Production: typeProduction}

func (c *call) showRelease(r catalog.Release) jsonapi.Resource {
	out := c.resource(releaseTypes[r.Channel], r.ID)
	out.Attributes = map[string]any{"state": r.State}
	if r.Fits != nil {
		out.Attributes["appVersions"] = r.Fits
	}
	out.Relationships = map[string]jsonapi.Relation{"backgroundAssetVersion": to(typeVersions, r.Version)}
	return out
}

// document is the answer with one resource.
func (c *call) document(r jsonapi.Resource, included ...jsonapi.Resource) jsonapi.Document {
	d := jsonapi.Document{Data: c.query.Sparse(r), Links: *r.Links}
	d.Included = c.sparse(included)
	return d
}

// sparse leaves each resource out that stands there twice.
func (c *call) sparse(list []jsonapi.Resource) (out []jsonapi.Resource) {
	seen := map[jsonapi.Ref]bool{}
	for _, r := range list {
		if !seen[r.Ref()] {
			seen[r.Ref()] = true
			out = append(out, c.query.Sparse(r))
		}
	}
	return out
}

// list is the answer with a page.
func list[T any](c *call, p jsonapi.Paging, data []T, included []jsonapi.Resource) jsonapi.Document {
	if data == nil {
		data = []T{}
	}
	query := c.r.URL.Query()
	d := jsonapi.Document{Data: data, Included: c.sparse(included), Meta: &jsonapi.Meta{Paging: p}}
	d.Links.Self = c.self(c.r.URL.RequestURI())
	query.Del("cursor")
	first := c.r.URL.Path
	if q := query.Encode(); q != "" {
		first += "?" + q
	}
	d.Links.First = c.self(first)
	if p.NextCursor != "" {
		query.Set("cursor", p.NextCursor)
		d.Links.Next = c.self(c.r.URL.Path + "?" + query.Encode())
	}
	return d
}
