package main

import (
	"context"

	"github.com/spf13/cobra"

	"larder/internal/patching"
	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packLintCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lint [OLD...] NEW", Short: "Find what makes updates dear, and say what to do", Args: takes(1, 1<<10),
		Long: "Find what makes updates dear, and say what to do: times inside archives, archives in one compressed stream,\n" +
			"compressed files, archives in another order, files written anew, one file that is most of the pack, and what desktops\n" +
			"leave behind. NEW is a pack, or a directory. With older packs before it, in their order, each update is replayed:\n" +
			"what it cost is told, and what only shows in a comparison. Ends with exit code 1 when something was found.",
		Example: "  larder pack lint assets\n  larder pack lint v1.assetpack v2.assetpack v3.assetpack",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.lint(cmd.Context(), args[:len(args)-1], args[len(args)-1])
		},
	}
	return withExits(c.printsJSON(cmd, "print updates and findings as JSON"), exitData, exitNotFound)
}

// linted is what "pack lint --json" prints.
type linted struct {
	Updates  []lintedUpdate     `json:"updates"` // between the packs named, in their order
	Findings []patching.Finding `json:"findings"`
}

type lintedUpdate struct {
	Old      string `json:"old"`
	New      string `json:"new"`
	Download int64  `json:"download"`
	Size     int64  `json:"size"` // of the whole new pack
}

func (c *cli) lint(ctx context.Context, olds []string, name string) error {
	out := linted{[]lintedUpdate{}, []patching.Finding{}}
	tree := isDir(name)
	all := olds
	if !tree {
		all = append(append([]string{}, olds...), name)
	}
	for i := 1; i < len(all); i++ {
		u, err := compare(ctx, all[i-1], all[i])
		if err != nil {
			return err
		}
		out.Updates = append(out.Updates, lintedUpdate{all[i-1], all[i], u.Figures.Download, u.New.Size})
	}
	found, err := c.findings(ctx, olds, name, tree)
	if err != nil {
		return err
	}
	out.Findings = append(out.Findings, found...)
	if c.json {
		if err := c.document(out); err != nil {
			return err
		}
	} else {
		for _, u := range out.Updates {
			c.say("%s → %s: %s of %s (%.0f%%)", u.Old, u.New, policy.Bytes(u.Download), policy.Bytes(u.Size), 100*float64(u.Download)/float64(max(u.Size, 1)))
		}
		for _, f := range out.Findings {
			c.say("%s (%s): %s: %s", f.Path, policy.Bytes(f.Bytes), f.Rule, f.Problem)
			c.say("  %s", f.Advice)
		}
	}
	if len(out.Findings) == 0 {
		c.note("%s: nothing was found that makes updates dear", name)
		return nil
	}
	c.note("%s: %s", name, counted(len(out.Findings), "finding"))
	return told{exitFailure}
}

func (c *cli) findings(ctx context.Context, olds []string, name string, tree bool) ([]patching.Finding, error) {
	if tree {
		root, err := openTree(name)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		return patching.LintTree(ctx, root)
	}
	now, err := openPack(name)
	if err != nil {
		return nil, err
	}
	defer now.file.Close()
	now.gauge = c.gauge("looking into "+name, now.size)
	defer now.gauge.end()
	var last *pack.Archive
	if len(olds) > 0 {
		old, err := openPack(olds[len(olds)-1])
		if err != nil {
			return nil, err
		}
		defer old.file.Close()
		last = old.Archive
	}
	found, err := patching.LintPack(ctx, last, now.Archive)
	if err != nil {
		return nil, named(name, err)
	}
	return found, nil
}
