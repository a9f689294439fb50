package patching

import (
	"context"
	"crypto/sha256"
	"fmt"

	"larder/pack"
)

// Fate is what became of a file between two versions.
type Fate string

// The fates.
const (
	Kept    Fate = "kept"
	Moved   Fate = "moved" // all its bytes are those of another file of the old version
	Changed Fate = "changed"
	Added   Fate = "added"
	Removed Fate = "removed"
)

// Change is one entry of either version. Sizes are bytes.
type Change struct {
	Path    string    `json:"path"`
	Kind    pack.Kind `json:"kind"`
	Fate    Fate      `json:"fate"`
	Size    int64     `json:"size"`    // in the new version
	OldSize int64     `json:"oldSize"` // in the old one
	New     int64     `json:"new"`     // of Size, bytes in chunks that the old version does not have anywhere
	// Cost is its share of the download: of each frame that has to be fetched, the
	// files whose new bytes it holds bear the whole, in proportion.
	Cost int64  `json:"cost"`
	From string `json:"from,omitempty"` // of moved ones, the old path
	Why  string `json:"why"`
}

// Update is the way from one version to the next.
type Update struct {
	Old     pack.Summary `json:"old"`
	New     pack.Summary `json:"new"`
	Figures pack.Figures `json:"figures"`
	// Fetched is what a device fetches in all: the download of Figures, and before it the new
	// index or, where a delta is used, the head of that.
	Fetched int64    `json:"fetched"`
	Changes []Change `json:"changes"` // in the order of their paths; last those removed, but for what moved
}

// Cost is what all changes cost together: the frames that have to be fetched.
func (u *Update) Cost() (n int64) {
	for _, c := range u.Changes {
		n += c.Cost
	}
	return n
}

// Compare finds out what a device that has the old version must fetch for the new
// one, with deltas from the old one if there are any: these it fetches as a whole. Indexes alone are enough.
func Compare(ctx context.Context, old, now *pack.Archive, deltas ...*pack.Delta) (*Update, error) {
	plan, err := pack.NewPlan(ctx, now, []pack.Installed{{Archive: old, Dir: "old"}}, pack.PlanOptions{Deltas: deltas, AtHand: true})
	if err != nil {
		return nil, err
	}
	u := &Update{Old: old.Totals(), New: now.Totals(), Figures: plan.Figures()}
	u.Fetched = u.New.IndexSize + u.Figures.Download
	if len(deltas) > 0 && u.Figures.Delta > 0 {
		u.Fetched = deltas[0].Head() + u.Figures.Download
	}
	was, err := inventory(ctx, old)
	if err != nil {
		return nil, err
	}
	is, err := inventory(ctx, now)
	if err != nil {
		return nil, err
	}
	costs, err := bill(ctx, plan, now, was.has)
	if err != nil {
		return nil, err
	}
	went := map[string]bool{}
	for _, f := range is.files {
		c := judge(f, was, is, costs[f.path])
		went[c.From] = true
		u.Changes = append(u.Changes, c)
	}
	for _, f := range was.files {
		if _, there := is.at[f.path]; !there && !went[f.path] {
			u.Changes = append(u.Changes, Change{Path: f.path, Kind: f.kind, Fate: Removed, OldSize: f.size, Why: "it is not in the new version"})
		}
	}
	return u, nil
}

// file is an entry with what its bytes are.
type file struct {
	path   string
	kind   pack.Kind
	size   int64
	whole  pack.Hash // of the hashes of its chunks, or of a link's target
	chunks []pack.Hash
	sizes  []int64
}

// version is all that one pack holds.
type version struct {
	files []*file
	at    map[string]*file
	first map[pack.Hash]*file // by whole
	has   map[pack.Hash]bool  // chunks
}

func inventory(ctx context.Context, a *pack.Archive) (*version, error) {
	v := &version{at: map[string]*file{}, first: map[pack.Hash]*file{}, has: map[pack.Hash]bool{}}
	for e, err := range a.Entries() {
		if err != nil {
			return nil, err
		}
		f := &file{path: e.Path, kind: e.Kind, size: e.Size, whole: sha256.Sum256([]byte(e.Target))}
		v.files = append(v.files, f)
		v.at[e.Path] = f
	}
	for c, err := range a.Chunks() {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f := v.at[c.Path]
		f.chunks, f.sizes = append(f.chunks, c.Hash), append(f.sizes, c.Size)
		f.whole = sha256.Sum256(append(f.whole[:], c.Hash[:]...))
		v.has[c.Hash] = true
	}
	for _, f := range v.files {
		if f.size > 0 && v.first[f.whole] == nil {
			v.first[f.whole] = f
		}
	}
	return v, nil
}

