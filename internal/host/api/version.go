package api

import (
	"errors"
	"slices"
	"strconv"

	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
)

// version is the version with an ID, if the caller may see it, with its pack.
func (c *call) version(tx catalog.Tx, id string) (v catalog.Version, p catalog.Pack, err error) {
	v, err = tx.Version(id)
	if err == nil {
		p, err = tx.Pack(v.Pack)
	}
	if errors.Is(err, catalog.ErrNone) || err == nil && !c.may(p.App) {
		return v, p, jsonapi.NotFound("there is no version %q of an asset pack", shortened(id))
	}
	return v, p, err
}

func (c *call) createVersion() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeVersions, "", nil, []string{"backgroundAsset"})
	if err != nil {
		return nil, err
	}
	at, err := e.Relation("backgroundAsset", typePacks)
	if err != nil {
		return nil, err
	}
	var doc jsonapi.Document
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		p, err := c.pack(tx, at)
		if err != nil {
			return blamed(err, "/data/relationships/backgroundAsset")
		}
		if p.Archived {
			return jsonapi.State("the pack %s is archived: it has no new versions", p.Identifier)
		}
		all, err := tx.Versions(p.ID)
		if err != nil {
			return err
		}
		if len(all) >= c.Limits.Versions {
			return jsonapi.Quota("the pack has %d versions; more are not possible", len(all))
		}
		v, err := tx.AddVersion(p.ID, c.Now())
		if err != nil {
			return err
		}
		doc = c.document(c.showVersion(versionView{Version: v}))
		return nil
	})
	c.At("version reserved")
	return doc, err
}

func (c *call) getVersion() (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		v, _, err := c.version(tx, c.id())
		if err != nil {
			return err
		}
		view, err := readVersion(tx, v)
		if err != nil {
			return err
		}
		included, err := c.versionIncluded(tx, view)
		doc = c.document(c.showVersion(view), included...)
		return err
	})
	return doc, err
}

// versionIncluded gives what a query wants to have beside a version.
func (c *call) versionIncluded(tx catalog.Tx, v versionView) (out []jsonapi.Resource, err error) {
	for _, name := range c.query.Include {
		switch name {
		case "backgroundAsset":
			p, err := tx.Pack(v.Pack)
			if err != nil {
				return nil, err
			}
			view, err := readPack(tx, p)
			if err != nil {
				return nil, err
			}
			out = append(out, c.showPack(view))
		case "assetFile", "manifestFile":
			f := v.fileOf(map[string]string{"assetFile": catalog.Asset, "manifestFile": catalog.Manifest}[name])
			if f.ID != "" {
				out = append(out, c.showFile(f, nil))
			}
		default:
			channel := map[string]string{"internalBetaRelease": catalog.Internal, "externalBetaRelease": catalog.External, "appStoreRelease": catalog.Production}[name]
			if r, ok := v.releases[channel]; ok {
				out = append(out, c.showRelease(r))
			}
		}
	}
	return out, nil
}

// versions are those of the pack in the path that pass the filters, in the order asked for.
func (c *call) versions(tx catalog.Tx) (out []versionView, err error) {
	p, err := c.pack(tx, c.id())
	if err != nil {
		return nil, err
	}
	all, err := tx.Versions(p.ID)
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		if !c.query.Matches("locale", v.Locale) || !c.query.Matches("platforms", v.Platforms...) || !c.query.Matches("state", v.State) ||
			!c.query.Matches("version", strconv.FormatInt(v.Number, 10)) {
			continue
		}
		view, err := readVersion(tx, v)
		if err != nil {
			return nil, err
		}
		if c.query.Matches("internalBetaRelease.state", view.releases[catalog.Internal].State) && c.query.Matches("externalBetaRelease.state", view.releases[catalog.External].State) &&
			c.query.Matches("appStoreRelease.state", view.releases[catalog.Production].State) {
			out = append(out, view)
		}
	}
	if c.query.Sort == "-version" {
		slices.Reverse(out)
	}
	return out, nil
}

func versionID(v versionView) string { return v.ID }

func (c *call) listVersions() (any, error) {
	return listed(c, c.versions, versionID, c.showVersion, c.versionIncluded)
}

func (c *call) linkVersions() (any, error) { return linked(c, typeVersions, c.versions, versionID) }

func (c *call) getRelease() (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		none := jsonapi.NotFound("there is no release %q", shortened(c.id()))
		r, err := tx.Release(c.id())
		if errors.Is(err, catalog.ErrNone) {
			return none
		}
		if err != nil {
			return err
		}
		v, _, err := c.version(tx, r.Version)
		if err != nil {
			return err
		}
		view, err := readVersion(tx, v)
		if err != nil {
			return err
		}
		shown, there := view.releases[r.Channel]
		if out := c.showRelease(shown); there && c.r.URL.Path == "/v1/"+out.Type+"/"+out.ID {
			var included []jsonapi.Resource
			if len(c.query.Include) > 0 {
				included = append(included, c.showVersion(view))
			}
			doc = c.document(out, included...)
			return nil
		}
		return none
	})
	return doc, err
}
