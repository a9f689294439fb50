package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/host/catalog"
	"larder/internal/host/process"
	"larder/internal/publish"
	"larder/internal/site"
	"larder/internal/trust"
)

var discard = slog.New(slog.DiscardHandler)

// Finding is one thing that a doctor found.
type Finding struct {
	Bad  bool   `json:"bad"`
	Text string `json:"text"`
	Help string `json:"help,omitempty"`
}

// scarce is how little free disk is told.
const scarce = 1 << 30

// Doctor examines a host's directory, while the host runs or not, and changes nothing. Deep
// reads every blob.
func Doctor(ctx context.Context, dir string, deep bool, now time.Time) (found []Finding, err error) {
	if err := isHost(dir); err != nil {
		return nil, err
	}
	c, err := catalog.Open(ctx, filepath.Join(dir, "host.db"), nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	say := func(bad bool, help, format string, args ...any) {
		found = append(found, Finding{bad, fmt.Sprintf(format, args...), help})
	}
	free, err := fsx.Free(dir)
	if err != nil {
		return nil, told(dir, err)
	}
	say(free < scarce, "free the disk, or archive packs", "the disk has %d MB free", free>>20)
	var apps []catalog.App
	var need map[string]bool
	var failing []string
	if err := c.Read(ctx, func(tx catalog.Tx) (err error) {
		if apps, err = tx.Apps(); err == nil {
			need, err = tx.Blobs()
		}
		if err == nil {
			failing, err = tx.Failing()
		}
		return err
	}); err != nil {
		return nil, told(dir, err)
	}
	for _, j := range failing {
		say(true, "the host's log says why", "the job %q fails again and again", j)
	}
	wrong := 0
	for _, hash := range slices.Sorted(maps.Keys(need)) {
		if fault := examine(ctx, filepath.Join(dir, "site", filepath.FromSlash(site.BlobPath(hash))), hash, deep); fault != "" {
			wrong++
			say(true, "restore the file from a backup, or upload the version again as a new one", "blob %s: %s", hash, fault)
		}
	}
	say(false, "", "%d of %d blobs are sound", len(need)-wrong, len(need))
	for _, a := range apps {
		for _, channel := range publish.Contexts {
			if fault := signed(ctx, dir, a, channel, now); fault != nil {
				say(true, "start the host: it signs again", "%s, %s: %v", a.Bundle, channel, fault)
			}
		}
	}
	say(false, "", "%d apps were looked at", len(apps))
	return found, ctx.Err()
}

func examine(ctx context.Context, name, hash string, deep bool) (fault string) {
	f, err := os.Open(name)
	if err != nil {
		return "it is missing"
	}
	defer f.Close()
	if !deep || ctx.Err() != nil {
		return ""
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err.Error()
	}
	if hex.EncodeToString(sum.Sum(nil)) != hash {
		return "its bytes are not what its name says"
	}
	return ""
}

// signed looks at a context as a device does that comes for the first time.
func signed(ctx context.Context, dir string, a catalog.App, channel string, now time.Time) error {
	root, err := os.ReadFile(process.KeyDir(filepath.Join(dir, "keys"), a).Root())
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "larder-doctor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	store := publish.Folder{Dir: filepath.Join(dir, "site"), Disk: fsx.OS()}
	client := trust.Client{Anchor: root, Context: channel, Dir: filepath.Join(scratch, "trust"), Disk: fsx.OS(), Fetcher: documents{store, a.Bundle}, Now: func() time.Time { return now }}
	_, err = client.Refresh(ctx)
	return err
}

// documents fetches an app's part of a site from its folder.
type documents struct {
	from publish.Store
	app  asset.AppID
}

// Fetch implements trust.Fetcher.
func (d documents) Fetch(ctx context.Context, name string, limit int64, _ string) (trust.Document, error) {
	b, err := d.from.Get(ctx, site.AppPath(d.app, name), limit)
	return trust.Document{Bytes: b}, err
}
