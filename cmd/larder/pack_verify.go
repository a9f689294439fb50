package main

import (
	"context"

	"github.com/spf13/cobra"

	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packVerifyCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "verify PACK [TREE]", Short: "Prove every byte of a pack, or hold a tree against it", Args: takes(1, 2),
		Long: "Prove every byte of a pack, or hold all below the directory TREE against it: what is missing, too much or wrong. All\n" +
			"mismatches are listed, each with the entry and the offset. An index alone is enough for a tree.",
		RunE: func(cmd *cobra.Command, args []string) error {
			tree := ""
			if len(args) == 2 {
				tree = args[1]
			}
			return c.verify(cmd.Context(), args[0], tree)
		},
	}, "print the mismatches as JSON"), exitData, exitNotFound)
}

// verified is what "pack verify --json" prints.
type verified struct {
	File       string          `json:"file"`
	Tree       string          `json:"tree,omitempty"`
	Content    pack.Hash       `json:"content"`
	Mismatches []pack.Mismatch `json:"mismatches"`
}

func (c *cli) verify(ctx context.Context, name, tree string) error {
	p, err := openPack(name)
	if err != nil {
		return err
	}
	defer p.file.Close()
	var found []pack.Mismatch
	if tree == "" {
		p.gauge = c.gauge("verifying", p.size)
		found, err = p.Verify(ctx)
		p.gauge.end()
	} else {
		root, rootErr := openTree(tree)
		if rootErr != nil {
			return rootErr
		}
		defer root.Close()
		found, err = p.VerifyTree(ctx, root)
	}
	if err != nil {
		return named(name, err)
	}
	switch {
	case c.json:
		if err := c.document(verified{name, tree, p.Content(), append([]pack.Mismatch{}, found...)}); err != nil {
			return err
		}
	case len(found) == 0 && tree != "":
		c.say("%s: every byte is what %s says", tree, name)
	case len(found) == 0 && !p.Whole():
		c.say("%s: the index is right; the frames are not here", name)
	case len(found) == 0:
		c.say("%s: every byte is right, %s", name, policy.Bytes(p.size))
	}
	if len(found) == 0 {
		return nil
	}
	subject := name
	if tree != "" {
		subject = tree
	}
	if !c.json {
		for _, m := range found {
			c.say("%s: %s", subject, m)
		}
	}
	c.note("verify pack %s: %s", subject, counted(len(found), "mismatch"))
	return told{exitData}
}
