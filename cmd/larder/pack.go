package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) packCommand() *cobra.Command {
	var out output
	var opts buildOptions
	cmd := c.group("pack", "Make asset packs, and look into them",
		c.packTemplateCommand(), c.packBuildCommand(), c.packEvaluateCommand(), c.packInspectCommand(), c.packVerifyCommand(), c.packExtractCommand(),
		c.packDeltaCommand(), c.packFineCommand(), c.packDiffCommand(), c.packPlanCommand(), c.packLintCommand(), c.packConvertCommand())
	cmd.Long = "Make asset packs, and look into them. A pack is one file that holds a tree of files, made so that an\n" +
		"update costs about what changed; it is also an ordinary .tar.zst. \"larder pack MANIFEST -o OUT\" is short\n" +
		"for \"larder pack build MANIFEST -o OUT\". None of these commands needs the service or a network."
	cmd.Example = "  larder pack template -o tutorial.json\n  larder pack tutorial.json -o tutorial.assetpack\n  larder pack inspect tutorial.assetpack"
	out.flags(cmd, "write the pack to `FILE`")
	opts.flags(cmd)
	unknown := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && looksLikeFile(args[0]) {
			return nil
		}
		return unknown(cmd, args)
	}
	help := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return help(cmd, args)
		}
		return c.build(cmd, args[0], out, opts)
	}
	return cmd
}

// looksLikeFile tells a manifest from a misspelled verb.
func looksLikeFile(arg string) bool {
	_, err := os.Stat(arg)
	return err == nil || strings.ContainsAny(arg, `./\`)
}
