package localapi

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"

	"larder/asset"
)

// Packs is what an app does with its asset packs (managed §1). The packs themselves
// are read from the shelf, without the service.
type Packs interface {
	// Packs tells where the app's packs lie and what there is, without the network.
	Packs(ctx context.Context, app asset.AppID) (PackList, error)
	// Offer gives the app's manifest as it is known; fresh fetches it before.
	Offer(ctx context.Context, app asset.AppID, fresh bool) (asset.PackOffer, error)
	// CheckForUpdates fetches the manifest, schedules updates of installed packs, and
	// removes obsolete ones.
	CheckForUpdates(ctx context.Context, app asset.AppID) (PackChanges, error)
	// EnsurePacks has the packs installed and calls send with each as it ends, then
	// once with Done set.
	EnsurePacks(ctx context.Context, app asset.AppID, req EnsureRequest, send func(EnsureLine) error) error
	// RemovePack takes a pack from the shelf.
	RemovePack(ctx context.Context, app asset.AppID, pack asset.PackID) error
	// SetPackLanguage makes a language the resolved one, "" the person's own again, and
	// gives what is resolved now. It fetches and removes nothing.
	SetPackLanguage(ctx context.Context, app asset.AppID, tag string) (PackLanguage, error)
	// ReconcileLanguages has the packs of the resolved language installed and then removes
	// those of others that the app did not ask for; it sends as EnsurePacks does.
	ReconcileLanguages(ctx context.Context, app asset.AppID, send func(EnsureLine) error) error
}

// PackList is the answer of GET /v1/apps/{id}/packs. Shelf is the folder of
// doc/shelf-format.md; Offer a file with the last asset.PackOffer.
type PackList struct {
	Shelf string             `json:"shelf"`
	Offer string             `json:"offer"`
	Packs []asset.PackStatus `json:"packs"`
}

// MaxEnsure is how many packs one call may name.
const MaxEnsure = 10_000

// EnsureRequest is the body of POST /v1/apps/{id}/packs/ensure.
type EnsureRequest struct {
	Packs []string `json:"packs"`
	// Latest waits for the newest version also of what is installed already.
	Latest bool `json:"requireLatestVersions,omitempty"`
}

// EnsureLine is one line of the answer: the end of one pack, or the end of all.
type EnsureLine struct {
	Pack    asset.PackID `json:"assetPack,omitempty"`
	Version int64        `json:"version,omitempty"` // installed
	Failed  *asset.Error `json:"failed,omitempty"`  // nil: it is installed
	Done    bool         `json:"done,omitempty"`
}

// PackChanges is the answer of POST /v1/apps/{id}/packs/check: what began because of
// this call.
type PackChanges struct {
	Updating []asset.PackID `json:"updatingIDs"`
	Removed  []asset.PackID `json:"removedIDs"`
}

// PackLanguage is the body and the answer of PUT /v1/apps/{id}/packs/language.
type PackLanguage struct {
	Language string `json:"language"`
}

func (c *call) listPacks() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	p, err := c.svc.Packs(c.r.Context(), id)
	p.Packs = listed(p.Packs)
	return c.reply(http.StatusOK, p, err)
}

func (c *call) offer() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	fresh := false
	for name, values := range c.r.URL.Query() {
		if name != "fresh" || len(values) != 1 || values[0] != "true" && values[0] != "false" {
			return badRequest("it has an unknown or repeated query parameter, or an unknown value", "known here: fresh=true")
		}
		fresh = values[0] == "true"
	}
	o, err := c.svc.Offer(c.r.Context(), id, fresh)
	o.Packs = listed(o.Packs)
	return c.reply(http.StatusOK, o, err)
}

func (c *call) checkPacks() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	if err := read(c.w, c.r, new(struct{}), false); err != nil {
		return err
	}
	p, err := c.svc.CheckForUpdates(c.r.Context(), id)
	p.Updating, p.Removed = listed(p.Updating), listed(p.Removed)
	return c.reply(http.StatusOK, p, err)
}

