package apps

import (
	"larder/asset"
	"larder/internal/db"
)

// Allowances is what is left of an app's two allowances, in bytes; below zero
// when more is reserved than there is. Both bind only while Restricted, that is
// before the first launch (classic §1, §2.6).
type Allowances struct {
	Restricted        bool
	Others, Essential int64
}

// Allowances is what is left after the bytes that were received so far; what is
// scheduled or comes in at this moment is the caller's to take off.
func (a *App) Allowances() Allowances {
	r := a.Bundle.Restrictions
	if a.Launched() || r == nil {
		return Allowances{}
	}
	return Allowances{Restricted: true, Others: r.DownloadAllowance - a.spent, Essential: r.EssentialDownloadAllowance - a.spentEssential}
}

// Of gives the allowance that essential downloads draw from, or the other.
func (l *Allowances) Of(essential bool) *int64 {
	if essential {
		return &l.Essential
	}
	return &l.Others
}

// Told is what the app and its extension are told; nil is unrestricted.
func (l Allowances) Told() (others, essential *int64) {
	if !l.Restricted {
		return nil, nil
	}
	o, e := max(l.Others, 0), max(l.Essential, 0)
	return &o, &e
}

// ManifestEssential tells which allowance the manifest draws from: the essential
// one, unless the app does not use that and has set it to 0.
func (a *App) ManifestEssential() bool {
	r := a.Bundle.Restrictions
	return r == nil || r.EssentialDownloadAllowance > 0
}

// Spend counts bytes that were received against an allowance.
func Spend(tx *db.Tx, id asset.AppID, essential bool, bytes int64) error {
	if essential {
		return set(tx, id, "spent_essential = spent_essential + ?", bytes)
	}
	return set(tx, id, "spent = spent + ?", bytes)
}