// bill deals out each block of a delta that is fetched, and each frame that holds
// other new bytes, to their files.
func bill(ctx context.Context, plan *pack.Plan, now *pack.Archive, had map[pack.Hash]bool) (map[string]int64, error) {
	costs, made := map[string]int64{}, map[pack.Hash]bool{}
	for b, err := range plan.Blocks(ctx) {
		if err != nil {
			return nil, err
		}
		deal(costs, b.Stored, b.Chunks)
		for _, c := range b.Chunks {
			made[c.Hash] = true
		}
	}
	var stored []int64
	for f, err := range now.Frames() {
		if err != nil {
			return nil, err
		}
		stored = append(stored, f.Size)
	}
	var fresh []pack.Chunk // of one frame
	for c, err := range now.Chunks() {
		if err != nil {
			return nil, err
		}
		if had[c.Hash] || made[c.Hash] {
			continue
		}
		if len(fresh) > 0 && fresh[0].Frame != c.Frame {
			deal(costs, stored[fresh[0].Frame], fresh)
			fresh = fresh[:0]
		}
		fresh = append(fresh, c)
	}
	if len(fresh) > 0 {
		deal(costs, stored[fresh[0].Frame], fresh)
	}
	return costs, nil
}

// deal deals out what some chunks cost together, in proportion to their sizes.
func deal(costs map[string]int64, cost int64, chunks []pack.Chunk) {
	total := int64(0)
	for _, c := range chunks {
		total += c.Size
	}
	for _, c := range chunks {
		part := int64(float64(cost) * float64(c.Size) / float64(total))
		total, cost = total-c.Size, cost-part
		costs[c.Path] += part
	}
}

func judge(f *file, was, is *version, cost int64) Change {
	c := Change{Path: f.path, Kind: f.kind, Size: f.size, Cost: cost}
	fresh := 0
	for i, h := range f.chunks {
		if !was.has[h] {
			fresh++
			c.New += f.sizes[i]
		}
	}
	old := was.at[f.path]
	if old != nil {
		c.OldSize = old.size
	}
	twin := was.first[f.whole]
	switch {
	case old != nil && old.whole == f.whole && old.kind == f.kind:
		c.Fate, c.Why = Kept, "it is unchanged"
	case old != nil && old.whole == f.whole:
		c.Fate, c.Why = Changed, fmt.Sprintf("it was a %s and has the same bytes", old.kind)
	case twin != nil && f.size > 0:
		c.Fate, c.From = Moved, twin.path
		if c.Why = fmt.Sprintf("its bytes are those of %s, which stays", twin.path); is.at[twin.path] == nil {
			c.Why = "it was " + twin.path
		}
	case old == nil:
		c.Fate, c.Why = Added, "it is new"
		if fresh < len(f.chunks) {
			c.Why = fmt.Sprintf("it is new, and %d of its %s are in other old files", len(f.chunks)-fresh, chunks(len(f.chunks)))
		}
	default:
		c.Fate, c.Why = Changed, changed(f, old, fresh)
	}
	if c.Cost > 2*c.New && c.Cost > 4096 {
		c.Why += "; its frame brings files that did not change"
	}
	return c
}

func chunks(n int) string {
	if n == 1 {
		return "chunk"
	}
	return "chunks"
}

func changed(f, old *file, fresh int) string {
	n := len(f.chunks)
	switch {
	case !f.kind.Regular() || !old.kind.Regular():
		return fmt.Sprintf("it was a %s", old.kind)
	case n == 0:
		return "it is empty now"
	case fresh == 0:
		return "its bytes are old ones in another order"
	case fresh < n:
		return fmt.Sprintf("%d of its %d chunks changed", fresh, n)
	case n == 1:
		return "it changed, and is a single chunk"
	case packedName(f.path):
		return fmt.Sprintf("all its %d chunks changed: it is compressed, so that one change changes all that follows", n)
	}
	return fmt.Sprintf("all its %d chunks changed: it was compressed, encrypted or written anew, or bytes change all over it", n)
}
