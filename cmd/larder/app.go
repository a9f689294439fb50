package main

import (
	"context"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/localapi"
)

func (c *cli) appCommand() *cobra.Command {
	return c.group("app", "Install apps, and see to what is installed",
		c.appInstallCommand(), c.appUpdateCommand(), c.appUninstallCommand(), c.appListCommand(), c.appShowCommand(), c.appCheckCommand(),
		c.appControlCommand(localapi.ActionCancel, "Give up a running installation or update",
			"Give up a running installation or update: what is not fetched yet is dropped, and the app may be launched with what is there."),
		c.appControlCommand(localapi.ActionPause, "Pause a running installation or update",
			"Pause a running installation or update. Bytes that were fetched are kept, and the app may be launched meanwhile."),
		c.appControlCommand(localapi.ActionResume, "Go on with a paused installation or update", ""))
}

// phases are the states of an app in words.
var phases = map[asset.AppState]string{
	asset.AppInstalled: "registered",
	asset.AppManifest:  "fetching its manifest",
	asset.AppExtension: "asking its extension what to fetch",
	asset.AppEssential: "fetching what is essential",
	asset.AppReady:     "ready",
}

func phase(a asset.AppStatus) string {
	s, known := phases[a.State]
	if !known {
		s = string(a.State)
	}
	if a.Paused {
		s += ", paused"
	}
	return s
}

func gate(g asset.Gate) string {
	s := "gate closed"
	if g.Open {
		s = "gate open"
	}
	if g.Reason != nil {
		s += ": " + g.Reason.Message
	}
	return s
}

// tellApp prints what a call made of an app, behind a word that names the call.
func (c *cli) tellApp(done string, a asset.AppStatus) error {
	if c.json {
		return c.document(a)
	}
	if !c.quiet {
		c.say("%s %s %s: %s; %s", done, a.ID, a.Version, phase(a), gate(a.Gate))
	}
	return nil
}

// waitReady follows an installation to its end, and judges that end.
func (c *cli) waitReady(ctx context.Context, api *localapi.Client, id asset.AppID) error {
	p, err := c.follow(ctx, api, id, c.out, toReport)
	switch r := p.Gate.Reason; {
	case err != nil:
		return whileWaiting(ctx, id, err)
	case r == nil || r.Code == asset.WhyReady || r.Code == asset.WhyContentOff:
		return nil
	case r.Code == asset.WhyPaused:
		return &asset.Error{Code: asset.CodeState, Op: "install", Subject: string(id), Message: r.Message, Help: r.Unblock}
	default:
		return &asset.Error{Code: asset.CodeFailedToStart, Op: "install", Subject: string(id), Message: r.Message, Help: r.Unblock}
	}
}

// whileWaiting puts into words that only the waiting was interrupted.
func whileWaiting(ctx context.Context, id asset.AppID, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return interrupted{"interrupted; " + string(id) + " is stocked further in the background (see \"larder status " + string(id) + "\")"}
}

// interrupted is a context.Canceled with words of its own.
type interrupted struct{ message string }

func (e interrupted) Error() string { return e.message }

func (e interrupted) Unwrap() error { return context.Canceled }
