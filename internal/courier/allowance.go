package courier

import (
	"context"
	"net/url"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/policy"
	"larder/internal/queue"
)

// Allowances tells what is left of an app's allowances; dispatch.Dispatcher is
// one, and its promises are meant here.
type Allowances interface {
	Allowances(tx *db.Tx, app *apps.App) (apps.Allowances, error)
}

// left is what is left.
func (c *Courier) left(tx *db.Tx, id asset.AppID) (apps.Allowances, error) {
	app, err := apps.Get(tx, id)
	if err != nil {
		return apps.Allowances{}, err
	}
	return c.Allowances.Allowances(tx, &app)
}

// info is what an extension is told beside the request (classic §2.6).
func (c *Courier) info(ctx context.Context, id asset.AppID) (info asset.ExtensionInfo, err error) {
	err = c.DB.Read(ctx, func(tx *db.Tx) error {
		app, err := apps.Get(tx, id)
		if err != nil {
			return err
		}
		left, err := c.Allowances.Allowances(tx, &app)
		info.RestrictedDownloadSizeRemaining, info.RestrictedEssentialDownloadSizeRemaining = left.Told()
		info.Language = app.Prefs.Language
		return err
	})
	return info, err
}

func overAllowance(e *queue.Entry, left int64) *asset.Error {
	key := "BADownloadAllowance"
	if e.Essential {
		key = "BAEssentialDownloadAllowance"
	}
	return &asset.Error{Code: asset.CodeWouldExceedAllowance, Domain: asset.DomainBA, Op: "schedule download", Subject: e.Identifier,
		Message: "it has " + policy.Bytes(e.FileSize) + " and " + policy.Bytes(left) + " are left of " + key + ", which holds until the first launch",
		Help:    "raise " + key + " in the app's Info.plist, or ask for it after the first launch"}
}

func host(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
