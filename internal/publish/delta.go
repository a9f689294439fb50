package publish

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"larder/asset"
	"larder/internal/patching"
	"larder/internal/site"
	"larder/pack"
)

// made is a delta or fine file that was made for this publication.
type made struct {
	row  asset.Delta
	what string // for people
	file *os.File
}

// updates finds out what devices pay that have a version which is live now, and makes the
// deltas from those.
func (p *publication) updates(ctx context.Context, in *input, row *Row) error {
	if row.Action == Unchanged {
		return nil
	}
	if err := p.refine(ctx, in); err != nil {
		return err
	}
	for n, live := range p.bases(in.row) {
		wanted := n < p.Deltas && !p.DryRun
		u, why, err := p.update(ctx, in, live, wanted)
		if err != nil {
			return err
		}
		if wanted && why != "" {
			row.Notes = append(row.Notes, fmt.Sprintf("no delta from version %d: %s", live.Version, why))
		}
		if u != nil {
			row.Updates = append(row.Updates, *u)
		}
	}
	return nil
}

// bases are the versions that devices may have, each once: those of this context first, then the
// newest first.
func (p *publication) bases(next asset.Pack) (all []asset.Pack) {
	for _, c := range append([]string{p.Context}, Contexts...) {
		if p.live[c] == nil {
			continue
		}
		var some []asset.Pack
		for _, live := range p.live[c].Packs {
			same := func(o asset.Pack) bool { return o.Content == live.Content }
			if live.ID == next.ID && live.IndexSize > 0 && live.Content != next.Content && !slices.ContainsFunc(all, same) && !slices.ContainsFunc(some, same) {
				some = append(some, live)
			}
		}
		slices.SortStableFunc(some, func(a, b asset.Pack) int { return cmp.Compare(b.Version, a.Version) })
		all = append(all, some...)
	}
	return all
}

// update tells what the way from one live version costs, as far as that can be known. A delta
// that is wanted is made, unless there is one; else why tells the reason.
func (p *publication) update(ctx context.Context, in *input, live asset.Pack, wanted bool) (u *Update, why string, err error) {
	name, ok := site.BlobOf(live.URL)
	if !ok {
		return nil, "its archive is not on this site", nil
	}
	blob, err := p.To.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "its archive is gone from the site", nil
	}
	if err != nil {
		return nil, "", told(name, err)
	}
	defer blob.Close()
	old, err := pack.Open(blob, blob.Size())
	if err != nil || !old.Whole() {
		return nil, "its archive cannot be read", ctx.Err()
	}
	cost, f, err := patching.Without(ctx, old, in.archive)
	if err != nil {
		return nil, "", err
	}
	frames := cost
	if in.fine != nil && f.Download >= pack.LeastFine {
		if cost, f, err = patching.Refined(ctx, old, in.archive, in.fine); err != nil {
			return nil, "", err
		}
	}
	u = &Update{From: live.Version, Download: cost, Without: cost, Write: f.Write, Reused: f.Reused + f.Kept}
	if known := slices.IndexFunc(in.row.Deltas, func(d asset.Delta) bool { return d.From == live.Content }); known >= 0 {
		u.Delta = in.row.Deltas[known].Size
		u.Download = u.Delta
		return u, "", nil
	}
	switch {
	case !wanted:
		return u, "", nil
	case p.DeltaMost > 0 && frames > p.DeltaMost:
		return u, "it would take long to make one", nil
	}
	d, cost, err := p.make(ctx, in, live, old)
	switch code := asset.CodeOf(err); {
	case ctx.Err() != nil:
		return nil, "", context.Cause(ctx)
	case err == nil && patching.Spares(cost, u.Without):
		u.Delta, u.Download = d.row.Size, cost
		in.deltas = append(in.deltas, d)
		in.row.Deltas = append(slices.Clip(in.row.Deltas), d.row)
		return u, "", nil
	case err == nil:
		return u, "it would spare nothing", d.file.Close()
	case code == asset.CodeHashMismatch || code == asset.CodeSizeMismatch || code == asset.CodeTooLarge:
		return u, err.Error(), nil
	}
	return nil, "", err
}

// make makes a delta, and tells what a device fetches with it.
func (p *publication) make(ctx context.Context, in *input, live asset.Pack, old *pack.Archive) (_ *made, cost int64, err error) {
	f, err := os.CreateTemp(p.Scratch, "*"+DeltaSuffix)
	if err != nil {
		return nil, 0, told(p.Scratch, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // the scratch directory goes, and it with that
		}
	}()
	progress, end := p.patching(in, fmt.Sprintf("%s from version %d", in.name, live.Version))
	defer end()
	sum, err := pack.WriteDelta(ctx, f, old, in.archive, pack.DeltaOptions{Progress: progress})
	if err != nil {
		return nil, 0, err
	}
	d, err := pack.OpenDelta(f, sum.Size)
	if err != nil {
		return nil, 0, err
	}
	if cost, err = patching.With(ctx, old, in.archive, d, sum.Size); err != nil {
		return nil, 0, err
	}
	m, err := newMade(f, sum.Size, live.Content, fmt.Sprintf("delta from version %d", live.Version))
	return m, cost, err
}

func newMade(f *os.File, size int64, from, what string) (*made, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, size)); err != nil {
		return nil, told(f.Name(), err)
	}
	hash := hex.EncodeToString(h.Sum(nil))
	return &made{row: asset.Delta{From: from, URL: site.BlobURL(hash), Size: size, Hash: hash}, what: what, file: f}, nil
}

// patching gives what is to be told of a delta or fine file being made.
func (p *publication) patching(in *input, name string) (progress func(done, total int64), end func()) {
	if p.Events.Patching == nil {
		return nil, func() {}
	}
	advance, end := p.Events.Patching(name, in.size)
	shown := int64(0)
	return func(done, total int64) {
		at := int64(float64(done) / float64(max(total, 1)) * float64(in.size))
		advance(int(at - shown))
		shown = at
	}, end
}

// DeltaSuffix ends the names of deltas in the scratch directory.
const DeltaSuffix = ".delta"
