package service

import (
	"slices"
	"strings"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/queue"
)

// packs tells of all packs of an app that are installed, offered or on their way,
// by identifier. Nothing is asked of the network.
func (s *Service) packs(tx *db.Tx, app *apps.App) ([]asset.PackStatus, error) {
	out := []asset.PackStatus{}
	if !app.Bundle.HasManagedAssetPacks {
		return out, nil
	}
	view, err := s.onShelf(app)
	if err != nil {
		return out, err
	}
	offer, err := s.offerTo(app)
	if err != nil {
		return out, err
	}
	a, err := s.manifestOf(app)
	if err != nil {
		return out, err
	}
	explicit, err := apps.Explicit(tx, app.ID())
	if err != nil {
		return out, err
	}
	going, err := queue.Packs(tx, app.ID())
	if err != nil {
		return out, err
	}
	byID := map[asset.PackID]*asset.PackStatus{}
	of := func(id asset.PackID) *asset.PackStatus {
		if byID[id] == nil {
			byID[id] = &asset.PackStatus{ID: id, Explicit: explicit[id]}
		}
		return byID[id]
	}
	for _, p := range offer.Packs {
		st := of(p.ID)
		st.Status |= asset.PackDownloadAvailable
		st.Available, st.Policy, st.Language, st.DownloadSize = &p.Version, p.DownloadPolicy.Kind, p.Language, p.DownloadSize
	}
	for id, why := range offer.Unfit {
		of(id).Reason = &asset.Reason{Code: asset.CodeDoesNotFit.String(), Message: why, Unblock: "update the app, or publish a version of the pack for it", Since: since(a)}
	}
	for _, p := range view.Packs {
		st := of(asset.PackID(p.ID))
		st.Installed, st.InstalledSize = &p.Version, p.Size
		if st.Available == nil {
			st.Language = p.Language
		}
		st.Status |= installedBits(st, p.Version, a != nil)
	}
	for _, e := range going {
		of(asset.PackID(e.Identifier)).Status |= asset.PackDownloading
	}
	for _, st := range byID {
		out = append(out, *st)
	}
	slices.SortFunc(out, func(a, b asset.PackStatus) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, nil
}

func since(a *accepted) time.Time {
	if a == nil {
		return time.Time{}
	}
	return a.Fetched
}

// installedBits are those of an installed pack, as far as the last manifest tells.
func installedBits(st *asset.PackStatus, version int64, known bool) asset.PackBits {
	switch {
	case !known:
		return asset.PackDownloaded
	case st.Available == nil && st.Reason != nil: // offered, to other versions of the app
		return asset.PackDownloaded
	case st.Available == nil:
		return asset.PackDownloaded | asset.PackObsolete
	case *st.Available > version:
		return asset.PackDownloaded | asset.PackOutOfDate | asset.PackUpdateAvailable
	case *st.Available < version:
		return asset.PackDownloaded | asset.PackOutOfDate
	}
	return asset.PackDownloaded | asset.PackUpToDate
}
