package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"larder/asset"
	"larder/internal/site"
	"larder/internal/trust"
)

// Contexts are the release contexts of an app.
var Contexts = []string{"internal", "external", "production"}

// Options of a publication.
type Options struct {
	To      Store
	App     asset.AppID
	Context string
	// Inputs name packaging manifests (to be built) and packs.
	Inputs []string
	// Remove names packs that are no longer offered: devices remove them.
	Remove []asset.PackID
	// AppVersions of the inputs: which versions of the app they fit. With a new range, the
	// versions for other ranges stay live beside it.
	AppVersions *asset.AppVersions
	// PrimaryLanguage of the app, if it is to change.
	PrimaryLanguage string
	// Deltas is from how many of the versions that are live a delta is made to each new
	// version of a pack, the newest first and those of this context before those of others;
	// 0 makes none. A delta that spares nothing is not kept.
	Deltas int
	// DeltaMost makes a delta only where without it a device would fetch at most so
	// many bytes, for one takes seconds per megabyte; 0 bounds nothing.
	DeltaMost int64
	// FineMost makes a fine file of each new version that installs at most so many bytes, from which
	// devices come that have a version without a delta; 0 makes none. It takes a second per megabyte.
	FineMost int64
	// Compress as in pack.BuildOptions, for the packs that are built; nil is the built-in encoder.
	Compress func(ctx context.Context, raw []byte) ([]byte, error)
	// Signing is nil for a site without signatures.
	Signing *Signing
	// DryRun finds out what would be done, and does nothing.
	DryRun bool
	// Scratch is a directory for packs being built.
	Scratch string
	Now     time.Time
	Events  Events
}

// Events tell how far it is. Each may be nil.
type Events struct {
	Building func(name string, total int64) (advance func(n int), end func())
	// Patching is a delta being made; total is not bytes, but the size of the pack stands for it.
	Patching  func(name string, total int64) (advance func(n int), end func())
	Uploading func(name string, size int64) (advance func(n int), end func())
}

// Report is what a publication did, or would do.
type Report struct {
	App      asset.AppID   `json:"app"`
	Context  string        `json:"context"`
	Site     string        `json:"site"`
	Changed  bool          `json:"changed"`
	DryRun   bool          `json:"dryRun,omitempty"`
	Packs    []Row         `json:"packs"`
	Uploaded int64         `json:"uploaded"` // bytes of blobs that the site lacked
	Blobs    int           `json:"blobs"`
	Signed   *trust.Signed `json:"signed,omitempty"` // as a device sees it; nil if nothing is signed
}

// Row is one pack of a report.
type Row struct {
	ID      asset.PackID `json:"id"`
	Version int64        `json:"version"`
	Action  Action       `json:"action"`
	Size    int64        `json:"size"`              // of the archive, bytes
	Updates []Update     `json:"updates,omitempty"` // from each version that devices may have
	Notes   []string     `json:"notes,omitempty"`   // why there is no delta, where one was to be made
}

// Action is what becomes of a pack.
type Action string

// Actions.
const (
	New       Action = "new"
	Updated   Action = "updated"
	Unchanged Action = "unchanged"
	Removed   Action = "removed"
	Kept      Action = "kept" // not among the inputs
)

// Update is what a device pays that has a version, in bytes.
type Update struct {
	From     int64 `json:"from"` // version
	Download int64 `json:"download"`
	Write    int64 `json:"write"`
	Reused   int64 `json:"reused"`
	// Delta is the size of the delta, which is of Download; 0 without one. Without is what the
	// download would be then.
	Delta   int64 `json:"delta,omitempty"`
	Without int64 `json:"without"`
}

// Publish brings the inputs onto the site.
func Publish(ctx context.Context, o Options) (*Report, error) {
	p := &publication{Options: o, live: map[string]*asset.DownloadManifest{},
		report: &Report{App: o.App, Context: o.Context, Site: o.To.String(), DryRun: o.DryRun}}
	defer p.close()
	if err := p.read(ctx); err != nil {
		return nil, err
	}
	for _, name := range o.Inputs {
		if err := p.take(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := p.merge(ctx); err != nil {
		return nil, err
	}
	if o.DryRun {
		return p.report, p.tally(ctx)
	}
	if err := p.upload(ctx); err != nil {
		return nil, err
	}
	return p.report, p.point(ctx)
}

// publication is one run.
type publication struct {
	Options
	live   map[string]*asset.DownloadManifest // by context; nil if nothing is published there
	texts  map[string][]byte                  // that the site shows
	stamp  []byte                             // the timestamp that is live
	repo   *trust.Repository
	inputs []*input
	next   *asset.DownloadManifest
	text   []byte // of next
	report *Report
}

// read learns what is live, and proves it where the site is signed.
func (p *publication) read(ctx context.Context) error {
	p.texts = map[string][]byte{}
	for _, c := range Contexts {
		text, err := p.To.Get(ctx, site.ManifestPath(p.App, c), asset.MaxDownloadManifest)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return told(p.To.String(), err)
		}
		m, err := asset.ParseDownloadManifest(text)
		if err != nil {
			return err
		}
		p.live[c], p.texts[c] = m, text
	}
	return p.readTrust(ctx)
}

// merge makes the next manifest of the context.
func (p *publication) merge(ctx context.Context) error {
	p.next = &asset.DownloadManifest{}
	if now := p.live[p.Context]; now != nil {
		*p.next = *now
		p.next.Packs = append([]asset.Pack(nil), now.Packs...)
	}
	if p.PrimaryLanguage != "" {
		p.next.PrimaryLanguage = p.PrimaryLanguage
	}
	if err := p.drop(); err != nil {
		return err
	}
	mentioned := map[asset.PackID]bool{}
	for _, in := range p.inputs {
		mentioned[in.row.ID] = true
		if err := p.put(ctx, in); err != nil {
			return err
		}
	}
	for _, live := range p.next.Packs {
		if !mentioned[live.ID] {
			p.report.Packs = append(p.report.Packs, Row{ID: live.ID, Version: live.Version, Action: Kept, Size: live.DownloadSize})
		}
	}
	text, err := json.MarshalIndent(p.next, "", "  ")
	if err != nil {
		return err
	}
	p.text = append(text, '\n')
	if _, err := asset.ParseDownloadManifest(p.text); err != nil {
		return err
	}
	p.report.Changed = !bytes.Equal(p.text, p.texts[p.Context])
	return nil
}

func (p *publication) drop() error {
	for _, id := range p.Remove {
		before := len(p.next.Packs)
		var stay []asset.Pack
		for _, live := range p.next.Packs {
			if live.ID != id {
				stay = append(stay, live)
				continue
			}
			p.report.Packs = append(p.report.Packs, Row{ID: id, Version: live.Version, Action: Removed, Size: live.DownloadSize})
		}
		if len(stay) == before {
			return fault(asset.CodeNotFound, string(id), fmt.Sprintf("no such pack is live in %s", p.Context), "larder publish --dry-run lists those that are")
		}
		p.next.Packs = stay
	}
	return nil
}
