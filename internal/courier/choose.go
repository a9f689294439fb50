package courier

import (
	"context"

	"larder/asset"
	"larder/extension"
	"larder/internal/apps"
)

// Chooser is an Extension that judges packs; exthost.Process is one. One that is none
// declines nothing.
type Chooser interface {
	ShouldDownload(ctx context.Context, p extension.AssetPack, reason extension.PackReason) (bool, error)
}

// Candidate is a pack that would be downloaded because of its policy, or because it is
// installed and a newer version is there.
type Candidate struct {
	Pack   asset.Pack
	Reason extension.PackReason
}

// Choose asks the app's extension about each candidate (managed §3.3), in one
// session, and names those that it declines. An app without an extension declines none.
func (c *Courier) Choose(ctx context.Context, app *apps.App, all []Candidate) (declined map[asset.PackID]bool, err error) {
	if app.Bundle.Extension == nil || len(all) == 0 {
		return nil, nil
	}
	declined = map[asset.PackID]bool{}
	err = c.session(ctx, app, true, func(p Extension) error {
		judge, ok := p.(Chooser)
		if !ok {
			return nil
		}
		for _, x := range all {
			yes, err := judge.ShouldDownload(ctx, extension.AssetPack{ID: string(x.Pack.ID), Version: int(x.Pack.Version), DownloadSize: x.Pack.DownloadSize, UserInfo: x.Pack.UserInfo}, x.Reason)
			if err != nil {
				return err
			}
			if !yes {
				declined[x.Pack.ID] = true
			}
		}
		return nil
	})
	return declined, err
}
