package api

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"larder/asset"
	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
	"larder/internal/host/process"
	"larder/internal/publish"
)

// pack is the pack with an ID, if the caller may see it.
func (c *call) pack(tx catalog.Tx, id string) (catalog.Pack, error) {
	p, err := tx.Pack(id)
	if errors.Is(err, catalog.ErrNone) || err == nil && !c.may(p.App) {
		return p, jsonapi.NotFound("there is no asset pack %q", shortened(id))
	}
	return p, err
}

// packIncluded gives what a query wants to have beside a pack.
func (c *call) packIncluded(tx catalog.Tx, p packView) (out []jsonapi.Resource, err error) {
	for _, name := range c.query.Include {
		if name == "app" {
			a, err := tx.App(p.App)
			if err != nil {
				return nil, err
			}
			out = append(out, c.showApp(a))
			continue
		}
		id := map[string]string{"appStoreVersion": p.production, "internalBetaVersion": p.internal, "externalBetaVersion": p.external}[name]
		if id == "" {
			continue
		}
		r, err := c.versionResource(tx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (c *call) versionResource(tx catalog.Tx, id string) (r jsonapi.Resource, err error) {
	v, err := tx.Version(id)
	if err != nil {
		return r, err
	}
	view, err := readVersion(tx, v)
	return c.showVersion(view), err
}

func (c *call) getPack() (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		p, err := c.pack(tx, c.id())
		if err != nil {
			return err
		}
		doc, err = c.packDocument(tx, p)
		return err
	})
	return doc, err
}

func (c *call) packDocument(tx catalog.Tx, p catalog.Pack) (doc jsonapi.Document, err error) {
	v, err := readPack(tx, p)
	if err != nil {
		return doc, err
	}
	included, err := c.packIncluded(tx, v)
	return c.document(c.showPack(v), included...), err
}

// packs are those of the app in the path that pass the filters, in the order asked for.
func (c *call) packs(tx catalog.Tx) (out []packView, err error) {
	a, err := c.app(tx, c.id())
	if err != nil {
		return nil, err
	}
	all, err := tx.Packs(a.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if !c.query.Matches("archived", strconv.FormatBool(p.Archived)) || !c.query.Matches("assetPackIdentifier", string(p.Identifier)) {
			continue
		}
		v, err := readPack(tx, p)
		if err != nil {
			return nil, err
		}
		var locales, platforms []string
		for _, version := range v.versions {
			locales, platforms = append(locales, version.Locale), append(platforms, version.Platforms...)
		}
		if c.query.Matches("versions.locale", locales...) && c.query.Matches("versions.platforms", platforms...) {
			out = append(out, v)
		}
	}
	by, down := strings.CutPrefix(c.query.Sort, "-")
	if by == "assetPackIdentifier" {
		slices.SortStableFunc(out, func(a, b packView) int { return cmp.Compare(a.Identifier, b.Identifier) })
	}
	if down {
		slices.Reverse(out)
	}
	return out, nil
}

func packID(v packView) string { return v.ID }

func (c *call) listPacks() (any, error) {
	return listed(c, c.packs, packID, c.showPack, c.packIncluded)
}

func (c *call) linkPacks() (any, error) { return linked(c, typePacks, c.packs, packID) }

// packIdentifier judges one. Apple refuses dots and underscores with numbers of their own
// (managed §8.5).
func packIdentifier(s string) (asset.PackID, error) {
	refused := func(code string, r string) error {
		f := jsonapi.Parameter(jsonapi.CodeParameter, "", "the asset pack identifier %q holds %q (%s)", shortened(s), r, code).
			Help("use letters, digits and hyphens only, for example level-2-textures")
		f.Source = &jsonapi.Source{Pointer: "/data/attributes/assetPackIdentifier"}
		return f
	}
	switch {
	case strings.Contains(s, "."):
		return "", refused("-19243", ".")
	case strings.Contains(s, "_"):
		return "", refused("-19241", "_")
	}
	id, err := asset.ParsePackID(s)
	if err != nil {
		e := asset.AsError(err)
		return "", jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/assetPackIdentifier", "the asset pack identifier is not accepted: %s", e.Message).Help(e.Help)
	}
	return id, nil
}

func (c *call) createPack() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typePacks, "", []string{"assetPackIdentifier"}, []string{"app"})
	if err != nil {
		return nil, err
	}
	var identifier string
	if err := e.Required("assetPackIdentifier", &identifier); err != nil {
		return nil, err
	}
	id, err := packIdentifier(identifier)
	if err != nil {
		return nil, err
	}
	at, err := e.Relation("app", typeApps)
	if err != nil {
		return nil, err
	}
	var doc jsonapi.Document
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		a, err := c.app(tx, at)
		if err != nil {
			return blamed(err, "/data/relationships/app")
		}
		if old, err := tx.PackOf(a.ID, id); !errors.Is(err, catalog.ErrNone) {
			if err != nil {
				return err
			}
			f := jsonapi.Blame(jsonapi.CodeDuplicate, "/data/attributes/assetPackIdentifier", "the app has a pack %s already", old.Identifier)
			if old.Archived {
				f.Detail = "the app had a pack " + string(old.Identifier) + ", which was archived: its identifier is used up"
			}
			return f
		}
		all, err := tx.Packs(a.ID)
		if err != nil {
			return err
		}
		if n := len(slices.DeleteFunc(all, func(p catalog.Pack) bool { return p.Archived })); n >= c.Limits.Packs {
			return jsonapi.Quota("the app has %d packs; more are not possible until some are archived", n)
		}
		p, err := tx.AddPack(catalog.Pack{App: a.ID, Identifier: id, Created: c.Now()})
		if err != nil {
			return err
		}
		doc, err = c.packDocument(tx, p)
		return err
	})
	return doc, err
}

// archivePack ends a pack for good, with all its versions.
func (c *call) archivePack() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typePacks, c.id(), []string{"archived"}, nil)
	if err != nil {
		return nil, err
	}
	var archived bool
	said, err := e.Attribute("archived", &archived)
	if err != nil {
		return nil, err
	}
	var doc jsonapi.Document
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		p, err := c.pack(tx, c.id())
		if err != nil {
			return err
		}
		switch {
		case said && p.Archived && !archived:
			return jsonapi.State("an archived pack cannot come back")
		case said && archived && !p.Archived:
			if err := process.Archive(tx, p, c.Now()); err != nil {
				return err
			}
			p.Archived = true
			for _, channel := range publish.Contexts {
				if err := process.Publish(tx, p.App, channel, c.Now()); err != nil {
					return err
				}
			}
		}
		doc, err = c.packDocument(tx, p)
		return err
	})
	c.Wake()
	return doc, err
}
