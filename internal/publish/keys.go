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
	// unfinishedFile has the change of keys that is being written to a site.
	unfinishedFile = "unfinished.json"
	maxDoc         = 16 << 20
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
	if _, err := k.folder().Get(ctx, unfinishedFile, maxDoc); err == nil {
		s.unfinished = true
	}
	s.Keys, err = k.ring().Keys()
	return s, err
}

// Generate makes one more key for a role.
func (k KeyDir) Generate(r trust.Role) (trust.Key, error) { return k.ring().Generate(r) }

// Change opens the metadata of a site for [Ceremony]. A change of the same keys that was cut off is
// completed first: under its root alone nothing that the site has is proved.
func Change(ctx context.Context, to Store, app asset.AppID, keys KeyDir, now time.Time) (*Ceremony, error) {
	c, err := open(ctx, to, app, keys, now)
	if err == nil && c.p.Signing.unfinished { // the site is whole: it has all of that change, or nothing
		return c, keys.finished()
	}
	if asset.CodeOf(err) != asset.CodeSignature {
		return c, err
	}
	text, lost := keys.folder().Get(ctx, unfinishedFile, maxDoc)
	if lost != nil {
		return nil, err
	}
	pending, lost := ReadPending(text)
	if lost != nil || pending.Root == nil {
		return nil, err
	}
	if c, lost = open(ctx, without{to, pending.Root}, app, keys, now); lost != nil || c.Accept(pending) != nil {
		return nil, err
	}
	c.p.To = to
	if err := c.Commit(ctx); err != nil {
		return nil, err
	}
	return open(ctx, to, app, keys, now)
}

// Signed reads what a site has signed, and changes nothing.
func Signed(ctx context.Context, from Store, app asset.AppID, keys KeyDir, now time.Time) (*trust.Repository, error) {
	c, err := open(ctx, from, app, keys, now)
	if err != nil {
		return nil, err
	}
	return c.Repository, nil
}

func open(ctx context.Context, to Store, app asset.AppID, keys KeyDir, now time.Time) (*Ceremony, error) {
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

// without is a site as it was before a document came.
type without struct {
	Store
	document []byte
}

// Get implements Store.
func (w without) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	b, err := w.Store.Get(ctx, name, limit)
	if err == nil && bytes.Equal(b, w.document) {
		return nil, fs.ErrNotExist
	}
	return b, err
}

// Ceremony changes who may sign.
type Ceremony struct {
	*trust.Repository
	p       *publication
	keys    KeyDir
	pending *trust.Pending // accepted
}

// Accept is [trust.Repository.Accept], for Commit.
func (c *Ceremony) Accept(p *trust.Pending) error {
	err := c.Repository.Accept(p)
	if err == nil {
		c.pending = p
	}
	return err
}

// Commit writes what was accepted to the site. Nothing can be proved between its root and its timestamp, so
// the change is first noted beside the keys.
func (c *Ceremony) Commit(ctx context.Context) error {
	if len(c.p.Signing.Begin) > 0 {
		return fault(asset.CodeState, c.p.To.String(), "nothing is published there yet", "publish first; then keys can be changed")
	}
	text, err := json.Marshal(c.pending)
	if err == nil {
		err = c.keys.folder().Put(ctx, unfinishedFile, bytes.NewReader(text), int64(len(text)))
	}
	if err != nil {
		return told(c.keys.Dir, err)
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
	return c.keys.finished()
}

// finished forgets the change that was noted.
func (k KeyDir) finished() error {
	err := k.folder().Disk.Remove(k.folder().path(unfinishedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return told(k.Dir, err)
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
