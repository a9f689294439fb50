package courier

import (
	"context"

	"larder/asset"
	"larder/internal/apps"
)

// Challenge asks an app's extension what to do about a server's demand for
// authentication (classic §2.7). Without an extension the default holds.
func (c *Courier) Challenge(ctx context.Context, app *apps.App, d asset.Download, ch asset.Challenge) (ans asset.ChallengeAnswer, err error) {
	if app.Bundle.Extension == nil {
		return asset.ChallengeAnswer{Disposition: asset.DefaultHandling}, nil
	}
	err = c.session(ctx, app, false, func(p Extension) (err error) {
		ans, err = p.ReceivedChallenge(ctx, d, ch)
		return err
	})
	return ans, err
}
