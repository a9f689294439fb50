package api

import (
	"errors"
	"slices"

	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
	"larder/internal/host/process"
)

const (
	typeSubmissions = "reviewSubmissions"
	typeItems       = "reviewSubmissionItems"
)

// maxItems is how many packs a submission may have (managed §8.5).
const maxItems = 10

// submissionView is a submission with its items.
type submissionView struct {
	catalog.Submission
	items []catalog.Item
}

func (c *call) showSubmission(s submissionView) jsonapi.Resource {
	r := c.resource(typeSubmissions, s.ID)
	r.Attributes = map[string]any{"state": s.State}
	if s.Platform != "" {
		r.Attributes["platform"] = s.Platform
	}
	if !s.Submitted.IsZero() {
		r.Attributes["submittedDate"] = date(s.Submitted)
	}
	refs := []jsonapi.Ref{}
	for _, i := range s.items {
		refs = append(refs, jsonapi.Ref{Type: typeItems, ID: i.ID})
	}
	r.Relationships = map[string]jsonapi.Relation{"app": to(typeApps, appNumber(s.App)), "items": {Data: refs}}
	return r
}

func (c *call) showItem(i catalog.Item) jsonapi.Resource {
	r := jsonapi.Resource{Type: typeItems, ID: i.ID, Links: &jsonapi.Links{Self: c.self("/v1/" + typeSubmissions + "/" + i.Submission + "/items")}}
	r.Attributes = map[string]any{"state": i.State}
	r.Relationships = map[string]jsonapi.Relation{"backgroundAssetVersion": to(typeVersions, i.Version)}
	return r
}

// submission is the one with an ID, if the caller may see it.
func (c *call) submission(tx catalog.Tx, id string) (v submissionView, err error) {
	v.Submission, err = tx.Submission(id)
	if errors.Is(err, catalog.ErrNone) || err == nil && !c.may(v.App) {
		return v, jsonapi.NotFound("there is no review submission %q", shortened(id))
	}
	if err == nil {
		v.items, err = tx.Items(id)
	}
	return v, err
}

func (c *call) createSubmission() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeSubmissions, "", []string{"platform"}, []string{"app"})
	if err != nil {
		return nil, err
	}
	s := catalog.Submission{Created: c.Now()}
	if given, err := e.Attribute("platform", &s.Platform); err != nil || given && !slices.Contains(platformNames, s.Platform) {
		return nil, errors.Join(err, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/platform", "%q is no platform", shortened(s.Platform)))
	}
	at, err := e.Relation("app", typeApps)
	if err != nil {
		return nil, err
	}
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		a, err := c.app(tx, at)
		if err != nil {
			return blamed(err, "/data/relationships/app")
		}
		s.App = a.ID
		s, err = tx.AddSubmission(s)
		return err
	})
	return c.document(c.showSubmission(submissionView{Submission: s})), err
}

func (c *call) getSubmission() (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		s, err := c.submission(tx, c.id())
		var included []jsonapi.Resource
		if slices.Contains(c.query.Include, "items") {
			for _, i := range s.items {
				included = append(included, c.showItem(i))
			}
		}
		if err == nil {
			doc = c.document(c.showSubmission(s), included...)
		}
		return err
	})
	return doc, err
}

func (c *call) listSubmissions() (any, error) {
	if len(c.query.Filter["app"]) != 1 {
		return nil, jsonapi.Parameter(jsonapi.CodeInvalid, "filter[app]", "name one app")
	}
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		a, err := c.app(tx, c.query.Filter["app"][0])
		if err != nil {
			return err
		}
		all, err := tx.Submissions(a.ID)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(s catalog.Submission) bool {
			return !c.query.Matches("state", s.State) || !c.query.Matches("platform", s.Platform)
		})
		page, p := jsonapi.Page(c.query, all, func(s catalog.Submission) string { return s.ID })
		var out []jsonapi.Resource
		for _, s := range page {
			v, err := c.submission(tx, s.ID)
			if err != nil {
				return err
			}
			out = append(out, c.query.Sparse(c.showSubmission(v)))
		}
		doc = list(c, p, out, nil)
		return nil
	})
	return doc, err
}

func (c *call) listItems() (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		s, err := c.submission(tx, c.id())
		if err != nil {
			return err
		}
		page, p := jsonapi.Page(c.query, s.items, func(i catalog.Item) string { return i.ID })
		var out []jsonapi.Resource
		for _, i := range page {
			out = append(out, c.query.Sparse(c.showItem(i)))
		}
		doc = list(c, p, out, nil)
		return nil
	})
	return doc, err
}

func (c *call) createItem() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeItems, "", nil, []string{"reviewSubmission", "backgroundAssetVersion"})
	if err != nil {
		return nil, err
	}
	in, err := e.Relation("reviewSubmission", typeSubmissions)
	if err != nil {
		return nil, err
	}
	of, err := e.Relation("backgroundAssetVersion", typeVersions)
	if err != nil {
		return nil, err
	}
	var i catalog.Item
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		s, err := c.submission(tx, in)
		if err != nil {
			return blamed(err, "/data/relationships/reviewSubmission")
		}
		v, p, err := c.version(tx, of)
		if err != nil {
			return blamed(err, "/data/relationships/backgroundAssetVersion")
		}
		if p.App != s.App {
			return jsonapi.Blame(jsonapi.CodeRelationship, "/data/relationships/backgroundAssetVersion", "the version is of another app than the submission")
		}
		i, err = c.addItem(tx, s, v, p)
		return err
	})
	return c.document(c.showItem(i)), err
}

