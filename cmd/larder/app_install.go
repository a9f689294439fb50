package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"larder/internal/localapi"
)

func (c *cli) appInstallCommand() *cobra.Command {
	var release string
	var wait bool
	var entry menu
	cmd := &cobra.Command{
		Use: "install BUNDLE", Short: "Install an app from its bundle and begin to stock it", Args: takes(1, 1),
		Long: `Install an app from its bundle and begin to stock it. The bundle stays where it is.
What is essential is fetched first; "larder launch" waits for it. With --wait this
command does, and fails when the app opens for another reason than being ready.

On Linux the app gets an entry in the desktop's menu that runs "larder launch ID"; with
--data or LARDER_DATA only when --desktop-entry asks for it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch release {
			case localapi.ContextInternal, localapi.ContextExternal, localapi.ContextProduction:
			default:
				return wrongUse(cmd, "--context must be internal, external or production")
			}
			if entry.want && entry.refuse {
				return wrongUse(cmd, "--desktop-entry and --no-desktop-entry exclude each other")
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			app, err := api.Install(cmd.Context(), localapi.InstallRequest{Bundle: dir, Context: release})
			if err != nil {
				return err
			}
			if entry.wanted(c) {
				c.addToMenu(dir, app.ID)
			}
			if wait && c.json {
				return c.waitReady(cmd.Context(), api, app.ID)
			}
			if err := c.tellApp("installed", app); err != nil || !wait {
				return err
			}
			return c.waitReady(cmd.Context(), api, app.ID)
		},
	}
	cmd.Flags().StringVar(&release, "context", localapi.ContextProduction, "release `CONTEXT`: internal, external or production")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the app may be launched")
	cmd.Flags().BoolVar(&entry.want, "desktop-entry", false, "write a menu entry, also with --data (Linux)")
	cmd.Flags().BoolVar(&entry.refuse, "no-desktop-entry", false, "write no menu entry")
	c.printsJSON(cmd, "print the app as JSON; with --wait, its progress, one JSON object per line")
	return withExits(cmd, exitData, exitNotFound, exitUnavailable, exitNotNow, exitInterrupted)
}
