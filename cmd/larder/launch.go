package main

import (
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/localapi"
)

func (c *cli) launchCommand() *cobra.Command {
	var anyway bool
	cmd := &cobra.Command{
		Use: "launch ID [--anyway] [-- ARGS...]", Short: "Wait for what an app needs, then become the app",
		Long: `Wait until what is essential for an app is there, then become the app: it has this
process, its working directory, its environment and its standard input and output.
All that is told about the waiting goes to standard error, with --json one JSON object
per line. Ctrl-C ends the waiting only; the installation goes on in the background.

When the app may start for another reason than being ready (a download failed, say),
the reason is told and the app started.`,
		Example: "  larder launch org.example.hello -- --level 3",
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) > 1 && dash != 1 {
				return wrongUse(cmd, "the app's own arguments must come after --")
			}
			return takes(1, len(args))(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := appID(cmd, args[0])
			if err != nil {
				return err
			}
			c.quiet = c.quiet || c.json
			return c.launch(cmd.Context(), id, anyway, args[1:])
		},
	}
	cmd.Flags().BoolVar(&anyway, "anyway", false, "do not wait")
	c.printsJSON(cmd, "tell the progress as JSON lines, on standard error")
	return withExits(cmd, exitNotFound, exitUnavailable, exitNotNow, exitInterrupted)
}

func (c *cli) launch(ctx context.Context, id asset.AppID, anyway bool, args []string) error {
	api, err := c.service(ctx)
	if err != nil {
		return err
	}
	if !anyway {
		p, err := c.follow(ctx, api, id, c.err, toGoOn)
		if err != nil {
			return whileWaiting(ctx, id, err)
		}
		if r := p.Gate.Reason; r != nil && r.Code != asset.WhyReady {
			c.note("%s opens, but %s", id, sentence(r))
		}
	}
	req := localapi.LaunchRequest{Anyway: anyway}
	if runtime.GOOS != "windows" {
		req.PID = os.Getpid()
	}
	l, err := api.Launch(ctx, id, req)
	if err != nil {
		return err
	}
	return become(l, args, environment(os.Environ(), l.Env))
}

// environment puts what the service says over what the caller has.
func environment(own []string, over map[string]string) []string {
	env := slices.DeleteFunc(slices.Clone(own), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		_, replaced := over[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(over)) {
		env = append(env, name+"="+over[name])
	}
	return env
}
