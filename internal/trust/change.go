package trust

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"larder/asset"
)

// Edit changes who may sign for a role. Root keys also sign targets.
type Edit struct {
	Role      Role
	Add       []Key
	Revoke    []string // IDs, or their beginnings of eight digits and more
	Threshold int      // 0 keeps it, or is 1 for a new role
}

// Pending is a change that waits for signatures of root keys. It is carried from
// one holder of keys to the next as JSON.
type Pending struct {
	Root    []byte `json:"root,omitempty"`    // the next root
	Targets []byte `json:"targets,omitempty"` // the next targets
	Base    int64  `json:"base,omitempty"`    // version of the targets that are changed
}

// Create begins the repository of an app: the keys and thresholds of all roles, root first.
// It needs the root keys' private halves, as many as their threshold.
func Create(edits []Edit, keys []Key, life Lifetimes, now time.Time) (*Repository, error) {
	r := &Repository{keys: keys, life: life.withDefaults(), now: now.UTC().Truncate(time.Second),
		delegated: map[Role]*metadata.Metadata[metadata.TargetsType]{}, stored: map[Role][]byte{}, dirty: map[Role]bool{}}
	r.root = metadata.Root(r.now.Add(r.life.Offline))
	r.root.Signed.Version = 0
	if err := r.empty(); err != nil {
		return nil, err
	}
	p, err := r.Propose(edits)
	if err != nil {
		return nil, err
	}
	return r, r.Accept(p)
}

// Propose drafts a change and signs it with the root keys at hand.
func (r *Repository) Propose(edits []Edit) (*Pending, error) {
	root, err := copyOf(r.root)
	if err != nil {
		return nil, err
	}
	targets, err := copyOf(r.targets)
	if err != nil {
		return nil, err
	}
	var newRoot, newTargets bool
	for _, e := range edits {
		if e.Role.delegated() {
			newTargets = true
			err = editTargets(&targets.Signed, e)
		} else {
			newRoot, newTargets = true, newTargets || e.Role == RoleRoot // whose keys sign the targets too
			err = editRoot(&root.Signed, e)
		}
		if err != nil {
			return nil, &asset.Error{Code: asset.CodeBadRequest, Op: opKeys, Subject: string(e.Role), Message: err.Error(),
				Help: "larder keys status lists roles and their keys"}
		}
	}
	p := &Pending{Base: r.targets.Signed.Version}
	if newRoot {
		root.Signed.Version++
		root.Signed.Expires = r.now.Add(r.life.Offline)
		root.ClearSignatures()
		if err := sound(root); err != nil {
			return nil, err
		}
		if p.Root, err = root.ToBytes(false); err != nil {
			return nil, err
		}
	}
	if newTargets {
		if targets.Signed.Version, err = r.next(RoleTargets, targets.Signed.Version); err != nil {
			return nil, err
		}
		targets.Signed.Expires = r.now.Add(r.life.Offline)
		targets.ClearSignatures()
		if p.Targets, err = targets.ToBytes(false); err != nil {
			return nil, err
		}
	}
	return p, r.Sign(p)
}

func copyOf[T metadata.Roles](m *metadata.Metadata[T]) (*metadata.Metadata[T], error) {
	b, err := m.ToBytes(false)
	if err != nil {
		return nil, err
	}
	return new(metadata.Metadata[T]).FromBytes(b)
}

func editRoot(root *metadata.RootType, e Edit) error {
	roles := []Role{e.Role}
	switch e.Role {
	case RoleRoot:
		roles = append(roles, RoleTargets)
	case RoleSnapshot, RoleTimestamp:
	default:
		return errors.New("there is no such role")
	}
	for _, r := range roles {
		for _, k := range e.Add {
			if err := root.AddKey(k.public, string(r)); err != nil {
				return err
			}
		}
		held := root.Roles[string(r)]
		for _, begin := range e.Revoke {
			id, err := match(held.KeyIDs, begin)
			if err != nil {
				return err
			}
			if err := root.RevokeKey(id, string(r)); err != nil {
				return err
			}
		}
		if e.Threshold > 0 {
			held.Threshold = e.Threshold
		}
		if len(held.KeyIDs) < held.Threshold {
			return fmt.Errorf("it would have %d keys, and %d of them must sign", len(held.KeyIDs), held.Threshold)
		}
	}
	return nil
}

