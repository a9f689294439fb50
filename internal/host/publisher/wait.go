package publisher

import (
	"context"

	"larder/asset"
	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
)

// processed waits until a version is complete, and gives what the host has to say about it.
func (h *Host) processed(ctx context.Context, o Options, id asset.PackID, version string) (notes []string, err error) {
	for n := 0; ; n++ {
		a, err := h.ask(ctx, "GET", "/v1/backgroundAssetVersions/"+version, nil)
		if err != nil {
			return nil, err
		}
		v, err := a.one()
		if err != nil {
			return nil, err
		}
		details := v.Attributes.Details
		switch v.Attributes.State {
		case catalog.Complete:
			for _, f := range append(details.Warnings, details.Infos...) {
				notes = append(notes, f.Description)
			}
			return notes, nil
		case catalog.Failed:
			return nil, failed(string(id), details.Errors)
		}
		if n == 0 {
			o.Waiting(id, "the host processes it")
		}
		if err := rest(ctx, pace(n)); err != nil {
			return nil, err
		}
	}
}

// kinds of releases, by context: the relationship, and the state of what is live.
var kinds = map[string]struct{ name, live string }{
	catalog.Internal:   {"internalBetaRelease", catalog.ReadyForTesting},
	catalog.External:   {"externalBetaRelease", catalog.ReadyForTesting},
	catalog.Production: {"appStoreRelease", catalog.ReadyForDistribution},
}

// release brings a complete version to the context, and waits until devices have it, or a
// person has to decide. It gives the state of the release.
func (h *Host) release(ctx context.Context, o Options, id asset.PackID, version string) (string, error) {
	asked := false
	for n := 0; ; n++ {
		a, err := h.ask(ctx, "GET", "/v1/backgroundAssetVersions/"+version+"?include="+kinds[o.Context].name, nil)
		if err != nil {
			return "", err
		}
		state := catalog.Superseded
		if len(a.Included) > 0 {
			state = a.Included[0].Attributes.State
		}
		switch state {
		case kinds[o.Context].live, catalog.WaitingForReview, catalog.InReview, catalog.Accepted, catalog.ReadyForReview:
			return state, nil
		case catalog.Superseded:
			return "", &asset.Error{Code: asset.CodeState, Op: op, Subject: string(id), Message: "a newer version is in " + o.Context + " already", Help: "publish other content, or roll back"}
		case catalog.ReadyForBetaSubmission, catalog.PrepareForSubmission, catalog.Rejected:
			if asked {
				break
			}
			asked = true
			attributes := map[string]any{"channel": o.Context}
			if o.AppVersions != nil {
				attributes["appVersions"] = o.AppVersions
			}
			if _, err := h.ask(ctx, "POST", "/larder/v1/promotions", body("larderPromotions", "", attributes, jsonapi.Ref{Type: "backgroundAssetVersions", ID: version})); err != nil {
				return "", err
			}
			continue
		}
		if n == 0 {
			o.Waiting(id, "the host brings it to "+o.Context)
		}
		if err := rest(ctx, pace(n)); err != nil {
			return "", err
		}
	}
}
