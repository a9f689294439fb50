package patching

import (
	"context"
	"io"

	"larder/pack"
)

// worth is the least that a delta has to spare: every device fetches its row in the manifest.
const worth = 300

// Spares reports whether a delta is worth keeping on a site: with it, a device fetches so much
// less for the update than without it.
func Spares(with, without int64) bool { return with+worth <= without }

// Without is what a device that has the old version of a pack fetches for the new one when there
// is no delta, and the figures of its plan.
func Without(ctx context.Context, old, now *pack.Archive) (fetched int64, f pack.Figures, err error) {
	f, err = figures(ctx, old, now)
	return f.Download + now.Totals().IndexSize, f, err
}

// Refined is Without, where the new version has a fine file.
func Refined(ctx context.Context, old, now *pack.Archive, fine *pack.Fine) (fetched int64, f pack.Figures, err error) {
	plan, err := pack.NewPlan(ctx, now, []pack.Installed{{Archive: old, Dir: "old"}}, pack.PlanOptions{Fine: fine})
	if err != nil {
		return 0, f, err
	}
	f = plan.Figures()
	return f.Leaves + f.Download + now.Totals().IndexSize, f, nil
}

// With is what the device fetches when it takes a delta of that size: the whole of it, and what it
// does not make.
func With(ctx context.Context, old, now *pack.Archive, d *pack.Delta, size int64) (fetched int64, err error) {
	f, err := figures(ctx, old, now, d)
	if err != nil {
		return 0, err
	}
	fetched = size + f.Download - f.Delta
	if err := d.WriteIndex(ctx, io.Discard, old); err != nil {
		fetched += now.Totals().IndexSize // another program's index: devices fetch it
	}
	return fetched, ctx.Err()
}

func figures(ctx context.Context, old, now *pack.Archive, deltas ...*pack.Delta) (pack.Figures, error) {
	plan, err := pack.NewPlan(ctx, now, []pack.Installed{{Archive: old, Dir: "old"}}, pack.PlanOptions{Deltas: deltas, AtHand: true})
	if err != nil {
		return pack.Figures{}, err
	}
	return plan.Figures(), nil
}
