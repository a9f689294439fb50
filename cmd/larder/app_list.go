package main

import (
	"github.com/spf13/cobra"

	"larder/asset"
)

func (c *cli) appListCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "list", Short: "List the installed apps", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			apps, err := api.Apps(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				return c.document(struct {
					Apps []asset.AppStatus `json:"apps"`
				}{apps})
			}
			var t table
			for _, a := range apps {
				t.add(string(a.ID), a.Version, phase(a), gate(a.Gate))
			}
			for _, line := range t.lines("") {
				c.say("%s", line)
			}
			if len(apps) == 0 {
				c.note("%s", noApps)
			}
			return nil
		},
	}, "print the apps as JSON"), exitUnavailable)
}

const noApps = `no app is installed; "larder app install BUNDLE" installs one`
