package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/localapi"
	"larder/internal/policy"
)

func (c *cli) assetsCommand() *cobra.Command {
	return c.group("assets", "List, fetch, remove and update the asset packs of an app",
		c.assetsListCommand(), c.assetsEnsureCommand(), c.assetsRemoveCommand(), c.assetsCheckCommand())
}

func (c *cli) assetsListCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "list APP", Short: "List the packs of an app that are installed, offered or under way", Args: takes(1, 1),
		Long: `List the packs of an app that are installed, offered or under way, as the manifest that was
fetched last tells. The network is not asked; "larder assets check" asks it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, id, err := c.appService(cmd, args[0])
			if err != nil {
				return err
			}
			p, err := api.Packs(cmd.Context(), id)
			switch {
			case err != nil:
				return err
			case c.json:
				return c.document(p)
			case len(p.Packs) == 0:
				c.note("there are no packs")
			}
			for _, line := range packLines(p.Packs, "") {
				c.say("%s", line)
			}
			return nil
		},
	}, "print the packs as JSON"), exitData, exitNotFound, exitUnavailable)
}

// appService gives a client of the service, and the app that an argument names.
func (c *cli) appService(cmd *cobra.Command, arg string) (*localapi.Client, asset.AppID, error) {
	id, err := appID(cmd, arg)
	if err != nil {
		return nil, "", err
	}
	api, err := c.service(cmd.Context())
	return api, id, err
}

// packLines are packs as lines for a person.
func packLines(packs []asset.PackStatus, indent string) []string {
	t := table{right: []int{2}}
	var why []string
	for _, p := range packs {
		version, size := "", p.DownloadSize
		if p.Installed != nil {
			version, size = strconv.FormatInt(*p.Installed, 10), p.InstalledSize
		} else if p.Available != nil {
			version = strconv.FormatInt(*p.Available, 10)
		}
		t.add(short(string(p.ID), 40), version, policy.Bytes(size), packState(p), string(p.Policy), p.Language)
		line := ""
		if p.Reason != nil {
			line = sentence(p.Reason)
		}
		why = append(why, line)
	}
	var out []string
	for n, line := range t.lines(indent) {
		out = append(out, line)
		if why[n] != "" {
			out = append(out, indent+"  → "+why[n])
		}
	}
	return out
}

// packState says in a word or two what the bits mean.
func packState(p asset.PackStatus) string {
	state := "not installed"
	switch {
	case p.Status.Has(asset.PackDownloaded | asset.PackUpToDate):
		state = "installed"
	case p.Status.Has(asset.PackDownloaded | asset.PackObsolete):
		state = "installed, obsolete"
	case p.Status.Has(asset.PackDownloaded|asset.PackOutOfDate) && p.Available != nil:
		state = fmt.Sprintf("installed, version %d is there", *p.Available)
	case p.Status.Has(asset.PackDownloaded):
		state = "installed"
	case p.Available == nil:
		state = "does not fit"
	}
	if p.Status.Has(asset.PackDownloading) {
		state += ", under way"
	}
	return state
}

func (c *cli) assetsEnsureCommand() *cobra.Command {
	var latest bool
	cmd := &cobra.Command{
		Use: "ensure APP PACK...", Short: "Have packs installed, and wait for it", Args: takes(2, localapi.MaxEnsure),
		Long: `Have packs installed, and wait for it. Those that are installed already are left as they
are, unless --latest asks for their newest version. All are waited for, also when some fail.
Ctrl-C ends the waiting and not the downloads.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, id, err := c.appService(cmd, args[0])
			if err != nil {
				return err
			}
			var lines []localapi.EnsureLine
			var failed *asset.Error
			for l, err := range api.EnsurePacks(cmd.Context(), id, localapi.EnsureRequest{Packs: args[1:], Latest: latest}) {
				if err != nil {
					return err
				}
				lines = append(lines, l)
				switch {
				case l.Failed != nil && failed == nil:
					failed = l.Failed
				case l.Failed == nil && !c.json && !c.quiet:
					c.say("%s %d is installed", l.Pack, l.Version)
				}
				if l.Failed != nil && len(args) > 2 {
					c.note("%s: %v", l.Pack, l.Failed)
				}
			}
			if c.json {
				err = c.document(struct {
					Packs []localapi.EnsureLine `json:"packs"`
				}{lines})
			}
			if err == nil && failed != nil {
				err = failed
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&latest, "latest", false, "wait for the newest version also of what is installed")
	return withExits(c.printsJSON(cmd, "print what became of each pack as JSON"), exitData, exitNotFound, exitUnavailable, exitInterrupted)
}

func (c *cli) assetsRemoveCommand() *cobra.Command {
	return withExits(&cobra.Command{
		Use: "remove APP PACK...", Short: "Remove installed packs", Args: takes(2, localapi.MaxEnsure),
		Long: `Remove installed packs. Apps that run keep what they read until they end. A pack that is
asked for again is downloaded again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, id, err := c.appService(cmd, args[0])
			if err != nil {
				return err
			}
			for _, p := range args[1:] {
				if err := api.RemovePack(cmd.Context(), id, asset.PackID(p)); err != nil {
					return err
				}
				if !c.quiet {
					c.say("removed %s", p)
				}
			}
			return nil
		},
	}, exitData, exitNotFound, exitUnavailable)
}

func (c *cli) assetsCheckCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "check APP", Short: "Look for newer packs now", Args: takes(1, 1),
		Long: `Look for newer packs now: fetch the app's manifest, begin to update installed packs that are
outdated, and remove those that are offered no more. What is not installed is left alone.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, id, err := c.appService(cmd, args[0])
			if err != nil {
				return err
			}
			p, err := api.CheckForUpdates(cmd.Context(), id)
			switch {
			case err != nil:
				return err
			case c.json:
				return c.document(p)
			case len(p.Updating)+len(p.Removed) == 0:
				c.say("nothing is new")
			}
			for _, id := range p.Updating {
				c.say("%s is being updated", id)
			}
			for _, id := range p.Removed {
				c.say("%s was obsolete and is removed", id)
			}
			return nil
		},
	}, "print what began as JSON"), exitData, exitNotFound, exitUnavailable)
}
