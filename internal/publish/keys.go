package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/site"
	"larder/internal/trust"
)

// KeyDir is a publisher's directory of keys for an app: the private keys, root.json,
// which goes into bundles, and the first metadata of the site, until it is published.
type KeyDir struct {
	Dir        string
	Passphrase func(file string) ([]byte, error)
}

const (
	rootFile  = "root.json"
	beginFile = "begin.json"
	maxDoc    = 16 << 20
)

func (k KeyDir) ring() *trust.Keyring {
	return &trust.Keyring{Dir: k.Dir, Disk: fsx.OS(), Passphrase: k.Passphrase}
}

func (k KeyDir) folder() Folder { return Folder{Dir: k.Dir, Disk: fsx.OS()} }

// Root is the root that bundles carry.
func (k KeyDir) Root() string { return filepath.Join(k.Dir, rootFile) }

// Plan is who will hold keys.
type Plan struct {
	RootKeys  int // that are made
	Threshold int // of them that must sign
	Contexts  []string
}

// Init makes all keys of an app and its root. It never touches a directory that has one.
func (k KeyDir) Init(ctx context.Context, plan Plan, lives trust.Lifetimes, now time.Time) ([]trust.Key, error) {
	if _, err := k.folder().Get(ctx, rootFile, maxDoc); err == nil {
		return nil, fault(asset.CodeState, k.Dir, "it has a root already", "use it, or name another directory; a lost root means a new version of the app")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, told(k.Dir, err)
	}
	ring := k.ring()
	var keys []trust.Key
	var edits []trust.Edit
	add := func(r trust.Role, n, threshold int) error {
		e := trust.Edit{Role: r, Threshold: threshold}
		for range n {
			key, err := ring.Generate(r)
			if err != nil {
				return told(k.Dir, err)
			}
			e.Add = append(e.Add, key)
		}
		keys, edits = append(keys, e.Add...), append(edits, e)
		return nil
	}
	if err := add(trust.RoleRoot, plan.RootKeys, plan.Threshold); err != nil {
		return nil, err
	}
	roles := []trust.Role{trust.RolePublisher, trust.RoleSnapshot, trust.RoleTimestamp}
	for _, c := range plan.Contexts {
		roles = append(roles, trust.ReleaseRole(c))
	}
	for _, r := range roles {
		if err := add(r, 1, 1); err != nil {
			return nil, err
		}
	}
	repo, err := trust.Create(edits, keys, lives, now)
	if err != nil {
		return nil, err
	}
	return keys, k.begin(ctx, repo)
}

// begin writes what the first publication will put on the site, and the root last.
func (k KeyDir) begin(ctx context.Context, repo *trust.Repository) error {
	files, err := repo.Files()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(files, "", " ")
	if err != nil {
		return err
	}
	root, err := repo.Root()
	if err != nil {
		return err
	}
	for _, f := range []trust.File{{Name: beginFile, Bytes: text}, {Name: rootFile, Bytes: root}} {
		if err := k.folder().Put(ctx, f.Name, bytes.NewReader(f.Bytes), int64(len(f.Bytes))); err != nil {
			return told(k.Dir, err)
		}
	}
	return nil
}

// Signing reads the directory.
func (k KeyDir) Signing(ctx context.Context) (*Signing, error) {
	root, err := k.folder().Get(ctx, rootFile, maxDoc)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(asset.CodeNotFound, k.Root(), "there is no root", "larder keys init makes one")
	}
	if err != nil {
		return nil, told(k.Dir, err)
	}
	s := &Signing{Root: root}
	text, err := k.folder().Get(ctx, beginFile, maxDoc)
	if err == nil {
		err = json.Unmarshal(text, &s.Begin)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, told(filepath.Join(k.Dir, beginFile), err)
	}
	s.Keys, err = k.ring().Keys()
	return s, err
}

// Generate makes one more key for a role.
func (k KeyDir) Generate(r trust.Role) (trust.Key, error) { return k.ring().Generate(r) }

// Change opens the metadata of a site for [Ceremony].
func Change(ctx context.Context, to Store, app asset.AppID, keys KeyDir, now time.Time) (*Ceremony, error) {
	s, err := keys.Signing(ctx)
	if err != nil {
		return nil, err
	}
	p := &publication{Options: Options{To: to, App: app, Signing: s, Now: now}}
	if err := p.readTrust(ctx); err != nil {
		return nil, err
	}
	return &Ceremony{p: p, keys: keys, Repository: p.repo}, nil
}

// Ceremony changes who may sign.
type Ceremony struct {
	*trust.Repository
	p    *publication
	keys KeyDir
}

// Commit writes what was accepted to the site, or into the directory of keys while nothing
// is published yet.
func (c *Ceremony) Commit(ctx context.Context) error {
	if len(c.p.Signing.Begin) > 0 {
		return fault(asset.CodeState, c.p.To.String(), "nothing is published there yet", "publish first; then keys can be changed")
	}
	files, err := c.Files()
	if err != nil {
		return err
	}
	for i, f := range files {
		var old []byte
		if i == len(files)-1 {
			old = c.p.stamp
		}
		if err := c.p.replace(ctx, site.AppPath(c.p.App, f.Name), old, f.Bytes); err != nil {
			return err
		}
	}
	root, err := c.Root()
	if err != nil {
		return err
	}
	if err := c.keys.folder().Put(ctx, rootFile, bytes.NewReader(root), int64(len(root))); err != nil {
		return told(c.keys.Dir, err)
	}
	return nil
}

// ReadPending reads a change that waits for signatures.
func ReadPending(b []byte) (*trust.Pending, error) {
	var p trust.Pending
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fault(asset.CodeConfiguration, "the pending change", fmt.Sprintf("it cannot be read: %v", err), "name the file that larder keys wrote")
	}
	return &p, nil
}
