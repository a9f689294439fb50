package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/localapi"
)

// simulation is what can happen to an app, by the word on the command line.
type simulation struct {
	word, about string
	event       localapi.Simulation
}

var simulations = []simulation{
	{"install", "its extension is asked as if it had just been installed", localapi.SimulateInstall},
	{"update", "… as if it had just been updated", localapi.SimulateUpdate},
	{"periodic", "… as if a check for new content were due", localapi.SimulatePeriodic},
	{"language-change", "… as if the person had chosen another language for it", localapi.SimulateLanguageChange},
	{"first-launch-state", "it was never launched: its restrictions hold again", localapi.SimulateFirstLaunchState},
}

// facts are what the device can be made to be.
var facts = []struct {
	word, values, about string
	fact                asset.Fact
}{
	{"low-power", "on|off", "the person saves power: nothing is done in the background", asset.FactLowPower},
	{"refresh", "on|off", "background refresh for all apps, whatever the setting says", asset.FactRefresh},
	{"metered", "on|off|unknown", "the network costs by the byte: files wait", asset.FactMetered},
	{"low-disk", "on|off", "the disk has no byte free: downloads wait, and all that is purgeable is deleted", asset.FactLowDisk},
	{"offline", "on|off", "no server is reached", asset.FactOffline},
}

var answers = map[string]asset.Answer{"on": asset.Yes, "off": asset.No, "unknown": asset.Unknown}

func (c *cli) simulateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "simulate EVENT ID | simulate FACT VALUE | simulate reset [ID]", Short: "For developers: make things happen to an app or the device", Args: takes(1, 2),
		Example: "  larder simulate periodic org.example.hello\n  larder simulate metered on\n  larder simulate reset",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.simulate(cmd, args) },
	}
	events, values := table{}, table{}
	for _, s := range simulations {
		events.add(s.word+" ID", s.about)
	}
	for _, f := range facts {
		values.add(f.word+" "+f.values, f.about)
	}
	cmd.Long = "For developers: make things happen in the real service. To an app, whose extension then has\na whole day's time anew:\n\n" + strings.Join(events.lines("  "), "\n") +
		"\n\nTo the device, until the service ends (\"larder status\" shows it):\n\n" + strings.Join(values.lines("  "), "\n") +
		"\n\n\"reset\" ends all simulations of the device; with an ID it gives that app's extension its time anew."
	return withExits(c.printsJSON(cmd, "print the app, or the facts of the device, as JSON"), exitNotFound, exitNotNow, exitUnavailable)
}

func (c *cli) simulate(cmd *cobra.Command, args []string) error {
	word, rest := args[0], args[1:]
	for _, f := range facts {
		if f.word == word {
			return c.simulateDevice(cmd, f.fact, word, f.values, rest)
		}
	}
	event := localapi.SimulateReset
	if word == "reset" && len(rest) == 0 {
		api, err := c.service(cmd.Context())
		if err != nil {
			return err
		}
		now, err := api.ResetDevice(cmd.Context())
		if err != nil {
			return err
		}
		return c.tellDevice(now)
	}
	if word != "reset" {
		n := slices.IndexFunc(simulations, func(s simulation) bool { return s.word == word })
		if n < 0 {
			return wrongUse(cmd, fmt.Sprintf("%q cannot be simulated", word))
		}
		event = simulations[n].event
	}
	if len(rest) != 1 {
		return wrongUse(cmd, "an app's ID is missing")
	}
	id, err := appID(cmd, rest[0])
	if err != nil {
		return err
	}
	api, err := c.service(cmd.Context())
	if err != nil {
		return err
	}
	app, err := api.Simulate(cmd.Context(), id, event)
	if err != nil {
		return err
	}
	return c.tellApp("simulated "+word+" of", app)
}

func (c *cli) simulateDevice(cmd *cobra.Command, fact asset.Fact, word, values string, rest []string) error {
	if len(rest) != 1 || !slices.Contains(strings.Split(values, "|"), rest[0]) {
		return wrongUse(cmd, fmt.Sprintf("%s is %s", word, strings.ReplaceAll(values, "|", " or ")))
	}
	api, err := c.service(cmd.Context())
	if err != nil {
		return err
	}
	now, err := api.SimulateDevice(cmd.Context(), fact, answers[rest[0]])
	if err != nil {
		return err
	}
	return c.tellDevice(now)
}

func (c *cli) tellDevice(f asset.Facts) error {
	switch {
	case c.json:
		return c.document(f)
	case !c.quiet:
		line := deviceLine(f)
		if line == "" {
			line = "device: nothing is simulated, and nothing holds back downloads"
		}
		c.say("%s", line)
	}
	return nil
}

// deviceLine tells what of the device holds something back, or is simulated; ""
// when there is nothing to tell.
func deviceLine(f asset.Facts) string {
	var parts []string
	add := func(when bool, words string) {
		if when {
			parts = append(parts, words)
		}
	}
	add(f.LowPower == asset.Yes, "saves power")
	add(f.Metered == asset.Yes, "on a metered network")
	add(f.Online == asset.No, "offline")
	for _, s := range facts {
		if a, ok := f.Simulated[s.fact]; ok {
			parts = append(parts, fmt.Sprintf("%s %s (simulated)", s.word, map[asset.Answer]string{asset.Yes: "on", asset.No: "off", asset.Unknown: "unknown"}[a]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "device: " + strings.Join(parts, " · ")
}
