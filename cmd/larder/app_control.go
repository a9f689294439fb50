package main

import (
	"github.com/spf13/cobra"

	"larder/internal/localapi"
)

func (c *cli) appControlCommand(action localapi.Action, short, long string) *cobra.Command {
	past := map[localapi.Action]string{localapi.ActionCancel: "cancelled", localapi.ActionPause: "paused", localapi.ActionResume: "resumed"}[action]
	return withExits(c.printsJSON(&cobra.Command{
		Use: string(action) + " ID", Short: short, Long: long, Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := appID(cmd, args[0])
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			app, err := api.Control(cmd.Context(), id, action)
			if err != nil {
				return err
			}
			return c.tellApp(past, app)
		},
	}, "print the app as JSON"), exitNotFound, exitUnavailable, exitNotNow)
}
