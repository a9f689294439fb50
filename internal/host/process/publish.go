package process

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"larder/asset"
	"larder/internal/host/catalog"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

// Publish has a context of an app brought onto the site as the catalog has it.
func Publish(tx catalog.Tx, app int64, channel string, now time.Time) error {
	return tx.Enqueue(jobPublish, strconv.FormatInt(app, 10)+"/"+channel, now)
}

// lives are of a host, which is there to sign the time again (internal/trust).
var lives = trust.Lifetimes{Timestamp: 7 * 24 * time.Hour}

// resign is how often that is done when nothing else happens.
const resign = 24 * time.Hour

// isPending reports whether a release is about to be brought onto the site.
func isPending(state string) bool {
	return state == catalog.ProcessingForTesting || state == catalog.ProcessingForDistribution
}

// isLive reports whether devices may have what is released so.
func isLive(state string) bool {
	return state == catalog.ReadyForTesting || state == catalog.ReadyForDistribution
}

// ready is what a release in a channel becomes when devices can have it.
func ready(channel string) string {
	if channel == catalog.Production {
		return catalog.ReadyForDistribution
	}
	return catalog.ReadyForTesting
}

// edition is what a context will have.
type edition struct {
	app      catalog.App
	manifest asset.DownloadManifest
	pending  []catalog.Release
	floor    int64
}

// edition reads what a context of an app should have: of each pack the newest release, for each
// range of the app's versions.
func (w *Worker) edition(ctx context.Context, app int64, channel string) (e edition, err error) {
	return e, w.Catalog.Read(ctx, func(tx catalog.Tx) (err error) {
		if e.app, err = tx.App(app); err != nil {
			return err
		}
		if e.floor, err = tx.Floor(); err != nil {
			return err
		}
		e.manifest.PrimaryLanguage, e.manifest.Packs = e.app.Locale, []asset.Pack{}
		packs, err := tx.Packs(app)
		if err != nil {
			return err
		}
		for _, p := range packs {
			if p.Archived {
				continue
			}
			if err := e.add(tx, p, channel); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *edition) add(tx catalog.Tx, p catalog.Pack, channel string) error {
	releases, err := tx.ReleasesOf(p.ID, channel)
	if err != nil {
		return err
	}
	var ranges []asset.AppVersions
	newest := map[asset.AppVersions]catalog.Release{}
	for _, r := range releases { // the oldest version first
		if !isPending(r.State) && !isLive(r.State) {
			continue
		}
		if isPending(r.State) {
			e.pending = append(e.pending, r)
		}
		fits := asset.AppVersions{}
		if r.Fits != nil {
			fits = *r.Fits
		}
		if _, there := newest[fits]; !there {
			ranges = append(ranges, fits)
		}
		newest[fits] = r
	}
	for _, fits := range ranges {
		r := newest[fits]
		v, err := tx.Version(r.Version)
		if err != nil {
			return err
		}
		if v.Offer == nil {
			return fmt.Errorf("version %s is released and has no row for manifests", v.ID)
		}
		row := *v.Offer
		row.AppVersions = r.Fits
		deltas, err := tx.Deltas(v.ID)
		if err != nil {
			return err
		}
		for _, d := range deltas {
			row.Deltas = append(row.Deltas, asset.Delta{From: d.Base, URL: site.BlobURL(d.Blob), Size: d.Size, Hash: d.Blob})
		}
		e.manifest.Packs = append(e.manifest.Packs, row)
	}
	return nil
}

// publish brings a context onto the site, and then says so.
func (w *Worker) publish(ctx context.Context, j catalog.Job) error {
	id, channel, _ := strings.Cut(j.Subject, "/")
	app, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return err
	}
	e, err := w.edition(ctx, app, channel)
	if err != nil {
		return err
	}
	w.At("edition read")
	if err := w.sign(ctx, e, channel); err != nil {
		return err
	}
	w.At("site written")
	noted := func(tx catalog.Tx) error {
		for _, r := range e.pending {
			if err := w.goLive(tx, r); err != nil {
				return err
			}
		}
		if j.Kind == jobResign {
			return nil
		}
		return tx.Enqueue(jobResign, j.Subject, w.Now().Add(resign))
	}
	if j.Kind == jobPublish {
		err = w.finish(ctx, j, noted)
	} else {
		err = w.Catalog.Write(ctx, func(tx catalog.Tx) error { return errors.Join(tx.Hold(j), noted(tx), tx.Retry(j, w.Now().Add(resign))) })
	}
	w.At("release noted")
	return err
}

// goLive notes that a release is on the site, and what it supersedes: what is older, for the same
// versions of the app.
func (w *Worker) goLive(tx catalog.Tx, r catalog.Release) error {
	now, err := tx.Release(r.ID)
	if err != nil || now.State != r.State {
		return err // it was changed while the site was written: its own job follows
	}
	v, err := tx.Version(r.Version)
	if err != nil {
		return err
	}
	all, err := tx.ReleasesOf(v.Pack, r.Channel)
	if err != nil {
		return err
	}
	r.State, r.Live = ready(r.Channel), w.Now()
	older := true
	for _, other := range all {
		switch {
		case other.ID == r.ID:
			older = false
		case !sameRange(other.Fits, r.Fits) || other.State == catalog.Superseded:
		case older:
			other.State = catalog.Superseded
			if err := tx.SetRelease(other); err != nil {
				return err
			}
		case isLive(other.State):
			r.State = catalog.Superseded
		}
	}
	if err := tx.SetRelease(r); err != nil {
		return err
	}
	if v.State == catalog.Processing {
		v.State = catalog.Complete
		return tx.SetVersion(v)
	}
	return nil
}

func sameRange(a, b *asset.AppVersions) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// KeyDir is where an app's signing keys lie below a directory.
func KeyDir(keys string, app catalog.App) publish.KeyDir {
	return publish.KeyDir{Dir: filepath.Join(keys, string(app.Bundle))}
}

// sign writes the site, with keys that are made when the app is published for the first time.
func (w *Worker) sign(ctx context.Context, e edition, channel string) error {
	w.sites.Lock()
	defer w.sites.Unlock()
	keys := KeyDir(w.Keys, e.app)
	if _, err := keys.Init(ctx, publish.Plan{RootKeys: 1, Threshold: 1, Contexts: publish.Contexts}, lives, w.Now()); err != nil && asset.CodeOf(err) != asset.CodeState {
		return err
	}
	w.At("keys made")
	signing, err := keys.Signing(ctx)
	if err != nil {
		return err
	}
	signing.Lives, signing.Refresh, signing.Above = lives, true, e.floor
	_, err = publish.Set(ctx, publish.Options{To: w.folder(), App: e.app.Bundle, Context: channel, Signing: signing, Scratch: w.Scratch, Now: w.Now()}, &e.manifest)
	return err
}