func editTargets(t *metadata.TargetsType, e Edit) error {
	d := t.Delegations
	i := slices.IndexFunc(d.Roles, func(have metadata.DelegatedRole) bool { return have.Name == string(e.Role) })
	if i < 0 {
		i = len(d.Roles)
		d.Roles = append(d.Roles, metadata.DelegatedRole{Name: string(e.Role), Threshold: 1, Terminating: true, Paths: e.Role.paths()})
	}
	for _, k := range e.Add {
		if !slices.Contains(d.Roles[i].KeyIDs, k.ID) {
			d.Roles[i].KeyIDs = append(d.Roles[i].KeyIDs, k.ID)
			d.Keys[k.ID] = k.public
		}
	}
	for _, begin := range e.Revoke {
		id, err := match(d.Roles[i].KeyIDs, begin)
		if err != nil {
			return err
		}
		if err := t.RevokeKey(id, string(e.Role)); err != nil {
			return err
		}
	}
	if e.Threshold > 0 {
		d.Roles[i].Threshold = e.Threshold
	}
	if n := len(d.Roles[i].KeyIDs); n < d.Roles[i].Threshold {
		return fmt.Errorf("it would have %d keys, and %d of them must sign", n, d.Roles[i].Threshold)
	}
	return apart(d)
}

// match finds a key by the beginning of its ID.
func match(ids []string, begin string) (string, error) {
	if len(begin) < 8 {
		return "", fmt.Errorf("%q is too short to name a key; give eight digits or more", begin)
	}
	found := ""
	for _, id := range ids {
		if len(id) >= len(begin) && id[:len(begin)] == begin {
			if found != "" {
				return "", fmt.Errorf("%q names more than one key", begin)
			}
			found = id
		}
	}
	if found == "" {
		return "", fmt.Errorf("it has no key %q", begin)
	}
	return found, nil
}

// Sign adds the signatures of the root keys at hand.
func (r *Repository) Sign(p *Pending) error {
	ids, _ := r.holders(RoleRoot)
	if p.Root != nil {
		root, err := metadata.Root().FromBytes(p.Root)
		if err != nil {
			return judged("the pending root", err)
		}
		ids = append(slices.Clone(ids), root.Signed.Roles[string(RoleRoot)].KeyIDs...)
		if _, err := sign(root, r.keys, ids); err != nil {
			return err
		}
		if p.Root, err = root.ToBytes(false); err != nil {
			return err
		}
	}
	if p.Targets != nil {
		targets, err := metadata.Targets().FromBytes(p.Targets)
		if err != nil {
			return judged("the pending targets", err)
		}
		if _, err := sign(targets, r.keys, ids); err != nil {
			return err
		}
		if p.Targets, err = targets.ToBytes(false); err != nil {
			return err
		}
	}
	return nil
}

// Accept takes a change that has enough signatures; else it is 1005 and says how
// many it has. Roles whose keys changed are signed anew, by the keys at hand.
func (r *Repository) Accept(p *Pending) error {
	root, targets := r.root, r.targets
	if p.Root != nil {
		next, err := metadata.Root().FromBytes(p.Root)
		if err != nil {
			return judged("the pending root", err)
		}
		if next.Signed.Version != root.Signed.Version+1 {
			return fault(asset.CodeSignature, "the pending root", "it is version %d, and the site has %d: propose the change again", next.Signed.Version, root.Signed.Version)
		}
		if root.Signed.Version > 0 {
			if err := guarded("the pending root", func() error { return root.VerifyDelegate(string(RoleRoot), next) }); err != nil {
				return err
			}
		}
		if err := guarded("the pending root", func() error { return next.VerifyDelegate(string(RoleRoot), next) }); err != nil {
			return err
		}
		root = next
	}
	if p.Targets != nil {
		next, err := metadata.Targets().FromBytes(p.Targets)
		if err != nil {
			return judged("the pending targets", err)
		}
		if p.Base != targets.Signed.Version || next.Signed.Version <= p.Base {
			return fault(asset.CodeSignature, "the pending targets", "it follows version %d, and the site has %d: propose the change again", p.Base, targets.Signed.Version)
		}
		targets = next
	}
	if err := guarded("targets", func() error { return root.VerifyDelegate(string(RoleTargets), targets) }); err != nil {
		return err // also when new root keys must sign the old targets again
	}
	if p.Root != nil {
		r.root, r.roots = root, append(r.roots, File{Name: versionedFile(RoleRoot, root.Signed.Version), Bytes: p.Root})
	}
	if p.Targets != nil {
		r.targets, r.dirty[RoleTargets] = targets, true
	}
	return r.resign()
}

// resign signs those delegated roles again whose signatures no longer suffice.
func (r *Repository) resign() error {
	for _, role := range r.delegations() {
		m := r.delegated[role]
		if m == nil || guarded(string(role), func() error { return r.targets.VerifyDelegate(string(role), m) }) == nil {
			continue
		}
		r.dirty[role] = true
		life := r.life.Offline
		if _, release := role.context(); release {
			life = r.life.Release
		}
		if err := r.edit(role, life, m.Signed.Targets); err != nil {
			return err
		}
	}
	return nil
}
