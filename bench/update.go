package main

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"larder/asset"
	"larder/pack"
)

// update is all that a device fetches to come from an old pack to a new one. This is
// the only place that says what counts.
type update struct {
	// Manifest is the whole document of an app with this one pack. Signed metadata
	// is not counted: there is none yet.
	Manifest int64 `json:"manifest"`
	Index    int64 `json:"index"`
	Blocks   int64 `json:"blocks"`
}

func (u update) total() int64 { return u.Manifest + u.Index + u.Blocks }

// updates has the ways to update: with what the publisher prepared, and without.
type updates struct {
	Prepared   update       `json:"prepared"`
	Unprepared update       `json:"unprepared"`
	Plan       pack.Figures `json:"plan"` // of the unprepared one
}

// planUpdate OLDPACK NEWPACK
func planUpdate(ctx context.Context, args []string) (any, error) {
	packs, shut, err := open(args[0], args[1])
	defer shut()
	if err != nil {
		return nil, err
	}
	p, err := pack.NewPlan(ctx, packs[1], []pack.Installed{{Archive: packs[0], Dir: "old"}}, pack.PlanOptions{})
	if err != nil {
		return nil, err
	}
	t := packs[1].Totals()
	manifest, err := manifestSize(t)
	if err != nil {
		return nil, err
	}
	u := updates{Plan: p.Figures()}
	u.Unprepared = update{Manifest: manifest, Index: t.IndexSize, Blocks: u.Plan.Download}
	u.Prepared, err = prepared(ctx, packs[0], packs[1])
	u.Prepared.Manifest = manifest
	return u, err
}

// prepared is what a device fetches of the delta, its head counted as index.
func prepared(ctx context.Context, old, now *pack.Archive) (update, error) {
	f, err := os.CreateTemp("", "larder-bench-")
	if err != nil {
		return update{}, err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	sum, err := pack.WriteDelta(ctx, f, old, now, pack.DeltaOptions{})
	if err != nil {
		return update{}, err
	}
	d, err := pack.OpenDelta(f, sum.Size)
	if err != nil {
		return update{}, err
	}
	if err := d.WriteIndex(ctx, io.Discard, old); err != nil {
		return update{}, err
	}
	p, err := pack.NewPlan(ctx, now, []pack.Installed{{Archive: old, Dir: "old"}}, pack.PlanOptions{Deltas: []*pack.Delta{d}})
	if err != nil {
		return update{}, err
	}
	return update{Index: d.Head(), Blocks: p.Figures().Download}, nil
}

func manifestSize(t pack.Summary) (int64, error) {
	digest := t.Content.String()
	data, err := json.Marshal(asset.DownloadManifest{Packs: []asset.Pack{{
		ID: "level-01", Version: 2, DownloadSize: t.Size, InstallSize: t.InstalledSize, IndexSize: t.IndexSize,
		URL: "packs/" + digest + ".assetpack", Content: digest, Index: digest,
		DownloadPolicy: asset.DownloadPolicy{Kind: asset.PolicyEssential, Events: []asset.InstallationEvent{asset.EventSubsequentUpdate}},
	}}})
	return int64(len(data)), err
}
