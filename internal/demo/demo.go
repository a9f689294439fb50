// Package demo is "larder demo": the whole road of a byte in one command, with
// nothing set up before. In a temporary folder it runs a service of its own (the
// real one, as a second process) and a web server on loopback; it turns a folder
// of files into downloads, installs an app whose extension is a third process,
// launches it through the gate with the real "larder launch", and lets the app
// prove what it found. Then a second app's asset pack is published, installed, changed and
// updated by a delta.
//
// It promises to touch nothing outside that folder, to read the tree and nothing
// else, to be bounded in bytes and time, and to leave no file and no process
// behind, however it ends short of kill -9. It is no benchmark: the web server is
// paced. What it shows is what any app gets; nothing in Larder knows of it.
//
// cmd/larder calls Run for the command, and Role first thing in every process.
package demo

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/policy"
)

// Options say what to show.
type Options struct {
	// Dir is the folder whose files become assets; empty takes the Go
	// distribution, or generated files where there is none.
	Dir string
	// Keep leaves everything running, after the app has ended, until the context ends.
	Keep bool
	// Out gets the story and the app's words, Err the bars and errors.
	Out, Err io.Writer
}

// Run tells the story. The error is an *asset.Error with CodeBadRequest for a
// folder that cannot be used, and ctx's error when that ended first.
func Run(ctx context.Context, o Options) error {
	began := time.Now()
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	err = w.tell(ctx, o.Dir)
	took := time.Since(began)
	if err == nil && o.Keep {
		w.keep(ctx)
	}
	if cerr := w.close(); err == nil {
		err = cerr
	}
	if err != nil && ctx.Err() != nil {
		w.sayf("\nThe demo ends here: its service has ended and its folder is removed.")
	}
	if err != nil {
		return err
	}
	w.sayf("\nThat took %s. The service has ended and the folder is removed: nothing is left.", seconds(took))
	if !o.Keep {
		w.farewell()
	}
	return nil
}

func (w *world) tell(ctx context.Context, dir string) error {
	items, err := w.stock(ctx, dir)
	if err != nil {
		return err
	}
	if w.site, err = startSite(items); err != nil {
		return err
	}
	var m manifest
	for _, it := range items {
		m.Assets = append(m.Assets, it.entry)
	}
	_, first := m.total(essential)
	_, second := m.total(later)
	bundle := filepath.Join(w.dir, "Demo.app")
	if err := writeBundle(bundle, w.program, w.site.url, first, second); err != nil {
		return err
	}
	w.sayf("  A web server on this machine, %s, serves them at %s/s.\n", w.site.url, policy.Bytes(pace))

	w.sayf("$ larder service run")
	pid, err := w.startService(ctx)
	if err != nil {
		return err
	}
	w.sayf("  The background service runs as process %d, on a folder of its own: %s\n", pid, w.dirs.Data)

	w.sayf("$ larder app install %s", bundle)
	if err := w.run(ctx, "app", "install", bundle); err != nil {
		return err
	}
	w.sayf("  It fetches the app's manifest, starts the app's extension, a process of its own, and asks it\n  what to download. Until the essential part is here, the launch gate is closed.\n")

	w.sayf("$ larder launch %s", appID)
	if err := w.run(ctx, "launch", string(appID)); err != nil {
		return err
	}
	return w.update(ctx)
}

// stock turns the tree at dir into items, and says how.
func (w *world) stock(ctx context.Context, dir string) ([]*item, error) {
	limit, err := w.limit()
	if err != nil {
		return nil, err
	}
	shown := dir
	if dir == "" {
		if dir = goroot(ctx); dir != "" {
			shown = "the Go distribution, " + dir
		} else {
			dir, shown = filepath.Join(w.dir, "tree"), "generated files, since no Go distribution was found"
			if err := generate(dir); err != nil {
				return nil, err
			}
		}
	}
	if w.tree, err = openTree(dir); err != nil {
		return nil, err
	}
	w.sayf("Larder demo: an app's assets are there before the app is opened.\n")
	var out left
	files, err := gather(ctx, w.tree.FS(), &out)
	if err != nil {
		return nil, err
	}
	items, err := plan(ctx, w.tree.FS(), files, limit, &out)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		w.sayLeft(out)
		return nil, &asset.Error{Code: asset.CodeBadRequest, Op: "demo", Subject: dir, Message: "there are no files in it that could be downloads",
			Help: "name a folder with files of yours, or none to take the Go distribution"}
	}
	w.sayStock(shown, items)
	w.sayLeft(out)
	return items, nil
}

// limit is how many bytes the disk has room for, at most maxBytes.
func (w *world) limit() (int64, error) {
	const spare = 256 << 20 // for generated files, the service and everybody else
	free, err := fsx.Free(w.dir)
	if err != nil {
		return 0, err
	}
	if free-spare < 1<<20 {
		return 0, &asset.Error{Code: asset.CodeNoSpace, Op: "demo", Subject: os.TempDir(), Message: "only " + policy.Bytes(free) + " are free",
			Help: "free some space, or set TMPDIR to a folder on another disk"}
	}
	return min(free-spare, maxBytes), nil
}
