package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/policy"
)

func (c *cli) appShowCommand() *cobra.Command {
	return withExits(c.printsJSON(&cobra.Command{
		Use: "show ID", Short: "Describe an installed app", Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := appID(cmd, args[0])
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			if err != nil {
				return err
			}
			a, err := api.App(cmd.Context(), id)
			if err != nil {
				return err
			}
			if c.json {
				return c.document(a)
			}
			d, err := c.dirs()
			if err != nil {
				return err
			}
			for _, line := range describe(a, d.AppSocket(id)) {
				c.say("%s", line)
			}
			return nil
		},
	}, "print the app as JSON"), exitNotFound, exitUnavailable)
}

func describe(a asset.AppStatus, socket string) []string {
	var t table
	t.add("app", string(a.ID))
	t.add("version", fmt.Sprintf("%s (build %s)", a.Version, a.Build))
	t.add("state", phase(a))
	t.add("launch", gate(a.Gate))
	if r := a.Gate.Reason; r != nil && r.Unblock != "" {
		t.add("", r.Unblock)
	}
	t.add("essential", tally(a.Downloads, true))
	t.add("other", tally(a.Downloads, false))
	t.add("signed", signed(a))
	if a.URLOverride != "" {
		t.add("override", overridden(a))
	}
	t.add("socket", socket)
	return t.lines("")
}

// signed tells what an app's content is trusted by.
func signed(a asset.AppStatus) string {
	switch s := a.Signature; {
	case !a.Signed:
		return "no: trust in its content is trust in the connection"
	case s == nil:
		return "by its developer; nothing was proved yet"
	case s.Expired:
		return "by its developer until " + s.Expires.Format(time.DateOnly) + ", which is over: what is installed stays, and nothing new is taken"
	default:
		return fmt.Sprintf("by its developer (publisher %s, release %s), good until %s", beginnings(s.Publisher), beginnings(s.Release), s.Expires.Format(time.DateOnly))
	}
}

func beginnings(keys []string) string {
	var out []string
	for _, k := range keys {
		out = append(out, k[:min(8, len(k))])
	}
	return strings.Join(out, ", ")
}

// overridden tells that an app is not served as in life, so that nobody forgets it.
func overridden(a asset.AppStatus) string {
	return "manifest and packs come from " + redacted(a.URLOverride) + " (\"larder settings set --app " + string(a.ID) + " urlOverride off\" ends it)"
}

// tally sums up the essential downloads, or the others.
func tally(all []asset.DownloadStatus, essential bool) string {
	var count, finished, failed int
	var bytes, total int64
	for _, d := range all {
		if d.Essential != essential {
			continue
		}
		count, bytes, total = count+1, bytes+d.Bytes, total+d.TotalBytes
		switch d.State {
		case asset.StateFinished:
			finished++
		case asset.StateFailed:
			failed++
		}
	}
	if count == 0 {
		return "no downloads"
	}
	s := fmt.Sprintf("%d of %s finished, %s of %s", finished, counted(count, "download"), policy.Bytes(bytes), policy.Bytes(total))
	if failed > 0 {
		s += fmt.Sprintf(", %d failed", failed)
	}
	return s
}
