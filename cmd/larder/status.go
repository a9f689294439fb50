package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"larder/asset"
)

func (c *cli) statusCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "status [ID]", Short: "Show apps and downloads, and why anything waits", Args: takes(0, 1),
		Long: `Show apps and downloads, and why anything waits. Without an ID, at most a dozen downloads
of each app; with one, all of them. The JSON form is that of the local API and stable.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := maybeAppID(cmd, args)
			if err != nil {
				return err
			}
			api, err := c.service(cmd.Context())
			switch {
			case err != nil:
				return err
			case watch:
				return c.watch(cmd.Context(), api, id)
			}
			st, err := api.Status(cmd.Context(), id)
			switch {
			case err != nil:
				return err
			case c.json:
				return c.document(st)
			}
			lines := overview(st, most(id))
			if id == "" {
				lines = append(lines, fenceLines(st.Service.Fence)...)
			}
			for _, line := range lines {
				c.say("%s", line)
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on showing until Ctrl-C")
	c.printsJSON(cmd, "print the status as JSON; with --watch, events, one JSON object per line")
	return withExits(cmd, exitNotFound, exitUnavailable, exitInterrupted)
}

// most is how many downloads of an app are shown; 0 means all.
func most(id asset.AppID) int {
	if id == "" {
		return 12
	}
	return 0
}

// overview is the status as lines for a person.
func overview(st asset.Status, most int) []string {
	var out []string
	if line := deviceLine(st.Device); line != "" {
		out = append(out, line)
	}
	if len(st.Apps) == 0 {
		return append(out, noApps)
	}
	for _, a := range st.Apps {
		if len(out) > 0 {
			out = append(out, "")
		}
		out = append(out, fmt.Sprintf("%s %s · %s · %s", a.ID, a.Version, phase(a), gate(a.Gate)))
		if r := a.Gate.Reason; r != nil && r.Code != asset.WhyReady && r.Unblock != "" {
			out = append(out, "  → "+r.Unblock)
		}
		if a.URLOverride != "" {
			out = append(out, "  "+overridden(a))
		}
		if k := a.Check; k != nil && k.Reason != nil && k.Reason.Code != asset.WhyNotLaunched {
			out = append(out, "  checks for new content: "+sentence(k.Reason))
		}
		out = append(out, packLines(a.Packs, "  ")...)
		out = append(out, downloadLines(a, most)...)
	}
	return out
}

// fenceLines tell how far extensions are held in, and why not further.
func fenceLines(f *asset.FenceStatus) []string {
	if f == nil {
		return nil
	}
	if len(f.Missing) == 0 {
		return []string{"", "extensions are held by " + f.Level}
	}
	var t table
	for _, m := range f.Missing {
		t.add(m.What, m.Why)
	}
	return append([]string{"", "extensions are held by " + f.Level + "; not held:"}, t.lines("  ")...)
}

// ranks sort what a person wants to see first to the top.
var ranks = map[asset.DownloadState]int{asset.StateDownloading: 1, asset.StateFailed: 2, asset.StateWaiting: 3, asset.StateCreated: 4, asset.StateFinished: 5}

func downloadLines(a asset.AppStatus, most int) []string {
	// A pack that has arrived stands among the packs.
	list := slices.DeleteFunc(slices.Clone(a.Downloads), func(d asset.DownloadStatus) bool { return d.AssetPack != "" && d.State == asset.StateFinished })
	slices.SortStableFunc(list, func(x, y asset.DownloadStatus) int { return cmp.Compare(ranks[x.State], ranks[y.State]) })
	hidden := 0
	if most > 0 && len(list) > most {
		hidden = len(list) - most
		list = list[:most]
	}
	t := table{right: []int{3}}
	for _, d := range list {
		mark := ""
		if d.Essential {
			mark = "essential"
		}
		message := ""
		switch {
		case d.Reason != nil && d.State != asset.StateFinished:
			message = d.Reason.Message
		case d.State == asset.StateFinished && d.FilePath != "":
			message = "to be handed over"
		}
		t.add(short(d.Identifier, 40), string(d.State), part(d), percent(d), mark, message)
	}
	var out []string
	for n, line := range t.lines("  ") {
		out = append(out, line)
		// What would unblock a run of downloads with one reason is said once.
		if r := list[n].Reason; r != nil && r.Unblock != "" && list[n].State != asset.StateFinished &&
			(n+1 == len(list) || list[n+1].Reason == nil || list[n+1].Reason.Message != r.Message || list[n+1].Reason.Unblock != r.Unblock) {
			out = append(out, "    → "+r.Unblock)
		}
	}
	if hidden > 0 {
		out = append(out, fmt.Sprintf("  … and %d more: larder status %s", hidden, a.ID))
	}
	return out
}

func percent(d asset.DownloadStatus) string {
	if d.TotalBytes == 0 {
		return ""
	}
	return fmt.Sprintf("%d %%", min(d.Bytes, d.TotalBytes)*100/max(d.TotalBytes, 1))
}

// eventLine is an event in words; "" for one that says nothing to a person.
func eventLine(ev asset.Event) string {
	d, a := ev.Download, ev.AppState
	switch {
	case ev.Type == asset.EventApp && a != nil:
		return fmt.Sprintf("%s %s: %s; %s", a.ID, a.Version, phase(*a), gate(a.Gate))
	case ev.Type == asset.EventDevice && ev.Device != nil:
		if line := deviceLine(*ev.Device); line != "" {
			return line
		}
		return "device: nothing holds back downloads"
	case ev.Type == asset.EventRemoved:
		return fmt.Sprintf("%s: uninstalled", ev.App)
	case d == nil || ev.Type == asset.EventProgress:
		return ""
	case ev.Type == asset.EventFinished:
		return fmt.Sprintf("%s: %s: finished, %s", ev.App, d.Identifier, part(*d))
	case ev.Type == asset.EventFailed:
		return fmt.Sprintf("%s: %s: failed: %s", ev.App, d.Identifier, whole(*d))
	case ev.Type == asset.EventPaused:
		return fmt.Sprintf("%s: %s: waits: %s", ev.App, d.Identifier, whole(*d))
	case ev.Type == asset.EventBegan:
		return fmt.Sprintf("%s: %s: begins, %s", ev.App, d.Identifier, part(*d))
	}
	return ""
}
