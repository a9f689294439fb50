package client

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"larder/asset"
	"larder/internal/localapi"
)

// EnsureOptions of EnsureLocalAvailability; the zero value waits for what is missing only.
type EnsureOptions struct {
	// RequireLatestVersions also waits for updates of what is installed. What this
	// process reads moves to them with Refresh.
	RequireLatestVersions bool
}

// LocalAvailabilityError says which of several packs are installed and which are not
// (managed §1.5, code 2 of BAManagedErrorDomain).
type LocalAvailabilityError struct {
	Successes []asset.PackID
	Failures  map[asset.PackID]error // each an *asset.Error
}

// Error names one failure and counts all.
func (e *LocalAvailabilityError) Error() string {
	ids := slices.Sorted(maps.Keys(e.Failures))
	return fmt.Sprintf("ensure local availability: %d of %d packs are not installed; %s: %v", len(ids), len(ids)+len(e.Successes), ids[0], e.Failures[ids[0]])
}

// Unwrap gives the error that crosses an API.
func (e *LocalAvailabilityError) Unwrap() []error {
	out := []error{&asset.Error{Code: asset.CodeLocalAvailabilityFailure, Domain: asset.DomainManaged, Op: "ensure local availability", Message: "some packs are not installed"}}
	for _, id := range slices.Sorted(maps.Keys(e.Failures)) {
		out = append(out, e.Failures[id])
	}
	return out
}

// EnsureLocalAvailability has the packs installed and readable by this process, and waits
// for all of them, also when some fail (managed §1.5). A nil error says that they are. One pack that
// fails gives its own *asset.Error, of several the error is a *LocalAvailabilityError.
// Calls for the same pack share its download, which goes on when ctx ends. How far it
// is, StatusUpdates tells.
func (m *AssetPackManager) EnsureLocalAvailability(ctx context.Context, o EnsureOptions, ids ...asset.PackID) error {
	if len(ids) == 0 {
		return nil
	}
	if !o.RequireLatestVersions && m.haveAll(ids) {
		return m.add(ids)
	}
	req := localapi.EnsureRequest{Latest: o.RequireLatestVersions}
	for _, id := range ids {
		req.Packs = append(req.Packs, string(id))
	}
	return m.settle(m.api.EnsurePacks(ctx, m.app, req), len(req.Packs) > 1)
}

func (m *AssetPackManager) haveAll(ids []asset.PackID) bool {
	for _, id := range ids {
		if _, ok := m.installed(id); !ok {
			return false
		}
	}
	return true
}

func (m *AssetPackManager) add(ids []asset.PackID) error { return m.shelf.Add(ids...) }

// settle takes the ends of packs, and makes those visible that are installed.
func (m *AssetPackManager) settle(lines iter.Seq2[localapi.EnsureLine, error], batch bool) error {
	defer m.changed()
	all := LocalAvailabilityError{Failures: map[asset.PackID]error{}}
	for l, err := range lines {
		switch {
		case err != nil:
			return err
		case l.Failed != nil:
			all.Failures[l.Pack] = l.Failed
		default:
			all.Successes = append(all.Successes, l.Pack)
		}
	}
	if err := m.add(all.Successes); err != nil {
		return err
	}
	switch {
	case len(all.Failures) == 0:
		return nil
	case !batch:
		for _, err := range all.Failures {
			return err
		}
	}
	return &all
}

// ResolvedLanguage is the language whose packs the system keeps installed; "" when no pack
// is localized, or none was ever looked for (managed §1.8).
func (m *AssetPackManager) ResolvedLanguage() string {
	offer, err := m.lastOffer()
	if err != nil || offer == nil {
		return ""
	}
	return offer.ResolvedLanguage
}

// SetResolvedLanguage overrides it, "" gives it back to the person's choice. Nothing is
// fetched or removed by this; see ReconcilePreferredLanguages.
func (m *AssetPackManager) SetResolvedLanguage(ctx context.Context, tag string) error {
	defer m.changed()
	_, err := m.api.SetPackLanguage(ctx, m.app, tag)
	return err
}

// LocallyAvailableLanguages are those with at least one installed pack, sorted.
func (m *AssetPackManager) LocallyAvailableLanguages() ([]string, error) {
	view, err := m.current()
	var out []string
	for _, p := range view.Packs {
		if p.Language != "" && !slices.Contains(out, p.Language) {
			out = append(out, p.Language)
		}
	}
	slices.Sort(out)
	return out, err
}

// ReconcilePreferredLanguages has the packs of the resolved language installed, waits for
// them, and then removes localized packs of others, but none that the app asked for
// itself (managed §1.8).
func (m *AssetPackManager) ReconcilePreferredLanguages(ctx context.Context) error {
	return m.settle(m.api.ReconcileLanguages(ctx, m.app), true)
}
