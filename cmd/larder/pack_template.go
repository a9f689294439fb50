package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

//go:embed template.json
var template []byte

func (c *cli) packTemplateCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use: "template", Short: "Write an example of a packaging manifest, with comments", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out.name == "" {
				_, err := c.out.Write(template)
				return err
			}
			return out.writeText(cmd.Context(), template)
		},
	}
	out.flags(cmd, "write to `FILE` instead of standard output")
	return withExits(cmd, exitExists)
}
