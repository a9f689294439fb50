package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/localapi"
)

func (c *cli) appUpdateCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: "update ID|BUNDLE", Short: "Update an app to a new version of its bundle", Args: takes(1, 1),
		Long: `Update an installed app to the version that its bundle now has: where it was installed
from when ID is given, else at BUNDLE. A bundle with the same CFBundleVersion is no update.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, req, err := updateOf(cmd, args[0])
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			app, err := api.Update(cmd.Context(), id, req)
			if err != nil {
				return err
			}
			c.refreshMenu(req.Bundle, id)
			if wait && c.json {
				return c.waitReady(cmd.Context(), api, id)
			}
			if err := c.tellApp("updated", app); err != nil || !wait {
				return err
			}
			return c.waitReady(cmd.Context(), api, id)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the app may be launched")
	c.printsJSON(cmd, "print the app as JSON; with --wait, its progress, one JSON object per line")
	return withExits(cmd, exitData, exitNotFound, exitUnavailable, exitNotNow, exitInterrupted)
}

// updateOf takes an existing folder for a bundle, and anything else for an identifier.
func updateOf(cmd *cobra.Command, arg string) (asset.AppID, localapi.UpdateRequest, error) {
	info, err := os.Stat(arg)
	if err != nil || !info.IsDir() {
		id, err := appID(cmd, arg)
		return id, localapi.UpdateRequest{}, err
	}
	dir, err := filepath.Abs(arg)
	if err != nil {
		return "", localapi.UpdateRequest{}, err
	}
	b, err := bundle.Read(dir)
	if err != nil {
		return "", localapi.UpdateRequest{}, err
	}
	return b.ID, localapi.UpdateRequest{Bundle: dir}, nil
}
