package publish

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/trust"
)

// disturbed is a folder with something that happens before it takes a document.
type disturbed struct {
	Folder
	before func() error
}

func (d disturbed) Replace(ctx context.Context, name string, old, new []byte) error {
	if err := d.before(); err != nil {
		return err
	}
	return d.Folder.Replace(ctx, name, old, new)
}

// rotate replaces the key of a role, and gives the new one's ID.
func (a *author) rotate(to Store, role trust.Role) (string, error) {
	a.t.Helper()
	key, err := a.keys.Generate(role)
	a.ok(err)
	c, err := Change(a.t.Context(), to, game, a.keys, now)
	a.ok(err)
	edit := trust.Edit{Role: role, Add: []trust.Key{key}}
	for _, h := range c.Holders() {
		if h.Role == role {
			edit.Revoke = append(edit.Revoke, h.Keys[0].ID)
		}
	}
	p, err := c.Propose([]trust.Edit{edit})
	a.ok(err)
	a.ok(c.Accept(p))
	return key.ID, c.Commit(a.t.Context())
}

// sign signs the time anew, and looks at the site as a device does.
func (a *author) sign(to Store) error {
	a.t.Helper()
	signing, err := a.keys.Signing(a.t.Context())
	a.ok(err)
	signing.Refresh = true
	_, err = Set(a.t.Context(), Options{To: to, App: game, Context: "production", Signing: signing, Scratch: a.t.TempDir(), Now: now}, &asset.DownloadManifest{Packs: []asset.Pack{}})
	return err
}

// Between a new root and the timestamp that is signed under it nobody can prove anything.
func TestAChangeOfKeysThatWasCutOffIsCompletedByTheNext(t *testing.T) {
	for documents, done := 0, false; !done; documents++ {
		to := Folder{Dir: t.TempDir(), Disk: fsx.OS()}
		a := newAuthor(t)
		a.ok(a.sign(to))
		left := documents
		id, err := a.rotate(disturbed{to, func() error {
			if left--; left < 0 {
				return errors.New("the disk is gone")
			}
			return nil
		}}, trust.RoleRoot)
		if done = err == nil; documents > 0 && !done {
			if err := a.sign(to); err == nil || !strings.Contains(asset.AsError(err).Help, "larder keys") {
				t.Errorf("cut off after %d documents: whoever publishes is told: %v", documents, err)
			}
		}
		if holds := a.holds(to, trust.RoleRoot); (holds == id) != (documents > 0) {
			t.Errorf("cut off after %d documents: the key is %s", documents, holds)
		}
	}
}

func TestAChangeOfKeysThatAPublicationOvertookIsCompletedByTheNext(t *testing.T) {
	to := Folder{Dir: t.TempDir(), Disk: fsx.OS()}
	a := newAuthor(t)
	a.ok(a.sign(to))
	var once sync.Once
	id, err := a.rotate(disturbed{to, func() error { once.Do(func() { a.ok(a.sign(to)) }); return nil }}, trust.RoleTimestamp)
	if !errors.Is(err, ErrChanged) {
		t.Errorf("the change that was overtaken: %v", err)
	}
	if holds := a.holds(to, trust.RoleTimestamp); holds != id {
		t.Errorf("the key is %s", holds)
	}
}

// holds gives the one key of a role, after all that was begun was completed, and proves that the site can be published to.
func (a *author) holds(to Store, role trust.Role) (id string) {
	a.t.Helper()
	c, err := Change(a.t.Context(), to, game, a.keys, now)
	a.ok(err)
	for _, h := range c.Holders() {
		if h.Role == role && len(h.Keys) == 1 {
			id = h.Keys[0].ID
		}
	}
	a.ok(a.sign(to))
	if left, err := filepath.Glob(filepath.Join(a.keys.Dir, unfinishedFile)); len(left) > 0 {
		a.t.Errorf("%v is left over, %v", left, err)
	}
	return id
}
