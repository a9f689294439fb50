package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/localapi"
)

// setting is one of the settings, for all apps or for one.
type setting struct {
	name, values, about string
	// of tells the present value as a word.
	of func(localapi.Settings) string
	// set puts a value into a change; false when it is none.
	set func(*localapi.SettingsChange, string) bool
}

var settings = []setting{
	{"inAppContent", "on|off", "off: nothing is fetched before an app's first launch, and nothing waits for it",
		func(s localapi.Settings) string { return onOff(s.InAppContent) },
		func(c *localapi.SettingsChange, v string) (ok bool) { c.InAppContent, ok = readOnOff(v); return ok }},
	{"backgroundRefresh", "on|off", "off: no checks for new content, and no downloads that nobody waits for",
		func(s localapi.Settings) string { return onOff(s.BackgroundRefresh) },
		func(c *localapi.SettingsChange, v string) (ok bool) {
			c.BackgroundRefresh, ok = readOnOff(v)
			return ok
		}},
	{"meteredRule", "wait|allow", "what files do on a network that costs by the byte",
		func(s localapi.Settings) string { return s.MeteredRule },
		func(c *localapi.SettingsChange, v string) bool {
			c.MeteredRule = &v
			return v == "wait" || v == "allow"
		}},
	{"downloadCapForeground", "RATE|off", "for all downloads that somebody waits for together",
		func(s localapi.Settings) string { return showCap(s.ForegroundCap) },
		func(c *localapi.SettingsChange, v string) (ok bool) { c.ForegroundCap, ok = readCap(v); return ok }},
	{"downloadCapBackground", "RATE|off", "for all other downloads together",
		func(s localapi.Settings) string { return showCap(s.BackgroundCap) },
		func(c *localapi.SettingsChange, v string) (ok bool) { c.BackgroundCap, ok = readCap(v); return ok }},
}

// appSetting is one of those of a single app.
type appSetting struct {
	name, values, about string
	of                  func(localapi.AppSettings) string
	set                 func(*localapi.AppSettingsChange, string) bool
}

var appSettings = []appSetting{
	{"backgroundRefresh", "on|off", "as above, for this app alone",
		func(s localapi.AppSettings) string { return onOff(s.BackgroundRefresh) },
		func(c *localapi.AppSettingsChange, v string) (ok bool) {
			c.BackgroundRefresh, ok = readOnOff(v)
			return ok
		}},
	{"language", "TAG|system", "the app's language, such as de or pt-BR; its extension is asked anew",
		func(s localapi.AppSettings) string {
			if s.Language == "" {
				return "system"
			}
			return s.Language
		},
		func(c *localapi.AppSettingsChange, v string) bool {
			if v == "system" {
				v = ""
			}
			c.Language = &v
			_, err := asset.ParseLanguage(v)
			return err == nil
		}},
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func readOnOff(v string) (*bool, bool) {
	on := v == "on"
	return &on, on || v == "off"
}

// units are powers of 1000, as everywhere; the longer names first.
var units = []struct {
	suffix string
	bytes  float64
}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}

// readCap reads "500kB", "1.5MB", plain bytes, or off.
func readCap(v string) (*int64, bool) {
	if v == "off" {
		return new(int64), true
	}
	for _, u := range units {
		if number, found := strings.CutSuffix(v, u.suffix); found {
			f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			n := int64(f * u.bytes)
			return &n, err == nil && f*u.bytes >= localapi.MinCap && f*u.bytes < 1e15
		}
	}
	return nil, false
}

func showCap(n int64) string {
	if n == 0 {
		return "off"
	}
	for _, u := range units[:3] {
		if rest := float64(n) / u.bytes; rest >= 1 && float64(n) == float64(int64(rest*10+0.5))/10*u.bytes {
			return strconv.FormatFloat(rest, 'f', -1, 64) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

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
	message := fmt.Sprintf("%s is %s, not %q", name, strings.ReplaceAll(values, "|", " or "), value)
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