func (c *call) ensurePacks() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	var req EnsureRequest
	if err := read(c.w, c.r, &req, true); err != nil {
		return err
	}
	switch {
	case len(req.Packs) == 0:
		return badRequest("it names no packs", "list their identifiers in packs")
	case len(req.Packs) > MaxEnsure:
		return badRequest("it names more than 10,000 packs", "name fewer at a time")
	}
	return c.ensured(func(ctx context.Context, send func(EnsureLine) error) error {
		return c.svc.EnsurePacks(ctx, id, req, send)
	})
}

func (c *call) reconcileLanguages() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	if err := read(c.w, c.r, new(struct{}), false); err != nil {
		return err
	}
	return c.ensured(func(ctx context.Context, send func(EnsureLine) error) error {
		return c.svc.ReconcileLanguages(ctx, id, send)
	})
}

func (c *call) ensured(f func(context.Context, func(EnsureLine) error) error) error {
	out, ctx, cancel := c.stream()
	defer cancel()
	err := f(ctx, func(l EnsureLine) error {
		if out.send(l) != nil {
			return errReaderGone
		}
		return nil
	})
	if errors.Is(err, errReaderGone) {
		return nil
	}
	return ended(out, err)
}

func (c *call) removePack() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	return c.done(c.svc.RemovePack(c.r.Context(), id, asset.PackID(c.r.PathValue("pack"))))
}

func (c *call) setPackLanguage() error {
	id, err := c.pathApp()
	if err != nil {
		return err
	}
	var l PackLanguage
	if err := read(c.w, c.r, &l, true); err != nil {
		return err
	}
	if _, err := asset.ParseLanguage(l.Language); err != nil {
		return err
	}
	now, err := c.svc.SetPackLanguage(c.r.Context(), id, l.Language)
	return c.reply(http.StatusOK, now, err)
}

// Packs tells where an app's packs lie and what there is.
func (c *Client) Packs(ctx context.Context, app asset.AppID) (PackList, error) {
	return get[PackList](ctx, c, appPath(app, "/packs"))
}

// Offer gives an app's manifest; fresh fetches it before.
func (c *Client) Offer(ctx context.Context, app asset.AppID, fresh bool) (asset.PackOffer, error) {
	path := "/manifest"
	if fresh {
		path += "?fresh=true"
	}
	return get[asset.PackOffer](ctx, c, appPath(app, path))
}

// CheckForUpdates fetches the manifest and begins what follows from it.
func (c *Client) CheckForUpdates(ctx context.Context, app asset.AppID) (PackChanges, error) {
	return send[PackChanges](ctx, c, http.MethodPost, appPath(app, "/packs/check"), nil)
}

// EnsurePacks has packs installed. Each comes once, when it has ended.
func (c *Client) EnsurePacks(ctx context.Context, app asset.AppID, req EnsureRequest) iter.Seq2[EnsureLine, error] {
	return c.ensured(ctx, appPath(app, "/packs/ensure"), req)
}

// ReconcileLanguages has the packs of the resolved language installed.
func (c *Client) ReconcileLanguages(ctx context.Context, app asset.AppID) iter.Seq2[EnsureLine, error] {
	return c.ensured(ctx, appPath(app, "/packs/languages"), nil)
}

type ensureLine struct {
	EnsureLine
	Error *asset.Error `json:"error"`
}

func (c *Client) ensured(ctx context.Context, path string, body any) iter.Seq2[EnsureLine, error] {
	return func(yield func(EnsureLine, error) bool) {
		err := follow(ctx, c, http.MethodPost, path, body, func(l ensureLine) (bool, *asset.Error) {
			return l.Error != nil || !l.Done && yield(l.EnsureLine, nil), l.Error
		})
		if err != nil {
			yield(EnsureLine{}, err)
		}
	}
}

// RemovePack takes a pack from the shelf.
func (c *Client) RemovePack(ctx context.Context, app asset.AppID, pack asset.PackID) error {
	_, err := send[struct{}](ctx, c, http.MethodDelete, appPath(app, "/packs/"+url.PathEscape(string(pack))), nil)
	return err
}

// SetPackLanguage makes a language the resolved one and gives what is resolved.
func (c *Client) SetPackLanguage(ctx context.Context, app asset.AppID, tag string) (PackLanguage, error) {
	return send[PackLanguage](ctx, c, http.MethodPut, appPath(app, "/packs/language"), PackLanguage{tag})
}
