package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"larder/internal/localapi"
)

// contentSetting is the one setting there is (classic §2.9).
const contentSetting = "inAppContent"

func (c *cli) settingsCommand() *cobra.Command {
	cmd := c.group("settings", "Read and change your settings for all apps", c.settingsGetCommand(), c.settingsSetCommand())
	cmd.Long = `Read and change your settings for all apps:

  inAppContent on|off   off: nothing is fetched before an app's first launch, and nothing waits for it`
	return cmd
}

func (c *cli) settingsGetCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "get [NAME]", Short: "Print all settings, or one", Args: takes(0, 1), ValidArgs: []string{contentSetting},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != contentSetting {
				return noSetting(cmd, args[0])
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			now, err := api.Settings(cmd.Context())
			if err != nil {
				return err
			}
			return c.tellSettings(now, len(args) == 1)
		},
	}, "print all settings as JSON"), exitUnavailable)
}

func (c *cli) settingsSetCommand() *cobra.Command {
	words := []string{"off", "on"}
	return withExits(c.printsJSON(&cobra.Command{
		Use: "set NAME VALUE", Short: "Change a setting", Args: takes(2, 2), Example: "  larder settings set inAppContent off",
		RunE: func(cmd *cobra.Command, args []string) error {
			value := slices.Index(words, args[1]) == 1
			switch {
			case args[0] != contentSetting:
				return noSetting(cmd, args[0])
			case !slices.Contains(words, args[1]):
				return wrongUse(cmd, fmt.Sprintf("%s is on or off, not %q", contentSetting, args[1]))
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			now, err := api.SetSettings(cmd.Context(), localapi.SettingsChange{InAppContent: &value})
			if err != nil || c.quiet && !c.json {
				return err
			}
			return c.tellSettings(now, false)
		},
	}, "print all settings as JSON"), exitUnavailable)
}

func noSetting(cmd *cobra.Command, name string) error {
	return wrongUse(cmd, fmt.Sprintf("there is no setting %q; there is %s", name, contentSetting))
}

func (c *cli) tellSettings(now localapi.Settings, bare bool) error {
	value := map[bool]string{true: "on", false: "off"}[now.InAppContent]
	switch {
	case c.json:
		return c.document(now)
	case bare:
		c.say("%s", value)
	default:
		c.say("%s %s", contentSetting, value)
	}
	return nil
}
