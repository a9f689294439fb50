package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/publish"
	"larder/internal/trust"
)

// update is all that a device fetches to come from an old pack to a new one. This is
// the only place that says what counts.
type update struct {
	Documents int64 `json:"documents"` // the download manifest and what signs it
	Pack      int64 `json:"pack"`      // index, delta and frames
}

func (u update) total() int64 { return u.Documents + u.Pack }

// updates has the ways to update: with what the publisher prepared, and without.
type updates struct {
	Prepared   update `json:"prepared"`
	Unprepared update `json:"unprepared"`
}

// planUpdate OLDPACK NEWPACK publishes both, one after the other, as larder publish does with
// its defaults, to a signed site; a device that knows the old site looks at the new one.
func planUpdate(ctx context.Context, args []string) (_ any, err error) {
	const app = asset.AppID("org.example.game")
	dir, err := os.MkdirTemp("", "larder-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	keys, now := publish.KeyDir{Dir: filepath.Join(dir, "keys")}, time.Now()
	if _, err := keys.Init(ctx, publish.Plan{RootKeys: 1, Threshold: 1, Contexts: publish.Contexts}, trust.Lifetimes{}, now); err != nil {
		return nil, err
	}
	to := publish.Folder{Dir: filepath.Join(dir, "site"), Disk: fsx.OS()}
	root, err := os.ReadFile(keys.Root())
	if err != nil {
		return nil, err
	}
	device := trust.Client{Anchor: root, Context: "production", Dir: filepath.Join(dir, "device"), Disk: fsx.OS(),
		Fetcher: publish.Fetcher{From: to, App: app}, Now: func() time.Time { return now }}
	var u updates
	for _, name := range args {
		signing, err := keys.Signing(ctx)
		if err != nil {
			return nil, err
		}
		report, err := publish.Publish(ctx, publish.Options{To: to, App: app, Context: "production", Inputs: []string{name}, Deltas: 1, FineMost: publish.FineMost,
			Signing: signing, Scratch: dir, Now: now})
		if err != nil {
			return nil, err
		}
		seen, err := device.Refresh(ctx)
		if err != nil {
			return nil, err
		}
		for _, way := range report.Packs[0].Updates {
			u = updates{Prepared: update{seen.Signed.Bytes, way.Download}, Unprepared: update{seen.Signed.Bytes, way.Without}}
		}
	}
	return u, nil
}
