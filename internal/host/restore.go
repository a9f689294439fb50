package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/host/catalog"
	"larder/internal/host/process"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

// Restoration says what a host is made of.
type Restoration struct {
	From string // a backup
	Dir  string
	// Site is what devices read until now, if anything of it is left: an export, a mirror, the old
	// host's own. It may be nil.
	Site publish.Store
	Now  time.Time
}

// Restored is one app of a restored host, as the site tells of it.
type Restored struct {
	App   asset.AppID
	Root  int64 // the version of its root
	Later bool  // keys were changed after the backup was made
}

// Restore makes a host's directory of a backup. What the site has is published anew when the
// host starts, above all that devices may have seen since the backup was made. Where keys were changed
// since, which only the site can tell, devices follow the new ones alone: the host goes on from what is
// signed there, or nothing is restored if the backup lacks a key that it needs for that.
func Restore(ctx context.Context, r Restoration) ([]Restored, error) {
	if _, err := os.Stat(filepath.Join(r.From, "host.db")); err != nil {
		return nil, &asset.Error{Code: asset.CodeNotFound, Op: op, Subject: r.From, Message: "there is no whole backup", Help: "name a directory that \"larder host backup\" wrote"}
	}
	if list, err := os.ReadDir(r.Dir); err == nil && len(list) > 0 {
		return nil, &asset.Error{Code: asset.CodeState, Op: op, Subject: r.Dir, Message: "it is not empty", Help: "name a directory that is not there yet"}
	}
	signed, err := r.authorities(ctx)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{"keys", "uploads", "site"} {
		if err := copyTree(ctx, filepath.Join(r.From, part), filepath.Join(r.Dir, part)); err != nil {
			return nil, told(r.Dir, err)
		}
	}
	var done []Restored
	for _, a := range signed {
		if a.Later {
			if err := r.goOn(ctx, a); err != nil {
				return nil, told(r.Dir, err)
			}
		}
		done = append(done, a.Restored)
	}
	disk := fsx.OS()
	temp := filepath.Join(r.Dir, fsx.TempPrefix+"host.db")
	if err := copyFile(filepath.Join(r.From, "host.db"), temp); err != nil {
		return nil, told(r.Dir, err)
	}
	if err := fsx.Move(disk, temp, filepath.Join(r.Dir, "host.db")); err != nil {
		return nil, told(r.Dir, err)
	}
	return done, r.republish(ctx)
}

// republish has all that the catalog knows published when the host starts.
func (r Restoration) republish(ctx context.Context) error {
	h, err := Open(ctx, Options{Dir: r.Dir, Base: "http://localhost", Log: discard, Now: func() time.Time { return r.Now }})
	if err != nil {
		return err
	}
	return errors.Join(h.catalog.Write(ctx, func(tx catalog.Tx) error {
		if err := tx.Restored(); err != nil {
			return err
		}
		apps, err := tx.Apps()
		for _, a := range apps {
			for _, channel := range publish.Contexts {
				err = errors.Join(err, process.Publish(tx, a.ID, channel, h.Now()))
			}
		}
		return err
	}), h.Close())
}

// authority is who may sign an app's site, as devices read it until now.
type authority struct {
	Restored
	repo *trust.Repository
}

// authorities of all apps that the backup has keys of; none are known without a site to compare with.
func (r Restoration) authorities(ctx context.Context) (all []authority, err error) {
	if r.Site == nil {
		return nil, nil
	}
	dirs, err := os.ReadDir(filepath.Join(r.From, "keys"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, told(r.From, err)
	}
	for _, d := range dirs {
		app, err := asset.ParseAppID(d.Name())
		if err != nil {
			continue
		}
		a, err := r.authority(ctx, app)
		if asset.CodeOf(err) == asset.CodeNotFound { // nothing of it was ever published
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func (r Restoration) authority(ctx context.Context, app asset.AppID) (a authority, err error) {
	keys := process.KeyDir(filepath.Join(r.From, "keys"), catalog.App{Bundle: app})
	if a.repo, err = publish.Signed(ctx, r.Site, app, keys, r.Now); err != nil {
		return a, err
	}
	root, targets := a.repo.Authority()
	var oldRoot, oldTargets int64 // none, if the root that was put beside the keys is newer than all of the backup's site
	before, err := publish.Signed(ctx, publish.Folder{Dir: filepath.Join(r.From, "site"), Disk: fsx.OS()}, app, keys, r.Now)
	if err == nil {
		oldRoot, oldTargets = before.Authority()
	} else if asset.CodeOf(err) != asset.CodeSignature {
		return a, err
	}
	a.Restored = Restored{App: app, Root: max(root, oldRoot), Later: root > oldRoot || targets > oldTargets}
	if a.Later {
		return a, r.suffice(a)
	}
	return a, nil
}

// suffice refuses a backup that lacks a key which signs day by day.
func (r Restoration) suffice(a authority) error {
	var lacks []string
	for _, h := range a.repo.Holders() {
		have, ids := 0, []string{}
		for _, k := range h.Keys {
			if ids = append(ids, string(h.Role)+"-"+k.ID[:8]+".pem"); k.AtHand {
				have++
			}
		}
		if have < h.Threshold && h.Role != trust.RoleRoot {
			lacks = append(lacks, strings.Join(ids, " or "))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return &asset.Error{Code: asset.CodeState, Op: op, Subject: string(a.App),
		Message: fmt.Sprintf("its keys were changed after the backup was made: devices follow %s (root %d), and refuse what the keys in the backup sign", r.Site, a.Root),
		Help: fmt.Sprintf("copy %s into %s and restore again; where such a file is lost, rotate its role with the root's key first, and without that too, the app needs a new version with a new root",
			strings.Join(lacks, ", "), filepath.Join(r.From, "keys", string(a.App)))}
}

// goOn puts what is signed in place of what the backup has, so that the host signs the next.
func (r Restoration) goOn(ctx context.Context, a authority) error {
	to := publish.Folder{Dir: filepath.Join(r.Dir, "site"), Disk: fsx.OS()}
	var files []trust.File
	for _, c := range a.repo.Contexts() {
		text, err := a.repo.Manifest(c, publish.Named)
		if err != nil {
			return err
		}
		files = append(files, trust.File{Name: trust.ManifestFile(c, sha256.Sum256(text)), Bytes: text})
	}
	documents, err := a.repo.Documents()
	if err != nil {
		return err
	}
	for _, f := range append(files, documents...) {
		if err := to.Put(ctx, site.AppPath(a.App, f.Name), bytes.NewReader(f.Bytes), int64(len(f.Bytes))); err != nil {
			return err
		}
	}
	root, err := a.repo.Root()
	if err != nil {
		return err
	}
	return fsx.WriteFile(fsx.OS(), process.KeyDir(filepath.Join(r.Dir, "keys"), catalog.App{Bundle: a.App}).Root(), root, 0o644)
}
