package publish

import (
	"context"
	"os"
	"slices"

	"larder/asset"
	"larder/pack"
)

// FineMost is what a pack may install for a fine file to be made unless somebody says otherwise: a
// few minutes.
const FineMost = 256 << 20

// leastFine is how large a pack has to be: smaller ones come as fast by frames.
const leastFine = 4 * pack.LeastFine

// WorthFine reports whether a fine file is to be made of a pack that has earlier versions, if those may
// install that much.
func WorthFine(a *pack.Archive, most int64) bool {
	t := a.Totals()
	return t.Size >= leastFine && t.InstalledSize <= most
}

// refine makes the fine file of a new version, for devices that have none of the versions that
// deltas begin from. It stands among the deltas as the one from the version's own content.
func (p *publication) refine(ctx context.Context, in *input) error {
	own := func(d asset.Delta) bool { return d.From == in.row.Content }
	if p.DryRun || !WorthFine(in.archive, p.FineMost) || slices.ContainsFunc(in.row.Deltas, own) || len(p.bases(in.row)) == 0 {
		return nil
	}
	f, err := os.CreateTemp(p.Scratch, "*"+DeltaSuffix)
	if err != nil {
		return told(p.Scratch, err)
	}
	progress, end := p.patching(in, in.name+", from any version")
	defer end()
	var m *made
	sum, err := pack.WriteFine(ctx, f, in.archive, pack.FineOptions{Progress: progress})
	if err == nil {
		m, err = newMade(f, sum.Size, in.row.Content, "fine file")
	}
	if err != nil {
		_ = f.Close() // the scratch directory goes, and it with that
		return err
	}
	in.fine, in.deltas = pack.NewFine(pack.AtHand(f), sum.Size), append(in.deltas, m)
	in.row.Deltas = append(slices.Clip(in.row.Deltas), m.row)
	return nil
}
