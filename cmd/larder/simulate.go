package main

import (
	"github.com/spf13/cobra"

	"larder/asset"
)

func (c *cli) simulateCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "simulate install|update ID", Short: "Ask an app's extension as if the app were new or updated", Args: takes(2, 2),
		Long: "For developers: ask an app's extension now, as if the app had just been installed or\nupdated. What its extension may use per day begins anew.",
		RunE: func(cmd *cobra.Command, args []string) error {
			request := asset.ContentRequest(args[0])
			if !request.AllowsEssential() {
				return wrongUse(cmd, "only install and update can be simulated")
			}
			id, err := appID(cmd, args[1])
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			app, err := api.Simulate(cmd.Context(), id, request)
			if err != nil {
				return err
			}
			return c.tellApp("simulated "+args[0]+" of", app)
		},
	}, "print the app as JSON"), exitNotFound, exitUnavailable)
}
