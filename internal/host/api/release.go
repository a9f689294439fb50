package api

import (
	"errors"
	"slices"

	"larder/asset"
	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
	"larder/internal/host/process"
	"larder/internal/language"
	"larder/internal/publish"
)

const (
	typePromotions = "larderPromotions"
	typeDecisions  = "larderDecisions"
	typeRollbacks  = "larderRollbacks"
)

// channelOf reads the channel that a body names, among those allowed.
func channelOf(e *jsonapi.Entity, allowed ...string) (channel string, err error) {
	if err = e.Required("channel", &channel); err == nil && !slices.Contains(allowed, channel) {
		err = jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/channel", "%q is not one of %v", shortened(channel), allowed)
	}
	return channel, err
}

// fitsOf reads the versions of the app that a body names; nil for all.
func fitsOf(e *jsonapi.Entity) (*asset.AppVersions, error) {
	var fits asset.AppVersions
	given, err := e.Attribute("appVersions", &fits)
	if err != nil || !given || fits == (asset.AppVersions{}) {
		return nil, err
	}
	if err := fits.Check(); err != nil {
		return nil, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/appVersions", "%s", asset.AsError(err).Message)
	}
	return &fits, nil
}

// promote brings a version to external testers or to the public: at once, or to review where the
// app has one. For the public it makes a submission of one.
func (c *call) promote() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typePromotions, "", []string{"channel", "appVersions"}, []string{"backgroundAssetVersion"})
	if err != nil {
		return nil, err
	}
	channel, err := channelOf(e, catalog.External, catalog.Production)
	if err != nil {
		return nil, err
	}
	fits, err := fitsOf(e)
	if err != nil {
		return nil, err
	}
	of, err := e.Relation("backgroundAssetVersion", typeVersions)
	if err != nil {
		return nil, err
	}
	return c.released(func(tx catalog.Tx) (r catalog.Release, err error) {
		v, p, err := c.version(tx, of)
		if err != nil {
			return r, blamed(err, "/data/relationships/backgroundAssetVersion")
		}
		if r, err = c.releasable(tx, v, p, channel); err != nil {
			return r, err
		}
		r.Fits = fits
		if err := tx.SetRelease(r); err != nil {
			return r, err
		}
		a, err := tx.App(p.App)
		if err != nil {
			return r, err
		}
		if channel == catalog.Production {
			s, err := tx.AddSubmission(catalog.Submission{App: a.ID, Created: c.Now()})
			if err != nil {
				return r, err
			}
			if _, err := c.addItem(tx, submissionView{Submission: s}, v, p); err != nil {
				return r, err
			}
			view, err := c.submission(tx, s.ID)
			if err != nil {
				return r, err
			}
			if err := c.submit(tx, view); err != nil {
				return r, err
			}
			return tx.Release(r.ID)
		}
		if r, err = process.Apply(tx, a, r, process.Submit, c.Now()); err != nil || a.Review {
			return r, err
		}
		return process.Apply(tx, a, r, process.Approve, c.Now())
	})
}

// decide approves or rejects a release that waits for review.
func (c *call) decide() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeDecisions, "", []string{"channel", "decision"}, []string{"backgroundAssetVersion"})
	if err != nil {
		return nil, err
	}
	channel, err := channelOf(e, catalog.External, catalog.Production)
	if err != nil {
		return nil, err
	}
	var word string
	if err := e.Required("decision", &word); err != nil {
		return nil, err
	}
	act, ok := map[string]process.Act{"APPROVE": process.Approve, "REJECT": process.Reject}[word]
	if !ok {
		return nil, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/decision", "%q is not one of APPROVE, REJECT", shortened(word))
	}
	of, err := e.Relation("backgroundAssetVersion", typeVersions)
	if err != nil {
		return nil, err
	}
	return c.released(func(tx catalog.Tx) (r catalog.Release, err error) {
		v, p, err := c.version(tx, of)
		if err != nil {
			return r, blamed(err, "/data/relationships/backgroundAssetVersion")
		}
		if r, err = c.releasable(tx, v, p, channel); err != nil {
			return r, err
		}
		a, err := tx.App(p.App)
		if err != nil {
			return r, err
		}
		return process.Apply(tx, a, r, act, c.Now())
	})
}

// released answers with the release that act changed.
func (c *call) released(act func(catalog.Tx) (catalog.Release, error)) (any, error) {
	var r catalog.Release
	err := c.Catalog.Write(c.ctx, func(tx catalog.Tx) (err error) { r, err = act(tx); return err })
	c.At("release changed")
	c.Wake()
	return c.document(c.showRelease(r)), unfit(err)
}

// unfit tells a caller that an act does not fit.
func unfit(err error) error {
	if errors.Is(err, process.ErrUnfit) {
		return jsonapi.State("%v", err)
	}
	return err
}

// rollBack brings the version back that was live before, in one action.
func (c *call) rollBack() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeRollbacks, "", []string{"channel", "appVersions"}, []string{"backgroundAsset"})
	if err != nil {
		return nil, err
	}
	channel, err := channelOf(e, publish.Contexts...)
	if err != nil {
		return nil, err
	}
	fits, err := fitsOf(e)
	if err != nil {
		return nil, err
	}
	of, err := e.Relation("backgroundAsset", typePacks)
	if err != nil {
		return nil, err
	}
	var r jsonapi.Resource
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		p, err := c.pack(tx, of)
		switch {
		case err != nil:
			return blamed(err, "/data/relationships/backgroundAsset")
		case p.Archived:
			return jsonapi.State("the pack %s is archived", p.Identifier)
		}
		v, err := process.Rollback(tx, p, channel, fits, c.Now())
		if err != nil {
			return unfit(err)
		}
		r = c.showVersion(versionView{Version: v})
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.Wake()
	return c.document(r), nil
}

// updateApp changes what an administrator may set.
func (c *call) updateApp() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeApps, c.id(), []string{"name", "primaryLocale", "review", "quota"}, nil)
	if err != nil {
		return nil, err
	}
	var a catalog.App
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) (err error) {
		if a, err = c.app(tx, c.id()); err != nil {
			return err
		}
		if err := c.setApp(e, &a); err != nil {
			return err
		}
		if err := tx.SetApp(a); err != nil {
			return err
		}
		for _, channel := range publish.Contexts { // the locale stands in manifests
			if err := process.Publish(tx, a.ID, channel, c.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	c.Wake()
	return c.document(c.showApp(a)), err
}

// setApp reads what a body says of an app.
func (c *call) setApp(e *jsonapi.Entity, a *catalog.App) error {
	for name, at := range map[string]any{"name": &a.Name, "primaryLocale": &a.Locale, "review": &a.Review, "quota": &a.Quota} {
		if _, err := e.Attribute(name, at); err != nil {
			return err
		}
	}
	switch {
	case a.Name == "" || len(a.Name) > 200:
		return jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/name", "it is empty, or longer than 200 bytes")
	case a.Quota < 0:
		return jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/quota", "it is below 0")
	case a.Locale == "":
		return nil
	}
	if _, err := language.Parse(a.Locale); err != nil {
		return jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/primaryLocale", "%s", asset.AsError(err).Message)
	}
	return nil
}
