package trust

import (
	"slices"
	"time"
)

// Held says who holds a role.
type Held struct {
	Role      Role      `json:"role"`
	Threshold int       `json:"threshold"`
	Keys      []HeldKey `json:"keys"`
	Expires   time.Time `json:"expires"`
}

// HeldKey is a key of a role.
type HeldKey struct {
	ID     string `json:"id"`
	AtHand bool   `json:"atHand"` // its private half is in the directory of keys
}

// Holders lists all roles, root first.
func (r *Repository) Holders() []Held {
	roles := append([]Role{RoleRoot}, r.delegations()...)
	var all []Held
	for _, role := range append(roles, RoleSnapshot, RoleTimestamp) {
		ids, threshold := r.holders(role)
		h := Held{Role: role, Threshold: threshold, Expires: r.expires(role)}
		for _, id := range ids {
			h.Keys = append(h.Keys, HeldKey{ID: id, AtHand: slices.ContainsFunc(r.keys, func(k Key) bool { return k.ID == id })})
		}
		all = append(all, h)
	}
	return all
}

func (r *Repository) expires(role Role) time.Time {
	switch role {
	case RoleRoot:
		return r.root.Signed.Expires
	case RoleSnapshot:
		return r.snapshot.Signed.Expires
	case RoleTimestamp:
		return r.timestamp.Signed.Expires
	}
	if m := r.delegated[role]; m != nil {
		return m.Signed.Expires
	}
	return r.targets.Signed.Expires
}
