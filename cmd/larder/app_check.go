package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/bundle"
	"larder/internal/policy"
)

func (c *cli) appCheckCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "check BUNDLE", Short: "List every fault of an app bundle, with its mend", Args: takes(1, 1),
		Long: "List every fault of an app bundle, one per line, each with file, key, value and mend.\nOf a good bundle, tell what would be fetched. Needs no service, and runs nothing.",
		RunE: func(_ *cobra.Command, args []string) error { return c.check(args[0]) },
	}, "print bundle and faults as JSON"), exitData, exitNotFound)
}

func (c *cli) check(dir string) error {
	b, faults := bundle.Check(dir)
	if b == nil && len(faults) == 1 && faults[0].Code == asset.CodeNotFound {
		return &asset.Error{Code: asset.CodeNotFound, Op: "check bundle", Subject: dir, Message: faults[0].Problem, Help: faults[0].Mend}
	}
	if c.json {
		if err := c.document(checked(b, faults)); err != nil {
			return err
		}
	} else {
		for _, f := range faults {
			c.say("%s", f)
		}
		if len(faults) == 0 {
			for _, line := range summary(b) {
				c.say("%s", line)
			}
		}
	}
	if len(faults) > 0 {
		c.note("check bundle %s: it has %s", dir, counted(len(faults), "fault"))
		return told{exitData}
	}
	return nil
}

// report is what "app check --json" prints; ID and what follows are empty as far
// as the bundle does not say them.
type report struct {
	ID          asset.AppID    `json:"id"`
	Name        string         `json:"name"`
	Version     string         `json:"version"`
	Build       string         `json:"build"`
	Group       asset.GroupID  `json:"group"`
	Executable  string         `json:"executable"`
	ManifestURL string         `json:"manifestURL"`
	Extension   string         `json:"extension"`
	Faults      []bundle.Fault `json:"faults"`
}

func checked(b *bundle.Bundle, faults []bundle.Fault) report {
	r := report{Faults: append([]bundle.Fault{}, faults...)}
	if b != nil {
		r.ID, r.Name, r.Version, r.Build, r.Group, r.Executable = b.ID, b.Name, b.Version.String(), b.Build, b.Group, b.Executable
		r.ManifestURL = redacted(b.ManifestURL)
		if b.Extension != nil {
			r.Extension = b.Extension.ID
		}
	}
	return r
}

func summary(b *bundle.Bundle) []string {
	var t table
	t.add("app", fmt.Sprintf("%s %s (build %s)", b.ID, b.Version, b.Build))
	t.add("starts", b.Executable)
	if b.Extension != nil {
		t.add("extension", b.Extension.ID)
	} else {
		t.add("extension", "none")
	}
	switch {
	case b.UsesAppleHosting:
		from := redacted(b.HostURL)
		for _, m := range b.Mirrors {
			from += ", else " + redacted(m)
		}
		t.add("fetches", "asset packs from "+from)
	case b.ManifestURL != "":
		t.add("fetches", "its manifest from "+redacted(b.ManifestURL)+", then what the extension names")
	default:
		t.add("fetches", "nothing")
	}
	if r := b.Restrictions; r != nil {
		t.add("at first", fmt.Sprintf("at most %s essential and %s other, from %s only",
			policy.Bytes(r.EssentialDownloadAllowance), policy.Bytes(r.DownloadAllowance), strings.Join(r.DomainAllowList, ", ")))
	}
	return append(t.lines(""), "no faults")
}
