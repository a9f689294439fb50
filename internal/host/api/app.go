package api

import (
	"errors"
	"strconv"

	"larder/asset"
	"larder/internal/host/access"
	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
	"larder/internal/host/process"
	"larder/internal/publish"
)

// app is the app with the ID of the path, if the caller may see it.
func (c *call) app(tx catalog.Tx, id string) (a catalog.App, err error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err == nil {
		a, err = tx.App(n)
	}
	if err != nil && !errors.Is(err, catalog.ErrNone) && !errors.Is(err, strconv.ErrSyntax) && !errors.Is(err, strconv.ErrRange) {
		return a, err
	}
	if err != nil || !c.may(a.ID) {
		return a, jsonapi.NotFound("there is no app %q", shortened(id))
	}
	return a, nil
}

func shortened(s string) string { return s[:min(len(s), 80)] }

func (c *call) listApps() (any, error) {
	var all []catalog.App
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) (err error) { all, err = tx.Apps(); return err })
	if err != nil {
		return nil, err
	}
	var seen []catalog.App
	for _, a := range all {
		if c.may(a.ID) && c.query.Matches("bundleId", string(a.Bundle)) {
			seen = append(seen, a)
		}
	}
	page, p := jsonapi.Page(c.query, seen, func(a catalog.App) string { return appNumber(a.ID) })
	var out []jsonapi.Resource
	for _, a := range page {
		out = append(out, c.query.Sparse(c.showApp(a)))
	}
	return list(c, p, out, nil), nil
}

func (c *call) getApp() (any, error) {
	var a catalog.App
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) (err error) { a, err = c.app(tx, c.id()); return err })
	return c.document(c.showApp(a)), err
}

// createApp makes an app, and has its empty contexts published: devices find that there is
// nothing, and not that they are wrong.
func (c *call) createApp() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeApps, "", []string{"bundleId", "name", "primaryLocale", "review", "quota"}, nil)
	if err != nil {
		return nil, err
	}
	var bundle string
	a := catalog.App{Quota: c.Limits.Quota, Created: c.Now(), Review: false}
	if err := e.Required("bundleId", &bundle); err != nil {
		return nil, err
	}
	if a.Bundle, err = asset.ParseAppID(bundle); err != nil {
		return nil, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/bundleId", "%v", err).Help(asset.AsError(err).Help)
	}
	a.Name = bundle
	if err := c.setApp(e, &a); err != nil {
		return nil, err
	}
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		if _, err := tx.AppOf(a.Bundle); !errors.Is(err, catalog.ErrNone) {
			if err != nil {
				return err
			}
			return jsonapi.Blame(jsonapi.CodeDuplicate, "/data/attributes/bundleId", "there is an app %s already", a.Bundle)
		}
		if a, err = tx.AddApp(a); err != nil {
			return err
		}
		for _, channel := range publish.Contexts {
			if err := process.Publish(tx, a.ID, channel, c.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.Wake()
	return c.document(c.showApp(a)), nil
}

const typeKeys = "larderKeys"

func (c *call) showKey(k catalog.Key) jsonapi.Resource {
	r := jsonapi.Resource{Type: typeKeys, ID: k.ID, Links: &jsonapi.Links{Self: c.self("/larder/v1/keys/" + k.ID)}}
	r.Attributes = map[string]any{"name": k.Name, "role": k.Role, "createdDate": date(k.Created), "revoked": !k.Revoked.IsZero()}
	if k.App != 0 {
		r.Relationships = map[string]jsonapi.Relation{"app": to(typeApps, appNumber(k.App))}
	}
	return r
}

func (c *call) listKeys() (any, error) {
	var keys []catalog.Key
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) (err error) { keys, err = tx.Keys(); return err })
	out := []jsonapi.Resource{}
	for _, k := range keys {
		out = append(out, c.showKey(k))
	}
	return jsonapi.Document{Data: out, Links: jsonapi.Links{Self: c.self("/larder/v1/keys")}}, err
}

// createKey makes a key. Its private half is in this one answer and nowhere else.
func (c *call) createKey() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeKeys, "", []string{"name", "role"}, []string{"app"})
	if err != nil {
		return nil, err
	}
	k := catalog.Key{Created: c.Now()}
	if err := errors.Join(e.Required("name", &k.Name), e.Required("role", &k.Role)); err != nil {
		return nil, err
	}
	if !access.May(k.Role, access.Roles()...) || len(k.Name) > 200 {
		return nil, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/role", "%q is no role, or the name is too long", shortened(k.Role))
	}
	made, err := access.New(c.Issuer)
	if err != nil {
		return nil, err
	}
	secret, err := made.Secret()
	if err != nil {
		return nil, err
	}
	text, err := made.PEM()
	if err != nil {
		return nil, err
	}
	k.ID = made.KeyID
	if k.Public, err = made.Public(); err != nil {
		return nil, err
	}
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		if e.Relationships["app"].Data != nil {
			id, err := e.Relation("app", typeApps)
			if err != nil {
				return err
			}
			a, err := c.app(tx, id)
			if err != nil {
				return blamed(err, "/data/relationships/app")
			}
			k.App = a.ID
		}
		return tx.AddKey(k)
	})
	if err != nil {
		return nil, err
	}
	r := c.showKey(k)
	r.Attributes["privateKey"], r.Attributes["secret"], r.Attributes["issuerId"] = string(text), secret, c.Issuer
	return jsonapi.Document{Data: r, Links: *r.Links}, nil
}

func (c *call) revokeKey() (any, error) {
	var k catalog.Key
	err := c.Catalog.Write(c.ctx, func(tx catalog.Tx) (err error) {
		if err = tx.Revoke(c.id(), c.Now()); err == nil {
			k, err = tx.Key(c.id())
		}
		return err
	})
	if errors.Is(err, catalog.ErrNone) {
		return nil, jsonapi.NotFound("there is no key %q in force", shortened(c.id()))
	}
	r := c.showKey(k)
	return jsonapi.Document{Data: r, Links: *r.Links}, err
}

// blamed makes of "there is no such thing" that a relationship names none.
func blamed(err error, pointer string) error {
	var f *jsonapi.Fault
	if errors.As(err, &f) && f.Code == jsonapi.CodeNotFound {
		return jsonapi.Blame(jsonapi.CodeRelationship, pointer, "%s", f.Detail)
	}
	return err
}
