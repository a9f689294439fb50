package main

import (
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/localapi"
)

func (c *cli) appInstallCommand() *cobra.Command {
	var release string
	var wait, clearOverride bool
	var override string
	var entry menu
	cmd := &cobra.Command{
		Use: "install BUNDLE", Short: "Install an app from its bundle and begin to stock it", Args: takes(1, 1),
		Long: `Install an app from its bundle and begin to stock it. The bundle stays where it is.
What is essential is fetched first; "larder launch" waits for it. With --wait this
command does, and fails when the app opens for another reason than being ready.

On Linux the app gets an entry in the desktop's menu that runs "larder launch ID"; with
--data or LARDER_DATA only when --desktop-entry asks for it.

With --url-override manifest and packs come from a server of yours ("larder serve") in place of
their own. Said of an app that is installed already, it changes that alone, and has the app check
for new content at once; so does --clear-url-override, which ends it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch release {
			case localapi.ContextInternal, localapi.ContextExternal, localapi.ContextProduction:
			default:
				return wrongUse(cmd, "--context must be internal, external or production")
			}
			if entry.want && entry.refuse {
				return wrongUse(cmd, "--desktop-entry and --no-desktop-entry exclude each other")
			}
			request := localapi.InstallRequest{Context: release}
			switch changed := cmd.Flags().Changed("url-override"); {
			case changed && clearOverride:
				return wrongUse(cmd, "--url-override and --clear-url-override exclude each other")
			case changed || clearOverride:
				if err := asset.CheckURLOverride(override); err != nil {
					return err
				}
				request.URLOverride = &override
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			request.Bundle = dir
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			var before []asset.AppStatus
			if request.URLOverride != nil {
				if before, err = api.Apps(cmd.Context()); err != nil {
					return err
				}
			}
			app, err := api.Install(cmd.Context(), request)
			if err != nil {
				return err
			}
			verb := "installed"
			if slices.ContainsFunc(before, func(a asset.AppStatus) bool { return a.ID == app.ID }) {
				verb = "redirected"
			}
			if entry.wanted(c) {
				c.addToMenu(dir, app.ID)
			}
			if wait && c.json {
				return c.waitReady(cmd.Context(), api, app.ID)
			}
			if err := c.tellApp(verb, app); err != nil || !wait {
				return err
			}
			return c.waitReady(cmd.Context(), api, app.ID)
		},
	}
	cmd.Flags().StringVar(&release, "context", localapi.ContextProduction, "release `CONTEXT`: internal, external or production")
	cmd.Flags().StringVar(&override, "url-override", "", "have manifest and packs come from `URL`: scheme, host and port")
	cmd.Flags().BoolVar(&clearOverride, "clear-url-override", false, "have them come from their own servers again")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the app may be launched")
	cmd.Flags().BoolVar(&entry.want, "desktop-entry", false, "write a menu entry, also with --data (Linux)")
	cmd.Flags().BoolVar(&entry.refuse, "no-desktop-entry", false, "write no menu entry")
	c.printsJSON(cmd, "print the app as JSON; with --wait, its progress, one JSON object per line")
	return withExits(cmd, exitData, exitNotFound, exitUnavailable, exitNotNow, exitInterrupted)
}
