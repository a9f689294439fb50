package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"larder/internal/chart"
	"larder/internal/patching"
	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packDiffCommand() *cobra.Command {
	var page output
	var with string
	cmd := &cobra.Command{
		Use: "diff OLD NEW", Short: "Tell what an update costs, file by file, and why", Args: takes(2, 2),
		Long: "Tell what an update from one pack to another costs, file by file, and why: the dearest first, and nothing of files\n" +
			"that stay as they are. The cost of a file is its share of the download. Indexes alone are enough.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.diff(cmd.Context(), args[0], args[1], with, page)
		},
	}
	page.pageFlags(cmd)
	cmd.Flags().StringVar(&with, "delta", "", "reckon with the delta from OLD to NEW in `FILE`")
	return withExits(c.printsJSON(cmd, "print both versions, the figures and all changes as JSON"), exitData, exitNotFound, exitExists)
}

// pageFlags are those of commands that can draw.
func (o *output) pageFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.name, "html", "", "draw it in a page without scripts, to `FILE`")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace the page if it is there already")
}

func (c *cli) diff(ctx context.Context, oldName, newName, with string, page output) error {
	var d *openedDelta
	var deltas []*pack.Delta
	if with != "" {
		var err error
		if d, err = openDelta(with); err != nil {
			return err
		}
		defer d.file.Close()
		deltas = append(deltas, d.Delta)
	}
	u, err := compare(ctx, oldName, newName, deltas...)
	if err != nil {
		return err
	}
	if page.name != "" {
		err := page.write(ctx, func(w io.Writer) error { return chart.Write(w, updatePage(oldName, newName, u)) })
		if err != nil {
			return err
		}
	}
	if c.json {
		return c.document(u)
	}
	var head, list table
	head.add("old", fmt.Sprintf("%s, %s", oldName, policy.Bytes(u.Old.Size)))
	head.add("new", fmt.Sprintf("%s, %s", newName, policy.Bytes(u.New.Size)))
	for _, row := range append(figures(u.Figures, u.New.Size), deltaFigures(u.Figures, d)...) {
		head.add(row[0], row[1])
	}
	head.add("in all", policy.Bytes(u.Fetched)+" come over the network, with the new index")
	list.right = []int{0, 1}
	list.add("cost", "size", "what", "file")
	for _, ch := range dearest(u) {
		list.add(policy.Bytes(ch.Cost), policy.Bytes(max(ch.Size, ch.OldSize)), string(ch.Fate), fmt.Sprintf("%s: %s", ch.Path, ch.Why))
	}
	lines := head.lines("")
	if len(list.rows) > 1 {
		lines = append(append(lines, ""), list.lines("")...)
	} else {
		lines = append(lines, "", "nothing changed")
	}
	for _, line := range lines {
		c.say("%s", line)
	}
	return nil
}

func compare(ctx context.Context, oldName, newName string, deltas ...*pack.Delta) (*patching.Update, error) {
	old, err := openPack(oldName)
	if err != nil {
		return nil, err
	}
	defer old.file.Close()
	now, err := openPack(newName)
	if err != nil {
		return nil, err
	}
	defer now.file.Close()
	u, err := patching.Compare(ctx, old.Archive, now.Archive, deltas...)
	if err != nil {
		return nil, named(oldName+" → "+newName, err)
	}
	return u, nil
}

// figures are the lines of a plan for a person.
func figures(f pack.Figures, whole int64) [][2]string {
	share := ""
	if whole > 0 {
		share = fmt.Sprintf(" of %s (%.0f%%)", policy.Bytes(whole), 100*float64(f.Download)/float64(whole))
	}
	return [][2]string{
		{"download", fmt.Sprintf("%s%s, %s", policy.Bytes(f.Download), share, counted(f.Ranges, "request"))},
		{"write", fmt.Sprintf("%s, %s of it from what is installed", policy.Bytes(f.Write), policy.Bytes(f.Reused))},
		{"unchanged", policy.Bytes(f.Kept) + ", cloned or linked"},
		{"peak disk", policy.Bytes(f.PeakDisk) + " beside what is installed"},
	}
}

// dearest are the changes, by cost; those that stay as they are left out.
func dearest(u *patching.Update) []patching.Change {
	out := slices.DeleteFunc(slices.Clone(u.Changes), func(ch patching.Change) bool { return ch.Fate == patching.Kept })
	slices.SortStableFunc(out, func(a, b patching.Change) int { return cmp.Compare(b.Cost, a.Cost) })
	return out
}

// shownRows bounds the tables of pages: who wants more has --json.
const shownRows = 200

func updatePage(oldName, newName string, u *patching.Update) chart.Page {
	p := chart.Page{Title: fmt.Sprintf("The update from %s to %s", oldName, newName), Size: policy.Bytes, Head: []string{"File", "Cost", "Size", "Why"},
		Bars:   []chart.Bar{{Name: "the whole pack", Bytes: u.New.Size, Class: "kept"}, {Name: "the update", Bytes: u.Figures.Download, Class: "added"}},
		Legend: []chart.Legend{{Class: "kept", Text: "unchanged"}, {Class: "moved", Text: "moved: no download"}, {Class: "changed", Text: "changed"}, {Class: "added", Text: "new"}}}
	p.Facts = append(p.Facts, figures(u.Figures, u.New.Size)...)
	counts := map[patching.Fate]int{}
	for _, ch := range u.Changes {
		counts[ch.Fate]++
		if ch.Fate != patching.Removed {
			p.Boxes = append(p.Boxes, chart.Box{Path: ch.Path, Bytes: ch.Size, Class: string(ch.Fate), Note: "costs " + policy.Bytes(ch.Cost) + ": " + ch.Why})
		}
	}
	p.Facts = append(p.Facts, [2]string{"files", fmt.Sprintf("%d unchanged, %d moved, %d changed, %d new, %d removed",
		counts[patching.Kept], counts[patching.Moved], counts[patching.Changed], counts[patching.Added], counts[patching.Removed])})
	for i, ch := range dearest(u) {
		if i == shownRows {
			break
		}
		p.Rows = append(p.Rows, []string{ch.Path, policy.Bytes(ch.Cost), policy.Bytes(max(ch.Size, ch.OldSize)), string(ch.Fate) + ": " + ch.Why})
	}
	return p
}