// addItem puts a version into a submission that was not submitted yet.
func (c *call) addItem(tx catalog.Tx, s submissionView, v catalog.Version, p catalog.Pack) (i catalog.Item, err error) {
	switch {
	case s.State != catalog.ReadyForReview:
		return i, jsonapi.State("the submission is %s: nothing can be added to it", s.State)
	case len(s.items) >= maxItems:
		return i, jsonapi.State("the submission has %d packs, which is the most", len(s.items))
	}
	for _, other := range s.items {
		o, err := tx.Version(other.Version)
		if err != nil {
			return i, err
		}
		if o.Pack == p.ID {
			return i, jsonapi.State("the submission has a version of the pack %s already", p.Identifier)
		}
	}
	r, err := c.releasable(tx, v, p, catalog.Production)
	if err != nil {
		return i, err
	}
	if _, fits := process.Next(r.Channel, r.State, process.Submit); !fits {
		return i, jsonapi.State("version %d of %s is %s", v.Number, p.Identifier, r.State)
	}
	r.State = catalog.ReadyForReview
	if err := tx.SetRelease(r); err != nil {
		return i, err
	}
	return tx.AddItem(catalog.Item{Submission: s.ID, Version: v.ID})
}

// releasable is the release of a version in a channel, if it may go there.
func (c *call) releasable(tx catalog.Tx, v catalog.Version, p catalog.Pack, channel string) (r catalog.Release, err error) {
	switch {
	case p.Archived:
		return r, jsonapi.State("the pack %s is archived", p.Identifier)
	case v.State != catalog.Complete:
		return r, jsonapi.State("version %d of %s is %s", v.Number, p.Identifier, v.State)
	}
	r, err = process.ReleaseIn(tx, v.ID, channel)
	if errors.Is(err, catalog.ErrNone) {
		return r, jsonapi.State("version %d of %s came back by a rollback elsewhere, and is not for %s", v.Number, p.Identifier, channel)
	}
	return r, err
}

func (c *call) updateSubmission() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeSubmissions, c.id(), []string{"platform", "submitted", "canceled"}, nil)
	if err != nil {
		return nil, err
	}
	var submitted, canceled bool
	if _, err := e.Attribute("submitted", &submitted); err != nil {
		return nil, err
	}
	if _, err := e.Attribute("canceled", &canceled); err != nil {
		return nil, err
	}
	if submitted && canceled {
		return nil, jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/canceled", "it cannot be submitted and canceled at once")
	}
	var doc jsonapi.Document
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		s, err := c.submission(tx, c.id())
		switch {
		case err != nil:
			return err
		case submitted:
			err = c.submit(tx, s)
		case canceled:
			err = c.cancel(tx, s)
		}
		if err != nil {
			return err
		}
		if s, err = c.submission(tx, c.id()); err == nil {
			doc = c.document(c.showSubmission(s))
		}
		return err
	})
	c.Wake()
	return doc, err
}

// submit has all items of a submission reviewed, or approved at once in an app without review.
func (c *call) submit(tx catalog.Tx, s submissionView) error {
	if s.State != catalog.ReadyForReview {
		return jsonapi.State("the submission is %s", s.State)
	}
	if len(s.items) == 0 {
		return jsonapi.State("the submission is empty")
	}
	s.State, s.Submitted = catalog.WaitingForReview, c.Now()
	if err := tx.SetSubmission(s.Submission); err != nil {
		return err
	}
	a, err := tx.App(s.App)
	if err != nil {
		return err
	}
	var releases []catalog.Release
	for _, i := range s.items {
		r, err := process.ReleaseIn(tx, i.Version, catalog.Production)
		if err != nil {
			return err
		}
		if r.State != catalog.ReadyForReview { // archived, or superseded by what went live meanwhile
			return jsonapi.State("a version of the submission is %s", r.State)
		}
		r.State = catalog.WaitingForReview
		if err := tx.SetRelease(r); err != nil {
			return err
		}
		releases = append(releases, r)
	}
	if a.Review {
		return nil
	}
	for _, r := range releases {
		if _, err := process.Apply(tx, a, r, process.Approve, c.Now()); err != nil {
			return err
		}
	}
	return nil
}

// cancel takes a submission back, as far as nothing was decided.
func (c *call) cancel(tx catalog.Tx, s submissionView) error {
	if s.State == catalog.Complete {
		return jsonapi.State("the submission is COMPLETE")
	}
	for _, i := range s.items {
		r, err := process.ReleaseIn(tx, i.Version, catalog.Production)
		if err != nil {
			return err
		}
		if i.State == catalog.Rejected {
			continue
		}
		i.State = catalog.Removed
		if err := tx.SetItem(i); err != nil {
			return err
		}
		switch r.State {
		case catalog.ReadyForReview, catalog.WaitingForReview, catalog.InReview, catalog.Accepted:
			r.State = catalog.PrepareForSubmission
			if err := tx.SetRelease(r); err != nil {
				return err
			}
		}
	}
	s.State = catalog.Complete
	return tx.SetSubmission(s.Submission)
}
