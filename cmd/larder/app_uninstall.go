package main

import "github.com/spf13/cobra"

func (c *cli) appUninstallCommand() *cobra.Command {
	return withExits(&cobra.Command{
		Use: "uninstall ID", Short: "Remove an app and all that was stocked for it", Args: takes(1, 1),
		Long: "Remove an app and all that was stocked for it. Its bundle stays; files that apps of\nthe same group share go with the last of them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := appID(cmd, args[0])
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			if err := api.Uninstall(cmd.Context(), id); err != nil {
				return err
			}
			if !c.quiet {
				c.say("uninstalled %s", id)
			}
			return c.removeFromMenu(id)
		},
	}, exitNotFound, exitUnavailable)
}
