package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"larder/internal/localapi"
)

func (c *cli) settingsCommand() *cobra.Command {
	cmd := c.group("settings", "Read and change your settings, for all apps or for one", c.settingsGetCommand(), c.settingsSetCommand())
	all, one := table{}, table{}
	for _, s := range settings {
		all.add(s.name, s.values, s.about)
	}
	for _, s := range appSettings {
		one.add(s.name, s.values, s.about)
	}
	cmd.Long = "Read and change your settings. A change applies at once, also to what runs. For all apps:\n\n" + strings.Join(all.lines("  "), "\n") +
		"\n\nFor one app, with --app:\n\n" + strings.Join(one.lines("  "), "\n") +
		"\n\nA RATE is bytes per second: 500kB, 1.5MB."
	return cmd
}

func settingNames(app string) (names []string) {
	for _, s := range settings {
		names = append(names, s.name)
	}
	if app != "" {
		names = nil
		for _, s := range appSettings {
			names = append(names, s.name)
		}
	}
	return names
}

func noSetting(cmd *cobra.Command, name, app string) error {
	return wrongUse(cmd, fmt.Sprintf("there is no setting %q; there are %s", name, strings.Join(settingNames(app), ", ")))
}

func (c *cli) settingsGetCommand() *cobra.Command {
	var app string
	cmd := &cobra.Command{
		Use: "get [NAME]", Short: "Print all settings, or one", Args: takes(0, 1), ValidArgs: settingNames(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && !slices.Contains(settingNames(app), args[0]) {
				return noSetting(cmd, args[0], app)
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			only := strings.Join(args, "")
			if app == "" {
				now, err := api.Settings(cmd.Context())
				if err != nil {
					return err
				}
				return c.tellSettings(now, only)
			}
			id, err := appID(cmd, app)
			if err != nil {
				return err
			}
			now, err := api.AppSettings(cmd.Context(), id)
			if err != nil {
				return err
			}
			return c.tellAppSettings(now, only)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "of the app `ID` alone")
	return withExits(c.printsJSON(cmd, "print all settings as JSON"), exitNotFound, exitUnavailable)
}

func (c *cli) settingsSetCommand() *cobra.Command {
	var app string
	cmd := &cobra.Command{
		Use: "set NAME VALUE", Short: "Change a setting", Args: takes(2, 2),
		Example: "  larder settings set downloadCapBackground 2MB\n  larder settings set --app org.example.hello language pt-BR",
		RunE: func(cmd *cobra.Command, args []string) error {
			if app != "" {
				return c.setAppSetting(cmd, app, args[0], args[1])
			}
			for _, s := range settings {
				if s.name != args[0] {
					continue
				}
				var change localapi.SettingsChange
				if !s.set(&change, args[1]) {
					return wrongValue(cmd, s.name, s.values, args[1])
				}
				api, err := c.service(cmd.Context())
				if err != nil {
					return err
				}
				now, err := api.SetSettings(cmd.Context(), change)
				if err != nil || c.quiet && !c.json {
					return err
				}
				return c.tellSettings(now, "")
			}
			return noSetting(cmd, args[0], app)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "of the app `ID` alone")
	return withExits(c.printsJSON(cmd, "print all settings as JSON"), exitNotFound, exitUnavailable)
}

func (c *cli) setAppSetting(cmd *cobra.Command, app, name, value string) error {
	id, err := appID(cmd, app)
	if err != nil {
		return err
	}
	for _, s := range appSettings {
		if s.name != name {
			continue
		}
		var change localapi.AppSettingsChange
		if !s.set(&change, value) {
			return wrongValue(cmd, s.name, s.values, value)
		}
		api, err := c.service(cmd.Context())
		if err != nil {
			return err
		}
		now, err := api.SetAppSettings(cmd.Context(), id, change)
		if err != nil || c.quiet && !c.json {
			return err
		}
		return c.tellAppSettings(now, "")
	}
	return noSetting(cmd, name, app)
}

func wrongValue(cmd *cobra.Command, name, values, value string) error {
	words := strings.Split(values, "|")
	last := len(words) - 1
	message := fmt.Sprintf("%s is %s or %s, not %q", name, strings.Join(words[:last], ", "), words[last], value)
	if strings.Contains(values, "RATE") {
		message += "; a RATE is at least 1kB per second, as in 500kB or 1.5MB"
	}
	return wrongUse(cmd, message)
}

// tellSettings prints all, or the value of one alone.
func (c *cli) tellSettings(now localapi.Settings, only string) error {
	var t table
	for _, s := range settings {
		if only == s.name && !c.json {
			c.say("%s", s.of(now))
		}
		t.add(s.name, s.of(now))
	}
	return c.tellTable(now, t, only)
}

func (c *cli) tellAppSettings(now localapi.AppSettings, only string) error {
	var t table
	for _, s := range appSettings {
		if only == s.name && !c.json {
			c.say("%s", s.of(now))
		}
		t.add(s.name, s.of(now))
	}
	return c.tellTable(now, t, only)
}

func (c *cli) tellTable(now any, t table, only string) error {
	switch {
	case c.json:
		return c.document(now)
	case only == "":
		for _, line := range t.lines("") {
			c.say("%s", line)
		}
	}
	return nil
}
