package main

import (
	"github.com/spf13/cobra"

	"larder/internal/localapi"
)

func (c *cli) downloadCommand() *cobra.Command {
	return c.group("download", "List and cancel single downloads", c.downloadListCommand(), c.downloadCancelCommand())
}

func (c *cli) downloadListCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "list [ID]", Short: "List the downloads of all apps, or of one", Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := maybeAppID(cmd, args)
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			apps, err := api.Downloads(cmd.Context(), id)
			if err != nil {
				return err
			}
			if c.json {
				return c.document(struct {
					Apps []localapi.AppDownloads `json:"apps"`
				}{apps})
			}
			t := table{right: []int{4}}
			for _, a := range apps {
				for _, d := range a.Downloads {
					t.add(d.UniqueIdentifier, string(a.ID), string(d.State), part(d), percent(d), d.Identifier)
				}
			}
			for _, line := range t.lines("") {
				c.say("%s", line)
			}
			if len(t.rows) == 0 {
				c.note("there are no downloads")
			}
			return nil
		},
	}, "print the downloads as JSON"), exitNotFound, exitUnavailable)
}

func (c *cli) downloadCancelCommand() *cobra.Command {
	return withExits(&cobra.Command{
		Use: "cancel UNIQUE-ID", Short: "Cancel one download", Args: takes(1, 1),
		Long: "Cancel one download. \"larder download list\" shows the unique identifiers.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			if err := api.CancelDownload(cmd.Context(), args[0]); err != nil {
				return err
			}
			if !c.quiet {
				c.say("cancelled %s", args[0])
			}
			return nil
		},
	}, exitNotFound, exitUnavailable, exitNotNow)
}
