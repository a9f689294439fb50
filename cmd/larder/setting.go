package main

import (
	"strconv"
	"strings"

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
	{"meteredRule", "wait|allow|never", "what files do on a network that costs by the byte; wait: but for what you look at",
		func(s localapi.Settings) string { return s.MeteredRule },
		func(c *localapi.SettingsChange, v string) bool {
			c.MeteredRule = &v
			return v == "wait" || v == "allow" || v == "never"
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
	{"urlOverride", "URL|off", "for developers: where its manifest and packs come from, as \"larder serve\" prints it",
		func(s localapi.AppSettings) string {
			if s.URLOverride == "" {
				return "off"
			}
			return s.URLOverride
		},
		func(c *localapi.AppSettingsChange, v string) bool {
			if v == "off" {
				v = ""
			}
			c.URLOverride = &v
			return asset.CheckURLOverride(v) == nil
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
